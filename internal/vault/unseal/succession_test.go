package unseal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// kept is one blob in memory.
type kept struct{ bytes.Buffer }

func (k *kept) Put(_ context.Context, write func(io.Writer) error) (blob string, sum []byte, size int64, err error) {
	if err := write(&k.Buffer); err != nil {
		return "", nil, 0, err
	}
	d := sha256.Sum256(k.Bytes())
	return "one", d[:], int64(k.Len()), nil
}

// TestAKeyIsSucceededWithoutLosingWhatWasSealedBefore plays what docs/operations.md says of the keys of an inbox, by
// the files that are named there: a data protection officer, a deputy and a recovery key; the officer goes, and her key is
// lost with her. Nothing that was sealed before is lost or has to be sealed anew, the successor reads what comes from now
// on and nothing of before until somebody gives him a key of that time, and whoever finds the lost key reads nothing new.
func TestAKeyIsSucceededWithoutLosingWhatWasSealedBefore(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		var text []byte
		for _, l := range lines {
			text = append(append(text, l...), '\n')
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var secret, public [4]string
	for i := range secret { // officer, deputy, recovery, successor
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		secret[i], public[i] = id.String(), id.Recipient().String()
	}
	const officer, deputy, recovery, successor = 0, 1, 2, 3
	type sealed struct {
		object  seal.Object
		payload []byte
		digest  [32]byte
	}
	seals := func(recipients string) (s sealed) {
		to, err := seal.ReadRecipientsFile(recipients)
		if err != nil {
			t.Fatal(err)
		}
		var k kept
		s.object, err = seal.Stream(t.Context(), &k, to, func(w io.Writer) error {
			var err error
			s.digest, err = seal.Pack(w, facts, message(), []seal.Part{part("a.pdf", []byte("%PDF"))})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.payload = k.Bytes()
		return s
	}
	before := seals(file("before.recipients", "# DPO, deputy, recovery", public[officer], public[deputy], public[recovery]))
	after := seals(file("after.recipients", public[successor], public[deputy], public[recovery]))
	for _, c := range []struct {
		name          string
		keys          []string
		before, after bool
	}{
		{"the officer, or whoever finds her key", []string{secret[officer]}, true, false},
		{"the deputy", []string{secret[deputy]}, true, true},
		{"the recovery key", []string{secret[recovery]}, true, true},
		{"the successor", []string{secret[successor]}, false, true},
		{"the successor with the recovery key", []string{secret[successor], secret[recovery]}, true, true},
		{"the successor with the officer's key", []string{secret[officer], secret[successor]}, true, true},
	} {
		ids, err := unseal.ReadIdentitiesFile(file("identity", c.keys...))
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []struct {
			when  string
			what  sealed
			opens bool
		}{{"before", before, c.before}, {"after", after, c.after}} {
			whole := false
			if r, err := unseal.Payload(of.what.object.Header, bytes.NewReader(of.what.payload), ids...); err == nil {
				data, err := io.ReadAll(r)
				if err != nil {
					t.Fatalf("%s, %s: %v", c.name, of.when, err)
				}
				_, _, p, err := read(data, facts)
				whole = err == nil && p.Digest() == of.what.digest
			}
			if whole != of.opens {
				t.Errorf("%s opens what was sealed %s: %v, want %v", c.name, of.when, whole, of.opens)
			}
		}
	}
}
