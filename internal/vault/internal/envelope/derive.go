package envelope

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
)

var (
	innerPad = [sha256.BlockSize]byte(bytes.Repeat([]byte{0x36}, sha256.BlockSize))
	outerPad = [sha256.BlockSize]byte(bytes.Repeat([]byte{0x5c}, sha256.BlockSize))
)

// derive is HKDF-SHA256 (RFC 5869) of one block, 32 bytes. The standard library's
// makes eight hashes on the heap each time, and a letter needs some thirty keys that
// are used once. The tests hold both to the same bytes.
func derive(secret, salt []byte, info string) [sha256.Size]byte {
	prk := mac256(salt, secret)
	var space [128]byte
	return mac256(prk[:], append(append(space[:0], info...), 1))
}

// mac256 is HMAC-SHA256 (RFC 2104) with a key of at most one block.
func mac256(key, text []byte) [sha256.Size]byte {
	if len(key) > sha256.BlockSize {
		panic("envelope: key of a MAC is longer than a block")
	}
	var inner [512]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], innerPad[:])
	copy(outer[:], outerPad[:])
	subtle.XORBytes(inner[:], innerPad[:], key)
	subtle.XORBytes(outer[:], outerPad[:], key)
	sum := sha256.Sum256(append(inner[:sha256.BlockSize], text...))
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}
