package devcerts

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"
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

// noteKey plans an Ed25519 signer and its verifier.
func (m *maker) noteKey(file, name string, k *NoteKey) {
	k.Signer = filepath.Join(m.dir, "keys", file+".key")
	k.Verifier = filepath.Join(m.dir, "keys", file+".pub")
	m.jobs = append(m.jobs, func() error {
		secret, err := m.keep(k.Signer, func() (string, error) {
			secret, _, err := note.GenerateKey(rand.Reader, name)
			return secret, err
		})
		if err != nil {
			return err
		}
		public, err := verifierOf(secret)
		if err != nil {
			return fmt.Errorf("read note key %s: it is damaged; move it away to get a new one", k.Signer)
		}
		return m.follow(k.Verifier, public)
	})
}

// verifierOf returns the verifier key of an Ed25519 signer key, whose encoding
// is PRIVATE+KEY+name+hash+base64(1 ‖ seed).
func verifierOf(secret string) (string, error) {
	s, err := note.NewSigner(secret)
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(s.Name(), publicOf(raw[1:]))
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
