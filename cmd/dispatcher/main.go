// Command dispatcher signs letters and hands them to their carriers, takes
// receipts, keeps the ledger and purges what is over. It reads one
// configuration file and never changes it; on a fault in it nothing starts.
//
// "dispatcher certify-receipt-key" makes the certificate of the portal's
// receipt key and ends; "dispatcher make-ledger-key" makes a key of the ledger.
package main

import (
	"os"

	"sikkerpost.dk/gateway/cmd/internal/certifyapp"
	"sikkerpost.dk/gateway/cmd/internal/dispatcherapp"
	"sikkerpost.dk/gateway/internal/daemon"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == certifyapp.Name {
		os.Exit(certifyapp.Run(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == certifyapp.MakeKeyName {
		os.Exit(certifyapp.RunMakeKey(os.Args[2:], os.Stdout, os.Stderr))
	}
	dispatcherapp.Pace()
	os.Exit(daemon.Main("dispatcher", os.Args[1:], os.Stderr, dispatcherapp.New, certifyapp.Name, certifyapp.MakeKeyName))
}
