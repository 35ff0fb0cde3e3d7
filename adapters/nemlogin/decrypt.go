package nemlogin

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // inside OAEP, which is no signature: registered for crypto.SHA1
	"encoding/base64"
	"errors"
	"strings"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/xmldsig"
)

// XML encryption algorithms that we open. RSA 1.5 is left out, and CBC too
// unless [Config.AllowCBC] says otherwise: their failures tell an attacker about
// the plaintext.
const (
	aes128GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	aes256GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	aes128CBC = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
	aes256CBC = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	oaepMGF1P = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	oaep11    = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	nsEnc11   = "http://www.w3.org/2009/xmlenc11#"
)

// content is a way to encrypt the assertion itself.
type content struct {
	size int // of the key, in bytes
	open func(key, sealed []byte) ([]byte, error)
	// authentic: nobody can alter the ciphertext unseen.
	authentic bool
}

var contents = map[string]content{
	aes256GCM: {32, openGCM, true}, aes128GCM: {16, openGCM, true},
	aes256CBC: {32, openCBC, false}, aes128CBC: {16, openCBC, false},
}

var oaepDigests = map[string]crypto.Hash{
	"":                                       crypto.SHA1, // the default of the standard
	"http://www.w3.org/2000/09/xmldsig#sha1": crypto.SHA1,
	xmldsig.SHA256:                           crypto.SHA256,
}

var oaepMasks = map[string]crypto.Hash{
	"": crypto.SHA1, // the default of the standard
	"http://www.w3.org/2009/xmlenc11#mgf1sha1":   crypto.SHA1,
	"http://www.w3.org/2009/xmlenc11#mgf1sha256": crypto.SHA256,
}

// maxRecipients bounds the private-key operations of one response.
const maxRecipients = 4

// errDecrypt is the only failure of [SP.decrypt]: which step failed is not told.
var errDecrypt = errors.New("assertion does not decrypt")

// decrypt opens an EncryptedAssertion with any of our keys. Each EncryptedKey is
// tried, inside EncryptedData or beside it.
//
// CBC has no tag: whoever can alter a ciphertext and see what becomes of it
// learns the plaintext, byte by byte. So it is opened only where it is allowed
// and vouched, that is, where the provider's signature on the Response, which
// covers the ciphertext, has been checked before.
func (sp *SP) decrypt(el *etree.Element, vouched bool) ([]byte, error) {
	var data *etree.Element
	var keys []*etree.Element
	for _, c := range el.ChildElements() {
		switch {
		case xmldsig.Is(c, nsEnc, "EncryptedData") && data == nil:
			data = c
		case xmldsig.Is(c, nsEnc, "EncryptedKey"):
			keys = append(keys, c)
		default:
			if on("decrypt-shape") {
				return nil, errDecrypt
			}
		}
	}
	if data == nil {
		return nil, errDecrypt
	}
	if info := child(data, xmldsig.NamespaceDSig, "KeyInfo"); info != nil {
		for _, c := range info.ChildElements() {
			if xmldsig.Is(c, nsEnc, "EncryptedKey") {
				keys = append(keys, c)
			}
		}
	}
	if len(keys) == 0 || len(keys) > maxRecipients && on("decrypt-recipients") {
		return nil, errDecrypt
	}
	method, ok := contents[algorithmOf(data)]
	if !ok || !method.authentic && !(sp.c.AllowCBC && vouched) && on("decrypt-cbc") {
		return nil, errDecrypt
	}
	sealed, err := cipherValue(data)
	if err != nil {
		return nil, errDecrypt
	}
	for _, k := range keys {
		for _, d := range sp.c.Decryption {
			key, err := unwrap(k, d.Key)
			if err != nil || len(key) != method.size && on("decrypt-key-size") {
				continue
			}
			if plain, err := method.open(key, sealed); err == nil {
				return plain, nil
			}
		}
	}
	return nil, errDecrypt
}

func unwrap(el *etree.Element, key crypto.Decrypter) ([]byte, error) {
	m := child(el, nsEnc, "EncryptionMethod")
	if m == nil {
		return nil, errDecrypt
	}
	digest, mask := "", ""
	for _, c := range m.ChildElements() {
		name, _ := xmldsig.Attr(c, "Algorithm")
		switch {
		case xmldsig.Is(c, xmldsig.NamespaceDSig, "DigestMethod"):
			digest = name
		case xmldsig.Is(c, nsEnc11, "MGF"):
			mask = name
		default: // OAEPparams and whatever else: nobody sends them
			if on("decrypt-parameters") {
				return nil, errDecrypt
			}
		}
	}
	switch algorithmOf(el) {
	case oaepMGF1P: // the mask is always MGF1 with SHA-1 (XML encryption 5.5.2)
		if mask != "" && on("decrypt-mask") {
			return nil, errDecrypt
		}
	case oaep11:
	default:
		return nil, errDecrypt
	}
	hash, ok := oaepDigests[digest]
	mgf, ok2 := oaepMasks[mask]
	if !ok || !ok2 {
		return nil, errDecrypt
	}
	wrapped, err := cipherValue(el)
	if err != nil {
		return nil, errDecrypt
	}
	return key.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: hash, MGFHash: mgf})
}

func openGCM(key, sealed []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, errDecrypt
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		return nil, errDecrypt
	}
	if len(sealed) <= g.NonceSize()+g.Overhead() && on("decrypt-length") {
		return nil, errDecrypt
	}
	return g.Open(nil, sealed[:g.NonceSize()], sealed[g.NonceSize():], nil)
}

// openCBC takes initialization vector and ciphertext; the last byte of the
// plaintext counts the padding, whose other bytes say nothing (XML encryption
// 5.2). Every failure is the same.
func openCBC(key, sealed []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil || len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, errDecrypt
	}
	plain := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(b, sealed[:aes.BlockSize]).CryptBlocks(plain, sealed[aes.BlockSize:])
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || pad == len(plain) {
		return nil, errDecrypt
	}
	return plain[:len(plain)-pad], nil
}

func algorithmOf(el *etree.Element) string {
	m := child(el, nsEnc, "EncryptionMethod")
	if m == nil {
		return ""
	}
	name, _ := xmldsig.Attr(m, "Algorithm")
	return name
}

func cipherValue(el *etree.Element) ([]byte, error) {
	d := child(el, nsEnc, "CipherData")
	if d == nil {
		return nil, errDecrypt
	}
	v := child(d, nsEnc, "CipherValue")
	if v == nil {
		return nil, errDecrypt
	}
	text, ok := xmldsig.Text(v)
	if !ok {
		return nil, errDecrypt
	}
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

// child returns the only child of el with that name, or nil when there is none
// or more than one.
func child(el *etree.Element, ns, tag string) *etree.Element {
	var found *etree.Element
	for _, c := range el.ChildElements() {
		if !xmldsig.Is(c, ns, tag) {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}
