package certifyapp

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// MakeKeyName is the word after "dispatcher" that makes a key of the ledger.
const MakeKeyName = "make-ledger-key"

// RunMakeKey writes a new key of the ledger to NAME.key, which its owner alone may
// read, and its public half to NAME.pub. It never writes over a file. It returns the
// exit code: 0 done, 1 failed, 2 used wrongly.
func RunMakeKey(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("dispatcher "+MakeKeyName, flag.ContinueOnError)
	flags.SetOutput(stderr)
	origin := flags.String("origin", "", "the `name` of the ledger, as a URL without scheme: post.example.dk/ledger/2; each ledger has its own")
	out := flags.String("out", "keys/checkpoint", "where to: `path` without .key and .pub")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: dispatcher %s -origin post.example.dk/ledger/2 -out keys/checkpoint-2\n", MakeKeyName)
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "exit codes: 0 done, 1 failed, 2 used wrongly")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *origin == "" || strings.Contains(*origin, "://") || *out == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "want -origin NAME without https://, -out PATH, and nothing else")
		flags.Usage()
		return 2
	}
	if err := makeKey(*origin, *out); err != nil {
		fmt.Fprintln(stderr, "dispatcher:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s.key\n%s.pub\n", *out, *out)
	return 0
}

func makeKey(origin, out string) error {
	skey, vkey, err := ledger.GenerateCheckpointKey(origin)
	if err != nil {
		return err
	}
	if _, err := note.NewVerifier(vkey); err != nil {
		return fmt.Errorf("%q cannot be the name of a ledger", origin)
	}
	if err := writeNew(out+".key", skey, 0o600); err != nil {
		return err
	}
	return writeNew(out+".pub", vkey, 0o644)
}

// writeNew writes a line to a file that was not there.
func writeNew(path, line string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("make key of the ledger: %w", err)
	}
	_, err = fmt.Fprintln(f, line)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make key of the ledger: %w", err)
	}
	return nil
}
