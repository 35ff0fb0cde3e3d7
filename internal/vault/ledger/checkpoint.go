package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
)

// Verifiers are the keys that a reader trusts.
type Verifiers = note.Verifiers

// GenerateCheckpointKey makes a note key: skey is secret, vkey is what readers
// of the log are given. name is the log's origin, e.g. "sikkerpost.dk/log".
// The portal's receipt key is made the same way, under another name.
func GenerateCheckpointKey(name string) (skey, vkey string, err error) {
	skey, vkey, err = note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", "", fmt.Errorf("make note key: %w", err)
	}
	return skey, vkey, nil
}

// ReadSigner reads a note key from the file at path and returns the signer and
// the public key that belongs to it. It refuses a file that others may read.
func ReadSigner(path string) (note.Signer, string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", fmt.Errorf("read note key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("read note key %s: others may read it: mode %04o", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("read note key: %w", err)
	}
	skey := strings.TrimSpace(string(text))
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, "", fmt.Errorf("read note key %s: it is not a note key", path) // the cause may hold the key
	}
	vkey, err := PublicKey(skey)
	if err != nil {
		return nil, "", fmt.Errorf("read note key %s: %w", path, err)
	}
	return s, vkey, nil
}

// PublicKey returns the public note key of skey.
func PublicKey(skey string) (string, error) {
	parts := strings.SplitN(skey, "+", 5) // PRIVATE+KEY+name+hash+base64, of which the last may hold a +
	if len(parts) != 5 {
		return "", errors.New("not a note key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", errors.New("not an Ed25519 note key")
	}
	public := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(parts[2], public)
}

// Known returns the verifiers of public note keys.
func Known(vkeys ...string) (Verifiers, error) {
	var list []note.Verifier
	for _, k := range vkeys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, fmt.Errorf("read public note key: %w", err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// own verifies what an Ed25519 signer signed by signing it again: such
// signatures are deterministic.
type own struct{ note.Signer }

// Verify implements note.Verifier.
func (o own) Verify(msg, sig []byte) bool {
	again, err := o.Sign(msg)
	return err == nil && bytes.Equal(again, sig)
}

// signCheckpoint returns the signed note of tree: origin, size, root hash
// (C2SP tlog-checkpoint).
func signCheckpoint(origin string, tree tlog.Tree, s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, tree.N, tree.Hash)
	signed, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint %d: %w", tree.N, err)
	}
	return signed, nil
}

// OpenCheckpoint returns the tree that a checkpoint vouches for. It refuses one
// that no key in known has signed, or whose origin is not the name of that key.
func OpenCheckpoint(signed []byte, known Verifiers) (tlog.Tree, error) {
	n, err := openNote(signed, known)
	if err != nil {
		return tlog.Tree{}, post.FaultInclusion.Because(fmt.Errorf("open checkpoint: %w", err))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != n.Sigs[0].Name {
		return tlog.Tree{}, post.FaultInclusion.At("the checkpoint is of another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, post.FaultInclusion.At("the checkpoint has no size")
	}
	h, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, post.FaultInclusion.At("the checkpoint has no hash")
	}
	return tlog.Tree{N: size, Hash: h}, nil
}
