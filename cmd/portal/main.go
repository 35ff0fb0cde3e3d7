// Command portal serves the citizens: log-in, inquiries, receipts, and the
// public files of the ledger.
//
// It refuses a configuration with an unknown key or a readable secret, and ends
// with exit code 78 then. It can seal inquiries but never open them.
package main

import (
	"os"

	"sikkerpost.dk/gateway/cmd/internal/portalapp"
	"sikkerpost.dk/gateway/internal/daemon"
)

func main() {
	os.Exit(daemon.Main("portal", os.Args[1:], os.Stderr, portalapp.New))
}
