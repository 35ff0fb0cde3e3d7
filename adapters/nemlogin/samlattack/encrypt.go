package samlattack

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // a case encrypts with it
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"

	"github.com/beevik/etree"
)

// Names of XML encryption.
const (
	nsEnc     = "http://www.w3.org/2001/04/xmlenc#"
	nsEnc11   = "http://www.w3.org/2009/xmlenc11#"
	aes128GCM = nsEnc11 + "aes128-gcm"
	aes192GCM = nsEnc11 + "aes192-gcm"
	aes256GCM = nsEnc11 + "aes256-gcm"
	aes128CBC = nsEnc + "aes128-cbc"
	aes256CBC = nsEnc + "aes256-cbc"
	tripleDES = nsEnc + "tripledes-cbc"
	oaepMGF1P = nsEnc + "rsa-oaep-mgf1p"
	oaep11    = nsEnc11 + "rsa-oaep"
	rsa15     = nsEnc + "rsa-1_5"
	mgf1SHA1  = nsEnc11 + "mgf1sha1"
	mgf1SHA2  = nsEnc11 + "mgf1sha256"
)

// Encryption says how an assertion is encrypted. A zero field takes what is
// usual: AES-256-GCM, rsa-oaep-mgf1p, SHA-1 as digest of the padding.
type Encryption struct {
	Data, Transport, Digest, Mask string
	Sibling                       bool           // EncryptedKey beside EncryptedData
	Before                        *rsa.PublicKey // one more recipient, named first
	To                            *rsa.PublicKey // instead of the service's key
	Bend                          func([]byte) []byte
}

var keySizes = map[string]int{aes128GCM: 16, aes192GCM: 24, aes256GCM: 32, aes128CBC: 16, aes256CBC: 32, tripleDES: 24}

// encrypt makes an EncryptedAssertion of plain for key.
func encrypt(plain []byte, key *rsa.PublicKey, e Encryption) *etree.Element {
	e = e.filled(key)
	content := make([]byte, keySizes[e.Data])
	rand.Read(content)
	sealed := seal(e.Data, content, plain)
	if e.Bend != nil {
		sealed = e.Bend(sealed)
	}
	out := etree.NewElement("saml:EncryptedAssertion")
	data := out.CreateElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", nsEnc)
	data.CreateAttr("Type", nsEnc+"Element")
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", e.Data)
	info := data.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", nsDSig)
	parent := info
	if e.Sibling {
		r := info.CreateElement("ds:RetrievalMethod")
		r.CreateAttr("Type", nsEnc+"EncryptedKey")
		r.CreateAttr("URI", "#_key")
		parent = out
	}
	cipherData(data, sealed)
	if e.Before != nil {
		parent.AddChild(wrap(content, e.Before, e))
	}
	k := wrap(content, e.To, e)
	if e.Sibling {
		k.CreateAttr("Id", "_key")
	}
	parent.AddChild(k)
	return out
}

func (e Encryption) filled(key *rsa.PublicKey) Encryption {
	for _, f := range []struct {
		have *string
		def  string
	}{{&e.Data, aes256GCM}, {&e.Transport, oaepMGF1P}, {&e.Digest, digSHA1}} {
		if *f.have == "" {
			*f.have = f.def
		}
	}
	if e.To == nil {
		e.To = key
	}
	return e
}

func wrap(content []byte, key *rsa.PublicKey, e Encryption) *etree.Element {
	var sealed []byte
	var err error
	if e.Transport == rsa15 {
		sealed, err = rsa.EncryptPKCS1v15(rand.Reader, key, content) //nolint:staticcheck // an attack: what a service must refuse to open
	} else {
		hashes := map[string]crypto.Hash{"": crypto.SHA1, "none": crypto.SHA1, digSHA1: crypto.SHA1, digSHA256: crypto.SHA256,
			mgf1SHA1: crypto.SHA1, mgf1SHA2: crypto.SHA256}
		sealed, err = rsa.EncryptOAEPWithOptions(rand.Reader, key, content,
			&rsa.OAEPOptions{Hash: hashes[e.Digest], MGFHash: hashes[e.Mask]})
	}
	if err != nil {
		panic(err) // the key is large enough for any content key
	}
	el := etree.NewElement("xenc:EncryptedKey")
	el.CreateAttr("xmlns:xenc", nsEnc)
	m := el.CreateElement("xenc:EncryptionMethod")
	m.CreateAttr("Algorithm", e.Transport)
	if e.Transport != rsa15 && e.Digest != "none" {
		d := m.CreateElement("ds:DigestMethod")
		d.CreateAttr("xmlns:ds", nsDSig)
		d.CreateAttr("Algorithm", e.Digest)
	}
	if e.Mask != "" {
		g := m.CreateElement("xenc11:MGF")
		g.CreateAttr("xmlns:xenc11", nsEnc11)
		g.CreateAttr("Algorithm", e.Mask)
	}
	cipherData(el, sealed)
	return el
}

func cipherData(el *etree.Element, b []byte) {
	el.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(b))
}

// seal encrypts with an algorithm of the table above: nonce or IV first.
func seal(alg string, key, plain []byte) []byte {
	var block cipher.Block
	var err error
	if alg == tripleDES {
		block, err = des.NewTripleDESCipher(key) //nolint:gosec // a case encrypts with it
	} else {
		block, err = aes.NewCipher(key)
	}
	if err != nil {
		panic(err) // the table has the right sizes
	}
	switch alg {
	case aes128GCM, aes192GCM, aes256GCM:
		g, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		nonce := make([]byte, g.NonceSize())
		rand.Read(nonce)
		return g.Seal(nonce, nonce, plain, nil)
	}
	size := block.BlockSize()
	pad := size - len(plain)%size
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	out := make([]byte, size+len(plain))
	rand.Read(out[:size])
	cipher.NewCBCEncrypter(block, out[:size]).CryptBlocks(out[size:], plain)
	return out
}
