package envelope

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

func TestKeysAreThoseOfTheStandardLibrary(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	random := func(n int) []byte { b := make([]byte, n); _, _ = r.Read(b); return b }
	for n := range 700 {
		secret, salt, info := random(n), random(n%65), string(random(n/2))
		want, err := hkdf.Key(sha256.New, secret, salt, info, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := derive(secret, salt, info); !bytes.Equal(got[:], want) {
			t.Fatalf("%d bytes: the key differs", n)
		}
		mac := hmac.New(sha256.New, salt)
		mac.Write(secret)
		if got := mac256(salt, secret); !bytes.Equal(got[:], mac.Sum(nil)) {
			t.Fatalf("%d bytes: the MAC differs", n)
		}
	}
	want, err := hkdf.Key(sha256.New, []byte("secret"), nil, "header", 32)
	if got := derive([]byte("secret"), nil, "header"); err != nil || !bytes.Equal(got[:], want) {
		t.Errorf("without salt: %x, %v", got, err)
	}
}

func TestAKeyIsMadeOnTheStack(t *testing.T) {
	secret, salt, text := make([]byte, 32), make([]byte, 16), make([]byte, 300)
	var sum byte
	if n := testing.AllocsPerRun(100, func() {
		a, b := derive(secret, salt, "sikkerpost.dk/data-key/v1 01a202a6-2581-79e9-ac81-13baff3376b1"), mac256(secret, text)
		sum += a[0] + b[0]
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
