package xmldsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256, for crypto.Hash
	_ "crypto/sha512" // SHA-384 and SHA-512, for crypto.Hash
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Rules are what a caller may choose about [Verify]; the rest is fixed.
type Rules struct {
	// IDAttribute names the attribute that the Reference points at; "" is "ID".
	IDAttribute string
	// At is when the certificate must be valid; zero means now.
	At time.Time
}

// method is a signature algorithm and the only kind of key that may use it.
type method struct {
	hash  crypto.Hash
	curve elliptic.Curve // nil: RSA
}

var methods = map[string]method{
	RSASHA256: {crypto.SHA256, nil},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": {crypto.SHA384, nil},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": {crypto.SHA512, nil},
	ECDSASHA256: {crypto.SHA256, elliptic.P256()},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": {crypto.SHA384, elliptic.P384()},
}

var digests = map[string]crypto.Hash{
	SHA256: crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

// Verify checks the enveloped signature that is a child of el. The signature
// must have exactly one Reference, to el's own ID, with the transforms
// enveloped-signature and exclusive canonicalization, and must verify with one
// of certs, valid at rules.At. A certificate in KeyInfo only chooses among
// certs.
//
// It returns el as it was digested, without the signature, in a document of its
// own. Whoever wants to know what was signed reads that and nothing else.
func Verify(el *etree.Element, certs []*x509.Certificate, rules Rules) (*etree.Element, error) {
	if rules.IDAttribute == "" {
		rules.IDAttribute = "ID"
	}
	if rules.At.IsZero() {
		rules.At = time.Now()
	}
	if err := onlyElements(el); err != nil {
		return nil, err
	}
	sig, err := signatureOf(el)
	if err != nil {
		return nil, err
	}
	s, err := readSignature(sig)
	if err != nil {
		return nil, err
	}
	id, _ := Attr(el, rules.IDAttribute)
	if (id == "" || s.uri != "#"+id) && on("sig-reference") {
		return nil, refuse("sig-reference")
	}
	if err := s.verifyInfo(certs, rules.At); err != nil {
		return nil, err
	}
	content, err := canonical(el, sig, s.prefixes)
	if err != nil {
		return nil, err
	}
	h := s.digestHash.New()
	if (len(content) == 0 || subtle.ConstantTimeCompare(s.digest, h.Sum(nil)) == 1) && on("sig-digest-of-nothing") {
		return nil, refuse("sig-digest-of-nothing")
	}
	h.Write(content)
	if subtle.ConstantTimeCompare(s.digest, h.Sum(nil)) != 1 && on("sig-digest") {
		return nil, refuse("sig-digest")
	}
	doc, err := Parse(content, unbounded)
	if err != nil {
		return nil, refuse("sig-reparse")
	}
	return doc.Root(), nil
}

func onlyElements(el *etree.Element) error {
	for _, t := range el.Child {
		switch t := t.(type) {
		case *etree.Element:
			if err := onlyElements(t); err != nil {
				return err
			}
		case *etree.CharData:
		default:
			return refuse("sig-token")
		}
	}
	return nil
}

// signatureOf returns the only Signature among the children of el.
func signatureOf(el *etree.Element) (*etree.Element, error) {
	var sig *etree.Element
	for _, c := range el.ChildElements() {
		if c.Tag != "Signature" {
			continue
		}
		if sig != nil || !Is(c, NamespaceDSig, "Signature") {
			return nil, refuse("sig-shape")
		}
		sig = c
	}
	if sig == nil { // nothing to compute: this check cannot be off
		return nil, refuse("sig-missing")
	}
	return sig, nil
}

// signature is what a Signature element says, once its shape is accepted.
type signature struct {
	info         *etree.Element
	infoPrefixes string
	method       method
	uri          string
	prefixes     string
	digestHash   crypto.Hash
	digest       []byte
	value        []byte
	certs        [][]byte // DER, from KeyInfo
}

func readSignature(sig *etree.Element) (*signature, error) {
	c, err := children(sig, "SignedInfo", "SignatureValue", "KeyInfo?")
	if err != nil {
		return nil, err
	}
	s := &signature{info: c[0]}
	if s.value, err = binary(c[1]); err != nil {
		return nil, err
	}
	if err := s.readInfo(); err != nil {
		return nil, err
	}
	if len(c) == 3 {
		return s, s.readKeyInfo(c[2])
	}
	return s, nil
}

func (s *signature) readInfo() error {
	c, err := children(s.info, "CanonicalizationMethod", "SignatureMethod", "Reference")
	if err != nil {
		return err
	}
	if s.infoPrefixes, err = exclusive(c[0]); err != nil {
		return err
	}
	name, err := algorithm(c[1])
	if err != nil {
		return err
	}
	var ok bool
	if s.method, ok = methods[name]; !ok {
		return refuse("sig-algorithm")
	}
	if s.uri, ok = Attr(c[2], "URI"); (!ok || len(s.uri) < 2 || s.uri[0] != '#') && on("sig-reference") {
		return refuse("sig-reference")
	}
	return s.readReference(c[2])
}

func (s *signature) readReference(ref *etree.Element) error {
	c, err := children(ref, "Transforms", "DigestMethod", "DigestValue")
	if err != nil {
		return err
	}
	ts, err := children(c[0], "Transform", "Transform")
	if err != nil {
		return refuse("sig-transforms")
	}
	if name, err := algorithm(ts[0]); (err != nil || name != enveloped) && on("sig-transforms") {
		return refuse("sig-transforms")
	}
	if s.prefixes, err = exclusive(ts[1]); err != nil {
		return refuse("sig-transforms")
	}
	name, err := algorithm(c[1])
	if err != nil {
		return err
	}
	var ok bool
	if s.digestHash, ok = digests[name]; !ok {
		return refuse("sig-digest-algorithm")
	}
	s.digest, err = binary(c[2])
	return err
}

// readKeyInfo takes the certificates; a key that stands there in clear is not
// looked at, for the key comes from the caller.
func (s *signature) readKeyInfo(info *etree.Element) error {
	for _, c := range info.ChildElements() {
		if c.NamespaceURI() != NamespaceDSig && on("sig-keyinfo") {
			return refuse("sig-keyinfo")
		}
		switch c.Tag {
		case "KeyName", "KeyValue":
		case "X509Data":
			for _, x := range c.ChildElements() {
				if !Is(x, NamespaceDSig, "X509Certificate") {
					continue
				}
				der, err := binary(x)
				if err != nil {
					return err
				}
				s.certs = append(s.certs, der)
			}
		default:
			if on("sig-keyinfo") {
				return refuse("sig-keyinfo")
			}
		}
	}
	return nil
}

// verifyInfo checks SignedInfo against each acceptable certificate.
func (s *signature) verifyInfo(certs []*x509.Certificate, at time.Time) error {
	content, err := canonical(s.info, nil, s.infoPrefixes)
	if err != nil {
		return err
	}
	h := s.method.hash.New()
	h.Write(content)
	sum := h.Sum(nil)
	err = refuse("sig-key-unknown")
	for _, c := range certs {
		if !s.names(c) && on("sig-key-unknown") {
			continue
		}
		if (at.Before(c.NotBefore) || at.After(c.NotAfter)) && on("sig-key-expired") {
			err = refuse("sig-key-expired")
			continue
		}
		if !s.method.verify(c.PublicKey, sum, s.value) && on("sig-value") {
			err = refuse("sig-value")
			continue
		}
		return nil
	}
	return err
}

// names reports whether KeyInfo allows c: it names c, or no certificate at all.
func (s *signature) names(c *x509.Certificate) bool {
	for _, der := range s.certs {
		if bytes.Equal(der, c.Raw) {
			return true
		}
	}
	return len(s.certs) == 0
}

func (m method) verify(key crypto.PublicKey, sum, value []byte) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return m.curve == nil && k.N.BitLen() >= 2048 && rsa.VerifyPKCS1v15(k, m.hash, sum, value) == nil
	case *ecdsa.PublicKey:
		if m.curve == nil || k.Curve != m.curve {
			return false
		}
		size := (m.curve.Params().BitSize + 7) / 8
		if len(value) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
		return ecdsa.Verify(k, sum, r, s)
	}
	return false
}

// children returns the child elements of el, which must be exactly names in
// this order; a trailing "?" makes the last optional. No text may stand between.
func children(el *etree.Element, names ...string) ([]*etree.Element, error) {
	for _, t := range el.Child {
		if c, ok := t.(*etree.CharData); ok && strings.Trim(c.Data, " \t\r\n") != "" && on("sig-shape") {
			return nil, refuse("sig-shape")
		}
	}
	c := el.ChildElements()
	for i, name := range names {
		optional := strings.HasSuffix(name, "?")
		if i >= len(c) && optional {
			return c, nil
		}
		if i >= len(c) || !Is(c[i], NamespaceDSig, strings.TrimSuffix(name, "?")) {
			return nil, refuse("sig-shape")
		}
	}
	if len(c) > len(names) && on("sig-shape") {
		return nil, refuse("sig-shape")
	}
	return c, nil
}

// algorithm returns the Algorithm of an element without parameters.
func algorithm(el *etree.Element) (string, error) {
	name, ok := Attr(el, "Algorithm")
	if !ok || len(el.ChildElements()) > 0 {
		return "", refuse("sig-algorithm")
	}
	return name, nil
}

// exclusive checks that el asks for exclusive canonicalization without comments
// and returns its InclusiveNamespaces list, of which every prefix must be known.
func exclusive(el *etree.Element) (prefixes string, err error) {
	if name, _ := Attr(el, "Algorithm"); name != excC14N && on("sig-c14n") {
		return "", refuse("sig-c14n")
	}
	c := el.ChildElements()
	if len(c) == 0 {
		return "", nil
	}
	if len(c) > 1 || !Is(c[0], namespaceEC, "InclusiveNamespaces") || len(c[0].ChildElements()) > 0 {
		return "", refuse("sig-c14n")
	}
	prefixes, _ = Attr(c[0], "PrefixList")
	for _, p := range strings.Fields(prefixes) {
		if p != "#default" && !known(el, p) {
			return "", refuse("sig-c14n")
		}
	}
	return prefixes, nil
}

func known(el *etree.Element, prefix string) bool {
	for ; el != nil; el = el.Parent() {
		for _, a := range el.Attr {
			if name, ok := declares(a); ok && name == prefix {
				return true
			}
		}
	}
	return false
}

var unspaced = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "")

// binary decodes the base64 text of el; line breaks and blanks are allowed.
func binary(el *etree.Element) ([]byte, error) {
	text, ok := Text(el)
	if !ok {
		return nil, refuse("sig-base64")
	}
	if strings.ContainsAny(text, " \t\r\n") {
		text = unspaced.Replace(text)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, refuse("sig-base64")
	}
	return b, nil
}
