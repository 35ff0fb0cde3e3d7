package xmldsig

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// NamespaceXAdES is the namespace of XAdES properties (ETSI EN 319 132-1).
const NamespaceXAdES = "http://uri.etsi.org/01903/v1.3.2#"

// NamespaceASiC is the namespace of the file that holds the signatures of an
// ASiC container (ETSI EN 319 162-1, annex A).
const NamespaceASiC = "http://uri.etsi.org/02918/v1.2.1#"

const typeSignedProperties = "http://uri.etsi.org/01903#SignedProperties"

// A File is what a detached signature covers: the bytes of one file that lies
// in the same container.
type File struct {
	URI       string // name in the container; letters, digits and -._/ only
	MediaType string
	SHA256    [32]byte // of its bytes
}

// SignFile returns an XAdES baseline B-B signature (EN 319 132-1) of f as the
// signatures file of an ASiC container: one Reference to the file and one to
// the signed properties, which hold the time at (whole seconds), the digest of
// cert and the media type. id names the signature inside the container.
//
// The file is written by a template whose signed parts are their own exclusive
// canonical form, so nothing is parsed or canonicalized.
func SignFile(f File, id string, at time.Time, signer crypto.Signer, cert *x509.Certificate) ([]byte, error) {
	method, err := methodOf(signer, cert.Raw)
	if err != nil {
		return nil, err
	}
	x := xades{id: id, method: method, file: f, at: at.UTC().Truncate(time.Second), cert: cert.Raw}
	if !x.wellFormed() {
		return nil, refuse("sign-name")
	}
	sum := sha256.Sum256([]byte(x.info()))
	if x.value, err = signer.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
		return nil, fmt.Errorf("sign digest: %w", err)
	}
	if method == ECDSASHA256 {
		if x.value, err = fixed(x.value, 32); err != nil {
			return nil, err
		}
	}
	return []byte(x.document()), nil
}

// VerifyFile checks a signatures file that [SignFile] wrote with one of certs,
// which must have been valid at the signing time that it claims, and returns
// what it covers. The caller compares the digest with the bytes of the file.
//
// It accepts one spelling only, that of [SignFile]: both References, each
// digest, the certificate's digest and the signature value are read, checked,
// and written again; a document of any other bytes is refused.
func VerifyFile(doc []byte, certs []*x509.Certificate) (File, time.Time, error) {
	fail := func(err error) (File, time.Time, error) { return File{}, time.Time{}, err }
	x, err := readXAdES(doc)
	if err != nil {
		return fail(err)
	}
	m := methods[x.method]
	sum := sha256.Sum256([]byte(x.info()))
	err = refuse("sig-key-unknown")
	for _, c := range certs {
		switch {
		case !bytes.Equal(c.Raw, x.cert):
		case x.at.Before(c.NotBefore) || x.at.After(c.NotAfter):
			err = refuse("sig-key-expired")
		case !m.verify(c.PublicKey, sum[:], x.value):
			err = refuse("sig-value")
		default:
			return x.file, x.at, nil
		}
	}
	return fail(err)
}

// xades is everything that may differ between two signatures files.
type xades struct {
	id     string
	method string
	file   File
	at     time.Time
	cert   []byte // DER
	value  []byte
}

const (
	openInfo = `<ds:SignedInfo xmlns:ds="` + NamespaceDSig + `"><ds:CanonicalizationMethod Algorithm="` + excC14N +
		`"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="`
	digestMethod   = `<ds:DigestMethod Algorithm="` + SHA256 + `"></ds:DigestMethod><ds:DigestValue>`
	digestMethodNS = `<ds:DigestMethod xmlns:ds="` + NamespaceDSig + `" Algorithm="` + SHA256 +
		`"></ds:DigestMethod><ds:DigestValue xmlns:ds="` + NamespaceDSig + `">`
	openDocument = `<asic:XAdESSignatures xmlns:asic="` + NamespaceASiC + `"><ds:Signature xmlns:ds="` + NamespaceDSig + `" Id="`
	timeForm     = "2006-01-02T15:04:05Z"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// info is SignedInfo in exclusive canonical form.
func (x xades) info() string {
	properties := sha256.Sum256([]byte(x.properties()))
	return openInfo + x.method + `"></ds:SignatureMethod>` +
		`<ds:Reference Id="` + x.id + `-file" URI="` + x.file.URI + `">` + digestMethod + base64Of(x.file.SHA256[:]) + `</ds:DigestValue></ds:Reference>` +
		`<ds:Reference Type="` + typeSignedProperties + `" URI="#` + x.id + `-properties"><ds:Transforms><ds:Transform Algorithm="` + excC14N +
		`"></ds:Transform></ds:Transforms>` + digestMethod + base64Of(properties[:]) + `</ds:DigestValue></ds:Reference></ds:SignedInfo>`
}

// properties is SignedProperties in exclusive canonical form. Its members and
// their order are those of EN 319 132-1 clause 6.3 for level B-B.
func (x xades) properties() string {
	cert := sha256.Sum256(x.cert)
	return `<xades:SignedProperties xmlns:xades="` + NamespaceXAdES + `" Id="` + x.id + `-properties"><xades:SignedSignatureProperties>` +
		`<xades:SigningTime>` + x.at.Format(timeForm) + `</xades:SigningTime>` +
		`<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>` + digestMethodNS + base64Of(cert[:]) + `</ds:DigestValue></xades:CertDigest></xades:Cert>` +
		`</xades:SigningCertificateV2></xades:SignedSignatureProperties><xades:SignedDataObjectProperties>` +
		`<xades:DataObjectFormat ObjectReference="#` + x.id + `-file"><xades:MimeType>` + x.file.MediaType + `</xades:MimeType></xades:DataObjectFormat>` +
		`</xades:SignedDataObjectProperties></xades:SignedProperties>`
}

// document is the whole signatures file.
func (x xades) document() string {
	return openDocument + x.id + `">` + x.info() + `<ds:SignatureValue>` + base64Of(x.value) + `</ds:SignatureValue>` +
		`<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64Of(x.cert) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` +
		`<ds:Object><xades:QualifyingProperties xmlns:xades="` + NamespaceXAdES + `" Target="#` + x.id + `">` + x.properties() +
		`</xades:QualifyingProperties></ds:Object></ds:Signature></asic:XAdESSignatures>`
}

// wellFormed reports whether no value needs escaping and names are names.
func (x xades) wellFormed() bool {
	name := func(s, also string) bool {
		return s != "" && len(s) <= 200 && !strings.ContainsFunc(s, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(also, r)
		})
	}
	return name(x.id, "-_.") && (x.id[0] < '0' || x.id[0] > '9') && name(x.file.URI, "-_./") && name(x.file.MediaType, "-_./+;= ")
}

// readXAdES takes the values out of doc and insists that doc is what they
// write.
func readXAdES(doc []byte) (xades, error) {
	if len(doc) > Strict.Bytes {
		return xades{}, refuse("xml-size")
	}
	rest, ok := string(doc), true
	take := func(before, after string) (value string) {
		if _, tail, found := strings.Cut(rest, before); found {
			if value, rest, found = strings.Cut(tail, after); found {
				return value
			}
		}
		ok = false
		return ""
	}
	x := xades{id: take(openDocument, `"`), method: take(`<ds:SignatureMethod Algorithm="`, `"`)}
	x.file.URI = take(` URI="`, `"`)
	digest := take(`<ds:DigestValue>`, `<`)
	value := take(`<ds:SignatureValue>`, `<`)
	cert := take(`<ds:X509Certificate>`, `<`)
	at := take(`<xades:SigningTime>`, `<`)
	x.file.MediaType = take(`<xades:MimeType>`, `<`)
	if !ok || x.method != RSASHA256 && x.method != ECDSASHA256 {
		return xades{}, refuse("sig-shape")
	}
	var errs [4]error
	var sum []byte
	sum, errs[0] = base64.StdEncoding.DecodeString(digest)
	x.value, errs[1] = base64.StdEncoding.DecodeString(value)
	x.cert, errs[2] = base64.StdEncoding.DecodeString(cert)
	x.at, errs[3] = time.Parse(timeForm, at)
	if errs != [4]error{} || len(sum) != 32 || !x.wellFormed() {
		return xades{}, refuse("sig-shape")
	}
	x.file.SHA256 = [32]byte(sum)
	if subtle.ConstantTimeCompare([]byte(x.document()), doc) != 1 {
		return xades{}, refuse("sig-shape")
	}
	return x, nil
}
