package certifyapp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/certifyapp"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// keys writes a key pair and returns the path of each half.
func keys(t *testing.T, name string) (secret, public string) {
	t.Helper()
	skey, vkey, err := ledger.GenerateCheckpointKey(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret, public = filepath.Join(dir, "key"), filepath.Join(dir, "pub")
	for path, text := range map[string]string{secret: skey, public: vkey} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return secret, public
}

func TestTheLogVouchesForTheReceiptKeyForATime(t *testing.T) {
	log, logPublic := keys(t, "log.example")
	_, receipts := keys(t, "portal.example/receipts")
	var cert, talk bytes.Buffer
	if code := certifyapp.Run([]string{"-key", log, "-receipts", receipts, "-from", "2026-03-01", "-years", "2"}, &cert, &talk); code != 0 {
		t.Fatalf("exit %d: %s", code, &talk)
	}
	vkey, err := os.ReadFile(logPublic)
	if err != nil {
		t.Fatal(err)
	}
	known, err := ledger.Known(strings.TrimSpace(string(vkey)))
	if err != nil {
		t.Fatal(err)
	}
	for day, holds := range map[string]bool{"2026-02-28": false, "2026-03-01": true, "2028-02-29": true, "2028-03-01": false} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.CheckReceiptKey(cert.Bytes(), at, known); (err == nil) != holds {
			t.Errorf("on %s: %v", day, err)
		}
	}
}

func TestWhatIsWrongIsRefusedWithoutACertificate(t *testing.T) {
	log, logPublic := keys(t, "log.example")
	_, receipts := keys(t, "portal.example/receipts")
	open, _ := keys(t, "log.example")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"a secret that others may read", []string{"-key", open, "-receipts", receipts}, 1},
		{"the ledger's key vouching for itself", []string{"-key", log, "-receipts", logPublic}, 1},
		{"no receipt key", []string{"-key", log, "-receipts", log + ".none"}, 1},
		{"no ledger key", []string{"-key", log + ".none", "-receipts", receipts}, 1},
		{"no day", []string{"-key", log, "-receipts", receipts, "-from", "soon"}, 2},
		{"no time", []string{"-key", log, "-receipts", receipts, "-years", "0"}, 2},
		{"an unknown flag", []string{"-x"}, 2},
		{"more than it takes", []string{"-key", log, "-receipts", receipts, "now"}, 2},
	} {
		var out, talk bytes.Buffer
		if code := certifyapp.Run(c.args, &out, &talk); code != c.code || out.Len() > 0 || talk.Len() == 0 {
			t.Errorf("%s: exit %d, printed %q, said %q", c.name, code, &out, &talk)
		}
	}
}
