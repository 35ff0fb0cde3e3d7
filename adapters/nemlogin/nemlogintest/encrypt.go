package nemlogintest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // SHA-1 inside OAEP: registered for crypto.SHA1
	_ "crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// Algorithms of XML encryption.
const (
	AES128GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	AES256GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	OAEPMGF1P = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	OAEP11    = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	SHA1      = "http://www.w3.org/2000/09/xmldsig#sha1"
	SHA256    = "http://www.w3.org/2001/04/xmlenc#sha256"
	MGF1SHA1  = "http://www.w3.org/2009/xmlenc11#mgf1sha1"
	MGF1SHA2  = "http://www.w3.org/2009/xmlenc11#mgf1sha256"
)

// Encryption says how to encrypt. A zero field takes NemLog-in's habit:
// AES-256-GCM, rsa-oaep-mgf1p, SHA-1 as digest of the padding.
type Encryption struct {
	Data, Transport, Digest, Mask string
	Sibling                       bool           // EncryptedKey beside EncryptedData
	Before                        *rsa.PublicKey // one more recipient, named first
}

// orFrom fills Data with the first method of the metadata that we know.
func (e Encryption) orFrom(methods []string) Encryption {
	if e.Data == "" {
		for _, m := range methods {
			if slices.Contains([]string{AES256GCM, AES128GCM}, m) {
				e.Data = m
				break
			}
		}
	}
	if e.Data == "" {
		e.Data = AES256GCM
	}
	if e.Transport == "" {
		e.Transport = OAEPMGF1P
	}
	if e.Digest == "" {
		e.Digest = SHA1
	}
	return e
}

// Encrypt makes an EncryptedAssertion of plain for key. bend, when set, changes
// nonce, ciphertext and tag.
func Encrypt(plain []byte, key *rsa.PublicKey, e Encryption, bend func([]byte) []byte) (*etree.Element, error) {
	content := make([]byte, map[bool]int{true: 16, false: 32}[e.Data == AES128GCM])
	rand.Read(content)
	sealed, err := seal(content, plain)
	if err != nil {
		return nil, err
	}
	if bend != nil {
		sealed = bend(sealed)
	}
	out := etree.NewElement("saml:EncryptedAssertion")
	data := out.CreateElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", "http://www.w3.org/2001/04/xmlenc#")
	data.CreateAttr("Type", "http://www.w3.org/2001/04/xmlenc#Element")
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", e.Data)
	info := data.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", "http://www.w3.org/2000/09/xmldsig#")
	parent := info
	if e.Sibling {
		r := info.CreateElement("ds:RetrievalMethod")
		r.CreateAttr("Type", "http://www.w3.org/2001/04/xmlenc#EncryptedKey")
		r.CreateAttr("URI", "#_key")
		parent = out
	}
	data.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").
		SetText(base64.StdEncoding.EncodeToString(sealed))
	for _, k := range []*rsa.PublicKey{e.Before, key} {
		if k == nil {
			continue
		}
		el, err := wrap(content, k, e)
		if err != nil {
			return nil, err
		}
		if e.Sibling && k == key {
			el.CreateAttr("Id", "_key")
		}
		parent.AddChild(el)
	}
	return out, nil
}

func wrap(content []byte, key *rsa.PublicKey, e Encryption) (*etree.Element, error) {
	digest, ok := map[string]crypto.Hash{SHA1: crypto.SHA1, SHA256: crypto.SHA256}[e.Digest]
	mask, ok2 := map[string]crypto.Hash{"": crypto.SHA1, MGF1SHA1: crypto.SHA1, MGF1SHA2: crypto.SHA256}[e.Mask]
	if !ok || !ok2 {
		return nil, errors.New("unknown digest or mask")
	}
	sealed, err := rsa.EncryptOAEPWithOptions(rand.Reader, key, content, &rsa.OAEPOptions{Hash: digest, MGFHash: mask})
	if err != nil {
		return nil, err
	}
	el := etree.NewElement("xenc:EncryptedKey")
	el.CreateAttr("xmlns:xenc", "http://www.w3.org/2001/04/xmlenc#")
	m := el.CreateElement("xenc:EncryptionMethod")
	m.CreateAttr("Algorithm", e.Transport)
	d := m.CreateElement("ds:DigestMethod")
	d.CreateAttr("xmlns:ds", "http://www.w3.org/2000/09/xmldsig#")
	d.CreateAttr("Algorithm", e.Digest)
	if e.Mask != "" {
		g := m.CreateElement("xenc11:MGF")
		g.CreateAttr("xmlns:xenc11", strings.TrimSuffix(OAEP11, "rsa-oaep"))
		g.CreateAttr("Algorithm", e.Mask)
	}
	el.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").
		SetText(base64.StdEncoding.EncodeToString(sealed))
	return el, nil
}

func seal(key, plain []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, g.NonceSize())
	rand.Read(nonce)
	return g.Seal(nonce, nonce, plain, nil), nil
}
