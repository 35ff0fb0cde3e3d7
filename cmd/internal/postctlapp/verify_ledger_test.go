package postctlapp

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// With another key nothing can be said of the books: who runs the check is asked
// about the key, not told that the books are forged.
func TestVerifyAsksAboutTheKeyBeforeItDoubtsTheBooks(t *testing.T) {
	const origin = "sikkerpost.example/log"
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) string {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	database := "sqlite://" + at("books.db")
	store, err := sqlstore.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	secret, public, err := ledger.GenerateCheckpointKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	_, replaced, err := ledger.GenerateCheckpointKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := note.Sign(&note.Note{Text: origin + "\n0\n" + empty.String() + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Replace(checkpoint, []byte("\n0\n"), []byte("\n1\n"), 1)
	for name, c := range map[string]struct {
		key, checkpoint string
		code            int
		says, not       string
	}{
		"the key that holds":    {public, string(checkpoint), ctl.Done, "", "stop the dispatchers"},
		"a key that was before": {replaced, string(checkpoint), ctl.BadConfig, "not the one that signed the checkpoint", "not add up"},
		"a secret key":          {secret, string(checkpoint), ctl.BadConfig, "holds no public key", secret},
		"no key":                {"", string(checkpoint), ctl.BadConfig, "holds no public key", "stop the dispatchers"},
		"the right key, a checkpoint that was changed": {public, string(forged), ctl.NeedsPerson, "stop the dispatchers", "not the one that signed"},
	} {
		t.Run(name, func(t *testing.T) {
			put(ledger.CheckpointFile, c.checkpoint)
			key := put("ledger.pub", c.key)
			var out, errs bytes.Buffer
			code := Run(context.Background(), []string{"verify", "-database", database, "-ledger", dir, "-ledger-key", key}, strings.NewReader(""), &out, &errs)
			if said := errs.String(); code != c.code || !strings.Contains(said, c.says) || strings.Contains(said, c.not) {
				t.Errorf("exit %d, want %d:\n%s%s", code, c.code, out.String(), said)
			}
			if said := errs.String(); name == "a key that was before" && strings.Index(said, "which one holds") > strings.Index(said, "stop the dispatchers") {
				t.Errorf("the dispatchers come before the key: %s", said)
			}
		})
	}
}
