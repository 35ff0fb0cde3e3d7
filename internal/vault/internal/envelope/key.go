package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"

	"filippo.io/age"
)

// A Key is a symmetric key that wraps file keys. Its stanza is
//
//	-> TYPE ID SALT
//	body
//
// where SALT is 16 random bytes (raw base64) and body is the file key under
// AES-256-GCM with a zero nonce; the key of that is
// HKDF-SHA256(secret, SALT, TYPE " " ID), so it is used once.
type Key struct {
	Type   string
	ID     string
	Secret [32]byte
}

const saltSize, fileKeySize, wrappedSize = 16, 16, 32

// NewKey draws a key.
func NewKey(stanza, id string) *Key {
	k := &Key{Type: stanza, ID: id}
	rand.Read(k.Secret[:])
	return k
}

// Wrap implements age.Recipient.
func (k *Key) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	aead, err := k.aead(salt)
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{
		Type: k.Type,
		Args: []string{k.ID, base64.RawStdEncoding.EncodeToString(salt)},
		Body: aead.Seal(nil, make([]byte, aead.NonceSize()), fileKey, nil),
	}}, nil
}

// Unwrap implements age.Identity.
func (k *Key) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != k.Type || len(s.Args) != 2 || s.Args[0] != k.ID || len(s.Body) != wrappedSize {
			continue
		}
		salt, err := strict.DecodeString(s.Args[1])
		if err != nil || len(salt) != saltSize {
			return nil, ErrSealed
		}
		aead, err := k.aead(salt)
		if err != nil {
			return nil, err
		}
		fileKey, err := aead.Open(nil, make([]byte, aead.NonceSize()), s.Body, nil)
		if err != nil || len(fileKey) != fileKeySize {
			return nil, ErrSealed
		}
		return fileKey, nil
	}
	return nil, age.ErrIncorrectIdentity
}

func (k *Key) aead(salt []byte) (cipher.AEAD, error) {
	once := derive(k.Secret[:], salt, k.Type+" "+k.ID)
	block, err := aes.NewCipher(once[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// KeyIDs returns the ids of the keys of type stanza that could open stanzas.
func KeyIDs(stanza string, stanzas []*age.Stanza) []string {
	var ids []string
	for _, s := range stanzas {
		if s.Type == stanza && len(s.Args) == 2 {
			ids = append(ids, s.Args[0])
		}
	}
	return ids
}
