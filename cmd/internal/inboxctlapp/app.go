package inboxctlapp

import (
	"context"
	"io"
)

// Run runs one command and returns its exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int { return 1 }
