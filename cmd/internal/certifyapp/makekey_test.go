package certifyapp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/certifyapp"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

func TestAKeyOfTheLedgerIsMadeOnceAndForItsOwner(t *testing.T) {
	out := filepath.Join(t.TempDir(), "checkpoint-2")
	var stdout, stderr bytes.Buffer
	run := func(args ...string) int { return certifyapp.RunMakeKey(args, &stdout, &stderr) }
	if code := run("-origin", "post.example.dk/ledger/2", "-out", out); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	signer, vkey, err := ledger.ReadSigner(out + ".key") // refuses what others may read
	if err != nil || signer.Name() != "post.example.dk/ledger/2" {
		t.Fatalf("signer %v, %v", signer, err)
	}
	if public, err := os.ReadFile(out + ".pub"); err != nil || string(public) != vkey+"\n" {
		t.Errorf("public half %q, %v", public, err)
	}
	if earlier, err := ledger.ReadEarlier(out + ".pub"); err != nil || len(earlier) != 1 {
		t.Errorf("as an earlier key: %v, %v", earlier, err)
	}
	before, err := os.ReadFile(out + ".key")
	if err != nil {
		t.Fatal(err)
	}
	if code := run("-origin", "post.example.dk/ledger/2", "-out", out); code != 1 {
		t.Errorf("a key is written over: exit code %d", code)
	}
	if after, err := os.ReadFile(out + ".key"); err != nil || !bytes.Equal(before, after) {
		t.Error("the key is another one")
	}
	for _, wrong := range [][]string{{}, {"-out", out + "x"}, {"-origin", "https://post.example.dk/ledger", "-out", out + "x"}, {"-origin", "a", "b"}} {
		if code := run(wrong...); code != 2 {
			t.Errorf("%q: exit code %d", wrong, code)
		}
	}
	if code := run("-origin", "two words", "-out", out+"x"); code != 1 {
		t.Error("a name with a space is taken")
	}
	if bytes.Contains(append(stdout.Bytes(), stderr.Bytes()...), []byte("PRIVATE")) {
		t.Error("the secret key is printed")
	}
}
