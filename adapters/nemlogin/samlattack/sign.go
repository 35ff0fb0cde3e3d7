package samlattack

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // registered: some cases sign with it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"

	"github.com/beevik/etree"
)

// Names of XML signatures.
const (
	nsDSig    = "http://www.w3.org/2000/09/xmldsig#"
	rsaSHA1   = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	rsaSHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	rsaSHA384 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
	rsaSHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
	digSHA1   = "http://www.w3.org/2000/09/xmldsig#sha1"
	digSHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
	digSHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
	digSHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
	enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
)

// Pair is a key and a certificate for it.
type Pair struct {
	Key  *rsa.PrivateKey
	Cert *x509.Certificate
}

// sign puts an enveloped signature of p behind the first child of el, which is
// where the SAML schema wants it, and returns it.
func sign(el *etree.Element, p Pair) *etree.Element {
	sig := etree.NewElement("ds:Signature")
	sig.CreateAttr("xmlns:ds", nsDSig)
	info := sig.CreateElement("ds:SignedInfo")
	info.CreateElement("ds:CanonicalizationMethod").CreateAttr("Algorithm", excC14N)
	info.CreateElement("ds:SignatureMethod").CreateAttr("Algorithm", rsaSHA256)
	ref := info.CreateElement("ds:Reference")
	ref.CreateAttr("URI", "#"+el.SelectAttrValue("ID", ""))
	ts := ref.CreateElement("ds:Transforms")
	ts.CreateElement("ds:Transform").CreateAttr("Algorithm", enveloped)
	ts.CreateElement("ds:Transform").CreateAttr("Algorithm", excC14N)
	ref.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", digSHA256)
	ref.CreateElement("ds:DigestValue").SetText(digest(el, crypto.SHA256, form{}))
	sig.CreateElement("ds:SignatureValue")
	sig.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(p.Cert.Raw))
	place := 0
	if c := el.ChildElements(); len(c) > 0 {
		place = c[0].Index() + 1
	}
	el.InsertChildAt(place, sig)
	resign(sig, p, crypto.SHA256, form{})
	return sig
}

// resign computes the value of sig over its SignedInfo as it now stands.
func resign(sig *etree.Element, p Pair, hash crypto.Hash, f form) {
	at(sig, "./SignatureValue").SetText(signed(at(sig, "./SignedInfo"), p, hash, f))
}

// signed is the base64 signature of info.
func signed(info *etree.Element, p Pair, hash crypto.Hash, f form) string {
	v, err := rsa.SignPKCS1v15(rand.Reader, p.Key, hash, sum(hash, canonical(info, f)))
	if err != nil {
		panic(err) // the keys are ours and large enough
	}
	return base64.StdEncoding.EncodeToString(v)
}

// digest is the base64 digest of el without its own signature.
func digest(el *etree.Element, hash crypto.Hash, f form) string {
	f.skip = el.FindElement("./Signature")
	return base64.StdEncoding.EncodeToString(sum(hash, canonical(el, f)))
}

func sum(hash crypto.Hash, b []byte) []byte {
	h := hash.New()
	h.Write(b)
	return h.Sum(nil)
}
