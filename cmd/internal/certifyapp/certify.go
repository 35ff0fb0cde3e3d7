// Package certifyapp is "dispatcher certify-receipt-key": it lets the ledger's
// key vouch for the portal's receipt key, for a time, so that whoever knows the
// ledger's public key can check a receipt.
//
// It runs where the ledger's key is, needs no configuration, and prints the
// certificate, which is public. It refuses a key file that others may read, and
// a receipt key that bears the ledger's name.
//
// "dispatcher make-ledger-key" makes the key of a ledger, the first or a later one.
package certifyapp

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Name is the word after "dispatcher".
const Name = "certify-receipt-key"

// Run does it and returns the exit code: 0 done, 1 failed, 2 used wrongly.
func Run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("dispatcher "+Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	key := flags.String("key", "keys/checkpoint.key", "the ledger's secret key")
	receipts := flags.String("receipts", "keys/receipt.pub", "the portal's public receipt key")
	from := flags.String("from", time.Now().UTC().Format(time.DateOnly), "first `day` on which receipts are signed with it")
	years := flags.Int("years", 5, "how long; a receipt of a later day does not hold")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: dispatcher %s [flags] > keys/receipt.cert\n", Name)
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "exit codes: 0 done, 1 failed, 2 used wrongly")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	day, err := time.Parse(time.DateOnly, *from)
	if err != nil || *years < 1 || *years > 20 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "want -from YYYY-MM-DD, -years from 1 to 20, and nothing else")
		flags.Usage()
		return 2
	}
	cert, err := certify(*key, *receipts, day, day.AddDate(*years, 0, 0))
	if err == nil {
		_, err = stdout.Write(cert)
	}
	if err != nil {
		fmt.Fprintln(stderr, "dispatcher:", err)
		return 1
	}
	return 0
}

func certify(key, receipts string, from, until time.Time) ([]byte, error) {
	signer, _, err := ledger.ReadSigner(key)
	if err != nil {
		return nil, err
	}
	public, err := os.ReadFile(receipts)
	if err != nil {
		return nil, fmt.Errorf("read public receipt key: %w", err)
	}
	return ledger.CertifyReceiptKey(strings.TrimSpace(string(public)), from, until, signer)
}
