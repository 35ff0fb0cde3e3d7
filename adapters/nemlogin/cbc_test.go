package nemlogin_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// cbc makes an EncryptedAssertion with AES-CBC and a key of size bytes. bend
// changes the plaintext, padding included, and cut the ciphertext.
func cbc(t testing.TB, to *rsa.PublicKey, plain []byte, size int, bend, cut func([]byte) []byte) *etree.Element {
	t.Helper()
	secret, iv := make([]byte, size), make([]byte, aes.BlockSize)
	rand.Read(secret)
	rand.Read(iv)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{0xa5}, pad)...)
	plain[len(plain)-1] = byte(pad)
	if bend != nil {
		plain = bend(plain)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	out = slices.Concat(iv, out)
	if cut != nil {
		out = cut(out)
	}
	e, err := nemlogintest.Encrypt(nil, to, nemlogintest.Encryption{
		Data: nemlogintest.AES128GCM, Transport: nemlogintest.OAEPMGF1P, Digest: nemlogintest.SHA1,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, to, secret, &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1})
	if err != nil {
		t.Fatal(err)
	}
	name := map[int]string{16: "aes128-cbc", 32: "aes256-cbc"}[size]
	data := e.FindElement("./EncryptedData")
	data.FindElement("./EncryptionMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmlenc#"+name)
	data.FindElement("./CipherData/CipherValue").SetText(base64.StdEncoding.EncodeToString(out))
	data.FindElement("./KeyInfo/EncryptedKey/CipherData/CipherValue").SetText(base64.StdEncoding.EncodeToString(wrapped))
	return e
}

func TestCBCIsOpenedOnlyWhereAllowedAndVouchedFor(t *testing.T) {
	last := func(v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[len(b)-1] = v; return b }
	}
	for _, c := range []struct {
		name          string
		size          int
		allow, signed bool
		bend, cut     func([]byte) []byte
		ok            bool
	}{
		{name: "AES-128 in a signed Response", size: 16, allow: true, signed: true, ok: true},
		{name: "AES-256 in a signed Response", size: 32, allow: true, signed: true, ok: true},
		{name: "not allowed", size: 16, signed: true},
		{name: "Response not signed", size: 16, allow: true},
		{name: "padding of nothing", size: 16, allow: true, signed: true, bend: last(0)},
		{name: "padding beyond a block", size: 16, allow: true, signed: true, bend: last(17)},
		{name: "nothing but padding", size: 16, allow: true, signed: true,
			bend: func([]byte) []byte { return bytes.Repeat([]byte{16}, 16) }},
		{name: "half a block", size: 16, allow: true, signed: true, cut: func(b []byte) []byte { return b[:len(b)-8] }},
		{name: "no block", size: 16, allow: true, signed: true, cut: func(b []byte) []byte { return b[:16] }},
		{name: "empty", size: 16, allow: true, signed: true, cut: func([]byte) []byte { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.conf.AllowCBC = c.allow
			w.rebuild()
			var plain []byte
			rec := w.login("", "nancy", tweak{
				Plaintext: func(b []byte) []byte { plain = b; return b },
				Response: func(r *etree.Element) {
					r.RemoveChild(r.FindElement("./EncryptedAssertion"))
					r.AddChild(cbc(t, &key("enc").PublicKey, plain, c.size, c.bend, c.cut))
					if c.signed {
						id, _ := xmldsig.Attr(r, "ID")
						if err := xmldsig.Sign(r, id, key("idp"), w.conf.IDP.Certs[0].Raw); err != nil {
							t.Fatal(err)
						}
						r.InsertChildAt(1, r.RemoveChildAt(0))
					}
				},
			})
			if c.ok {
				w.accepted(rec)
				return
			}
			w.rejected(rec, "decrypt")
			if rec.Code != http.StatusForbidden {
				t.Fatalf("answered %d", rec.Code)
			}
		})
	}
}

func TestMetadataNamesCBCOnlyWhereItIsOpened(t *testing.T) {
	w := newWorld(t)
	if strings.Contains(string(w.sp.Metadata()), "cbc") {
		t.Fatal("CBC is named though it is not opened")
	}
	w.conf.AllowCBC = true
	w.rebuild()
	m := string(w.sp.Metadata())
	if gcm, cbc := strings.Index(m, "aes256-gcm"), strings.Index(m, "aes256-cbc"); gcm < 0 || cbc < gcm {
		t.Fatalf("want GCM first: %d, %d", gcm, cbc)
	}
}
