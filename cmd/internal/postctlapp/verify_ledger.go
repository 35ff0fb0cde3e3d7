package postctlapp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// audit checks the ledger's rows against the published checkpoint. A key that is
// not the one that signed it is said before anything is looked at: it is far
// likelier that somebody gave another key than that somebody forged the books,
// and nothing can be told of them with it.
func (c *verifyAll) audit(db *sqlstore.Store) (func(context.Context) (ledger.Report, error), error) {
	key, err := os.ReadFile(c.LedgerKey)
	if err != nil {
		return nil, &ctl.Hint{Err: err, Hint: "check the path given with -ledger-key", Exit: ctl.BadConfig}
	}
	given, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil { // the file may be the secret key: none of it is repeated
		return nil, &ctl.Hint{Err: fmt.Errorf("%s holds no public key of a ledger", c.LedgerKey), Exit: ctl.BadConfig,
			Hint: "give with -ledger-key the public key, one line NAME+HASH+KEY; the portal has the same file as ledger_key_file"}
	}
	checkpoint, err := os.ReadFile(filepath.Join(c.Ledger, ledger.CheckpointFile))
	if err != nil {
		return nil, &ctl.Hint{Err: err, Hint: "check the folder given with -ledger: where the dispatcher publishes the ledger", Exit: ctl.BadConfig}
	}
	known := note.VerifierList(given)
	if err := c.otherKey(checkpoint, given); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (ledger.Report, error) { return ledger.Audit(ctx, db, checkpoint, known) }, nil
}

// otherKey refuses a key that has not signed checkpoint, and says which one has.
// A signature of the right key that does not hold is no matter of keys: the
// audit finds it.
func (c *verifyAll) otherKey(checkpoint []byte, given note.Verifier) error {
	_, err := note.Open(checkpoint, note.VerifierList(given))
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return nil
	}
	var by []string
	for _, s := range unverified.Note.UnverifiedSigs {
		by = append(by, fmt.Sprintf("%s+%08x", ctl.Line(s.Name), s.Hash))
	}
	return &ctl.Hint{
		Err: fmt.Errorf("the key given is not the one that signed the checkpoint: %s is %s+%08x, the checkpoint is signed by %s; nothing was checked",
			c.LedgerKey, ctl.Line(given.Name()), given.KeyHash(), strings.Join(by, " and ")),
		Hint: "ask who keeps the ledger's key which one holds, whether it was replaced, and whether folder and key are of one installation; then run this again. " +
			"Only when this is for certain the key that holds is the checkpoint not ours: then stop the dispatchers and keep everything as it is",
		Exit: ctl.BadConfig,
	}
}
