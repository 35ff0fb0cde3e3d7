package envelope_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
)

// known is an identity whose file key the test knows, so that it can forge
// whatever the real owner of a key could write.
type known struct{}

var knownKey = bytes.Repeat([]byte{7}, 16)

func (known) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == "known" {
			return knownKey, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

func derive(salt []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, knownKey, salt, info, 32)
	if err != nil {
		panic(err)
	}
	return key
}

// header puts a valid MAC below any stanzas.
func header(stanzas string) []byte {
	signed := "age-encryption.org/v1\n" + stanzas + "---"
	mac := hmac.New(sha256.New, derive(nil, "header"))
	mac.Write([]byte(signed))
	return []byte(signed + " " + base64.RawStdEncoding.EncodeToString(mac.Sum(nil)) + "\n")
}

// payload seals chunks under chosen numbers and flags: each is its length in
// units of 4 KiB less 8 bytes, its number, its flag. A real writer would never.
func payload(plan []byte, odd int) []byte {
	salt := bytes.Repeat([]byte{9}, 16)
	aead, err := chacha20poly1305.New(derive(salt, "payload"))
	if err != nil {
		panic(err)
	}
	out := bytes.Clone(salt)
	for ; len(plan) >= 3; plan = plan[3:] {
		n := max(0, int(plan[0]%18)*4096+odd%3-1)
		var nonce [12]byte
		nonce[10], nonce[11] = plan[1]%4, plan[2]%3
		out = aead.Seal(out, nonce[:], bytes.Repeat([]byte{plan[0]}, n), nil)
	}
	return out
}

// FuzzChunks: whatever chunks somebody with the key puts in a row, with or
// without an end, age and we take the same.
func FuzzChunks(f *testing.F) {
	for _, plan := range [][]byte{
		{0, 0, 1}, {0, 0, 0}, {1, 0, 1}, {16, 0, 1}, {16, 0, 0}, {16, 0, 0, 0, 1, 1}, {16, 0, 0, 1, 1, 1}, {16, 0, 0, 16, 1, 1},
		{16, 0, 0, 16, 1, 0}, {16, 0, 0, 16, 1, 1, 0, 2, 1}, {16, 0, 1, 1, 1, 1}, {16, 1, 0, 1, 0, 1}, {16, 0, 0, 16, 1, 0, 1, 2, 1},
		{1, 0, 0, 1, 1, 1}, {17, 0, 1}, {16, 0, 2}, {},
	} {
		for odd := range 3 {
			f.Add(plan, odd, 0)
		}
		f.Add(plan, 1, 1)
		f.Add(plan, 1, 17)
	}
	f.Fuzz(func(t *testing.T, plan []byte, odd, less int) {
		if len(plan) > 15 || odd < 0 || less < 0 {
			return
		}
		b := payload(plan, odd)
		agree(t, append(header("-> known\nAAAA\n"), b[:max(0, len(b)-less)]...), known{})
	})
}

// FuzzHeader: whatever stanzas somebody with the key writes, signed, age and we
// read them alike.
func FuzzHeader(f *testing.F) {
	b64 := base64.RawStdEncoding.EncodeToString
	for _, s := range []string{
		"-> known\nAAAA\n", "-> known\n\n", "-> known a b\nAAAA\n", "-> known a  b\nAAAA\n", "-> known \nAAAA\n", "->  known\nAAAA\n", "->known\nAAAA\n",
		"-> known\nAAA\n", "-> known\nAAB\n", "-> known\nAA\r\n", "-> known\r\nAAAA\n", "-> known\nAAAA=\n", "-> known\nAA AA\n", "-> known æ\nAAAA\n", "-> known\x7f\nAAAA\n",
		"-> known\n" + b64(make([]byte, 47)) + "\n", "-> known\n" + b64(make([]byte, 48)) + "\n", "-> known\n" + b64(make([]byte, 48)) + "\n\n", "-> known\n" + b64(make([]byte, 51)) + "\n",
		"-> known\n", "", "-> other\nAAAA\n", "-> other\nAAAA\n-> known\nAAAA\n", "-> known\nAAAA\n-> known\n\n", "--- known\nAAAA\n", "-> known\n---\n", "-> known a b c d e f g h i\nAAAA\n", "known\nAAAA\n",
	} {
		f.Add(s, uint8(0), 0)
		f.Add(s, uint8(1), len(s)+30)
	}
	f.Fuzz(func(t *testing.T, stanzas string, flip uint8, at int) {
		if len(stanzas) > 2000 {
			return
		}
		sealed := append(header(stanzas), payload([]byte{1, 0, 1}, 1)...)
		if at >= 0 && at < len(sealed) {
			sealed[at] ^= flip
		}
		agree(t, sealed, known{})
	})
}

// FuzzOpen: of real files, cut, changed and mended.
func FuzzOpen(f *testing.F) {
	key := envelope.NewKey("sikkerpost.dk/test/v1", post.NewID())
	for _, n := range []int{0, 10, chunk, chunk + 1} {
		s := begin(f, []age.Recipient{key})
		sealed, err := s.Whole(text(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
		f.Add(sealed[:len(sealed)-1])
		f.Add(append(bytes.Clone(sealed), 0))
		f.Add(append(bytes.Clone(sealed), sealed...))
		f.Add(sealed[:len(s.Header)])
		for _, at := range []int{3, 30, len(s.Header) - 20, len(s.Header) - 1, len(s.Header) + 2, len(s.Header) + 16, len(sealed) - 1} {
			b := bytes.Clone(sealed)
			b[at] ^= 1
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, sealed []byte) { agree(t, sealed, key) })
}

// Each single bit of a file counts.
func TestNoBitMayChange(t *testing.T) {
	key := envelope.NewKey("sikkerpost.dk/test/v1", post.NewID())
	sealed, err := begin(t, []age.Recipient{key}).Whole([]byte("afgørelse"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			b := bytes.Clone(sealed)
			b[i] ^= 1 << bit
			if _, err := envelope.OpenSmall(b, key); err == nil {
				t.Fatalf("byte %d, bit %d", i, bit)
			}
			agree(t, b, key)
		}
	}
}
