// Package pkcs11key signs with a key that never leaves its token: a hardware
// security module, or SoftHSM, through PKCS#11.
//
// It needs cgo, which the static programs are built without; it is therefore
// compiled in only with the build tag pkcs11. A program without it refuses a
// configuration that asks for a token, and says how to build one that does not.
//
// It refuses a token, or a key on it, that is not there exactly once under its
// label. A token that goes away later makes signing fail, and nothing else: the
// letter waits and is tried again.
package pkcs11key

import (
	"crypto"
	"errors"
)

// ErrNotBuilt says that this program was built without PKCS#11.
var ErrNotBuilt = errors.New("this program was built without PKCS#11: build it with CGO_ENABLED=1 and -tags pkcs11, or give letter_key_file")

// Key names a key on a token.
type Key struct {
	Module string // path of the PKCS#11 library
	Token  string // label of the token
	Label  string // of the key pair
	PIN    string // of the user; never logged
}

// A Signer signs with the key on the token until it is closed.
type Signer interface {
	crypto.Signer
	Close() error
}

// Open logs in to the token and finds the key. It names every gap of k.
func Open(k Key) (Signer, error) {
	var gaps []error
	for _, g := range []struct{ value, what string }{
		{k.Module, "Module"}, {k.Token, "Token"}, {k.Label, "Label"}, {k.PIN, "PIN"},
	} {
		if g.value == "" {
			gaps = append(gaps, errors.New("pkcs11key: "+g.what+" is required"))
		}
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	return open(k)
}
