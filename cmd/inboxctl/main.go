// Command inboxctl: see package inboxctlapp.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sikkerpost.dk/gateway/cmd/internal/inboxctlapp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := inboxctlapp.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
