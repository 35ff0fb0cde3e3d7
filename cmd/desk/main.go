// Command desk serves the inboxes, letters and batches to DPO tools, case
// systems, approvers and operators: see packages deskapp and deskapi.
package main

import (
	"os"

	"sikkerpost.dk/gateway/cmd/internal/deskapp"
	"sikkerpost.dk/gateway/internal/daemon"
)

func main() {
	deskapp.Pace()
	os.Exit(daemon.Main("desk", os.Args[1:], os.Stderr, deskapp.New))
}
