//go:build pkcs11

package pkcs11key

import (
	"errors"
	"fmt"

	"github.com/ThalesGroup/crypto11"
)

// session is a key and the login that it needs.
type session struct {
	crypto11.Signer
	token *crypto11.Context
}

// Close logs out.
func (s *session) Close() error { return s.token.Close() }

func open(k Key) (Signer, error) {
	token, err := crypto11.Configure(&crypto11.Config{Path: k.Module, TokenLabel: k.Token, Pin: k.PIN})
	if err != nil {
		return nil, fmt.Errorf("open token %q: %w", k.Token, err)
	}
	pairs, err := token.FindKeyPairs(nil, []byte(k.Label))
	if err == nil && len(pairs) != 1 {
		err = fmt.Errorf("%d key pairs have the label", len(pairs))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find key %q on token %q: %w", k.Label, k.Token, err), token.Close())
	}
	return &session{pairs[0], token}, nil
}
