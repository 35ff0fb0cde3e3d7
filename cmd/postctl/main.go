// Command postctl: see package postctlapp.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sikkerpost.dk/gateway/cmd/internal/postctlapp"
)

func main() {
	postctlapp.Pace()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := postctlapp.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
