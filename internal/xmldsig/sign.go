package xmldsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/beevik/etree"
)

// Sign puts an enveloped signature into el as its first child: one Reference to
// id, exclusive canonicalization, SHA-256, RSA (2048 bits or more) or ECDSA
// P-256 according to signer. id is the value of el's attribute ID (or Id). cert
// is the DER certificate of signer's key; it goes into KeyInfo.
//
// It refuses a tree that would read differently once written: comments and
// other tokens, line breaks or tabs in attributes, carriage returns in text,
// attributes of two foreign prefixes on one element.
func Sign(el *etree.Element, id string, signer crypto.Signer, cert []byte) error {
	if !hasID(el, id) {
		return refuse("sign-id")
	}
	if err := plain(el); err != nil {
		return err
	}
	for _, c := range el.ChildElements() {
		if Is(c, NamespaceDSig, "Signature") {
			return refuse("sign-twice")
		}
	}
	method, err := methodOf(signer, cert)
	if err != nil {
		return err
	}
	content, err := canonical(el, nil, "")
	if err != nil {
		return err
	}
	digest := sha256.Sum256(content)

	sig := etree.NewElement("ds:Signature")
	sig.CreateAttr("xmlns:ds", NamespaceDSig)
	info := sig.CreateElement("ds:SignedInfo")
	info.CreateElement("ds:CanonicalizationMethod").CreateAttr("Algorithm", excC14N)
	info.CreateElement("ds:SignatureMethod").CreateAttr("Algorithm", method)
	ref := info.CreateElement("ds:Reference")
	ref.CreateAttr("URI", "#"+id)
	ts := ref.CreateElement("ds:Transforms")
	ts.CreateElement("ds:Transform").CreateAttr("Algorithm", enveloped)
	ts.CreateElement("ds:Transform").CreateAttr("Algorithm", excC14N)
	ref.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", SHA256)
	ref.CreateElement("ds:DigestValue").SetText(base64.StdEncoding.EncodeToString(digest[:]))

	el.InsertChildAt(0, sig)
	value, err := signInfo(info, signer)
	if err != nil {
		el.RemoveChildAt(sig.Index())
		return err
	}
	sig.CreateElement("ds:SignatureValue").SetText(base64.StdEncoding.EncodeToString(value))
	sig.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(cert))
	return nil
}

func signInfo(info *etree.Element, signer crypto.Signer) ([]byte, error) {
	content, err := canonical(info, nil, "")
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(content)
	value, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign digest: %w", err)
	}
	if _, ok := signer.Public().(*ecdsa.PublicKey); ok {
		return fixed(value, 32)
	}
	return value, nil
}

// methodOf checks that cert is for the signer's key and that we would accept
// what the key signs.
func methodOf(signer crypto.Signer, cert []byte) (string, error) {
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return "", fmt.Errorf("read signing certificate: %w", err)
	}
	switch k := signer.Public().(type) {
	case *rsa.PublicKey:
		if !k.Equal(c.PublicKey) {
			return "", errors.New("signing certificate is for another key")
		}
		if k.N.BitLen() < 2048 {
			return "", refuse("key-weak")
		}
		return RSASHA256, nil
	case *ecdsa.PublicKey:
		if !k.Equal(c.PublicKey) {
			return "", errors.New("signing certificate is for another key")
		}
		if k.Curve != elliptic.P256() {
			return "", refuse("key-weak")
		}
		return ECDSASHA256, nil
	}
	return "", refuse("key-kind")
}

// fixed turns a DER signature into r‖s of size bytes each.
func fixed(der []byte, size int) ([]byte, error) {
	var v struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &v)
	if err != nil || len(rest) > 0 || v.R.Sign() <= 0 || v.S.Sign() <= 0 ||
		v.R.BitLen() > 8*size || v.S.BitLen() > 8*size {
		return nil, errors.New("signer answered no ECDSA signature")
	}
	out := make([]byte, 2*size)
	v.R.FillBytes(out[:size])
	v.S.FillBytes(out[size:])
	return out, nil
}

func hasID(el *etree.Element, id string) bool {
	if id == "" || strings.ContainsAny(id, " \t\r\n#'\"&<>") {
		return false
	}
	upper, _ := Attr(el, "ID")
	mixed, _ := Attr(el, "Id")
	return upper == id || mixed == id
}

// plain refuses what does not survive writing and reading.
func plain(el *etree.Element) error {
	foreign := ""
	for _, a := range el.Attr {
		if strings.ContainsAny(a.Value, "\t\r\n") {
			return refuse("sign-attribute-space")
		}
		if _, ok := declares(a); ok || a.Space == "" {
			continue
		}
		if foreign != "" && foreign != a.Space {
			return refuse("sign-attribute-prefixes")
		}
		foreign = a.Space
	}
	for _, t := range el.Child {
		switch t := t.(type) {
		case *etree.Element:
			if err := plain(t); err != nil {
				return err
			}
		case *etree.CharData:
			if t.IsCData() || bytes.ContainsRune([]byte(t.Data), '\r') {
				return refuse("sign-text")
			}
		default:
			return refuse("sign-token")
		}
	}
	return nil
}
