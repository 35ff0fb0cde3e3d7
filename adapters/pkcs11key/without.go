//go:build !pkcs11

package pkcs11key

func open(Key) (Signer, error) { return nil, ErrNotBuilt }
