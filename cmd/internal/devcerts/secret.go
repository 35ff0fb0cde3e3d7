package devcerts

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// ageKey plans a hybrid identity and its recipients file. An identity is never
// remade: whatever was sealed to it would be lost.
func (m *maker) ageKey(name string, k *AgeKey) {
	k.Identity = filepath.Join(m.dir, "age", name+".identity")
	k.Recipients = filepath.Join(m.dir, "age", name+".recipients")
	m.jobs = append(m.jobs, func() error {
		secret, err := m.keep(k.Identity, func() (string, error) {
			id, err := age.GenerateHybridIdentity()
			if err != nil {
				return "", err
			}
			return id.String(), nil
		})
		if err != nil {
			return err
		}
		id, err := age.ParseHybridIdentity(secret)
		if err != nil {
			return fmt.Errorf("read age identity %s: it is damaged; move it away to get a new one", k.Identity)
		}
		return m.follow(k.Recipients, id.Recipient().String())
	})
}

// noteKeys plans the two Ed25519 keys, and the certificate that the first gives
// the second.
func (m *maker) noteKeys(s *Set) {
	name := func(file string) NoteKey {
		return NoteKey{Signer: filepath.Join(m.dir, "keys", file+".key"), Verifier: filepath.Join(m.dir, "keys", file+".pub")}
	}
	s.Checkpoint, s.Receipt = name("checkpoint"), name("receipt")
	s.ReceiptCert = filepath.Join(m.dir, "keys", "receipt.cert")
	m.jobs = append(m.jobs, func() error {
		if err := errors.Join(m.noteKey(CheckpointName, s.Checkpoint), m.noteKey(ReceiptName, s.Receipt)); err != nil {
			return err
		}
		return m.receiptCert(s)
	})
}

func (m *maker) noteKey(name string, k NoteKey) error {
	secret, err := m.keep(k.Signer, func() (string, error) {
		secret, _, err := ledger.GenerateCheckpointKey(name)
		return secret, err
	})
	if err != nil {
		return err
	}
	public, err := ledger.PublicKey(secret)
	if err != nil {
		return fmt.Errorf("read note key %s: it is damaged; move it away to get a new one", k.Signer)
	}
	return m.follow(k.Verifier, public)
}

// receiptCertLife is long because a new certificate would not vouch for the
// receipts that were given under the old one.
const receiptCertLife = 10 // years

// receiptCert lets the ledger's key vouch for the receipt key, from the day on
// which that was made.
func (m *maker) receiptCert(s *Set) error {
	checkpoint, log, err := ledger.ReadSigner(s.Checkpoint.Signer)
	if err != nil {
		return err
	}
	known, err := ledger.Known(log)
	if err != nil {
		return err
	}
	_, receipt, err := ledger.ReadSigner(s.Receipt.Signer)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(s.ReceiptCert); err == nil && bytes.Contains(have, []byte(receipt)) {
		if _, err := ledger.CheckReceiptKey(have, m.opts.Now.Add(m.opts.RenewBefore), known); err == nil {
			return nil
		}
	}
	from := m.opts.Now
	if made, err := os.Stat(s.Receipt.Signer); err == nil && made.ModTime().Before(from) {
		from = made.ModTime()
	}
	cert, err := ledger.CertifyReceiptKey(receipt, from.Add(-time.Minute), from.AddDate(receiptCertLife, 0, 0), checkpoint)
	if err != nil {
		return err
	}
	return m.write(s.ReceiptCert, cert)
}

// hexKey plans 32 random bytes in hex.
func (m *maker) hexKey(name string, path *string) {
	*path = filepath.Join(m.dir, "keys", name+".hex")
	m.jobs = append(m.jobs, func() error {
		secret, err := m.keep(*path, func() (string, error) {
			b := make([]byte, 32)
			rand.Read(b)
			return hex.EncodeToString(b), nil
		})
		if err != nil {
			return err
		}
		if b, err := hex.DecodeString(secret); err != nil || len(b) != 32 {
			return fmt.Errorf("read key %s: it is damaged; move it away to get a new one", *path)
		}
		return nil
	})
}

// keep returns the secret in path, or makes it when there is none.
func (m *maker) keep(path string, generate func() (string, error)) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret, err := generate()
	if err != nil {
		return "", fmt.Errorf("generate %s: %w", path, err)
	}
	return secret, m.write(path, []byte(secret+"\n"))
}

// follow writes the public half to path, unless it is there already.
func (m *maker) follow(path, public string) error {
	want := []byte(public + "\n")
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, want) {
		return nil
	}
	return m.write(path, want)
}
