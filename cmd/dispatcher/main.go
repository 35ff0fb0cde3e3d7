// Command dispatcher signs letters and hands them to their carriers, takes
// receipts, keeps the ledger and purges what is over. It reads one
// configuration file and never changes it; on a fault in it nothing starts.
package main

import (
	"os"

	"sikkerpost.dk/gateway/cmd/internal/dispatcherapp"
	"sikkerpost.dk/gateway/internal/daemon"
)

func main() {
	os.Exit(daemon.Main("dispatcher", os.Args[1:], os.Stderr, dispatcherapp.New))
}
