package nemlogin

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/xmldsig"
)

// Parameter names of the HTTP-Redirect binding.
const (
	SAMLRequest  = "SAMLRequest"
	SAMLResponse = "SAMLResponse"
)

// maxInflated bounds a message on the redirect binding: the largest is a
// LogoutRequest of about 2 KB.
const maxInflated = 64 << 10

var queryHashes = map[string]crypto.Hash{
	xmldsig.RSASHA256: crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": crypto.SHA512,
}

// SignRedirect returns address with message as the parameter name (SAMLRequest
// or SAMLResponse), signed in the query with RSA-SHA256 (SAML bindings 3.4.4.1).
func SignRedirect(address, name string, message []byte, relay string, key crypto.Signer) (string, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err = w.Write(message); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", err
	}
	q := name + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(b.Bytes()))
	if relay != "" {
		q += "&RelayState=" + url.QueryEscape(relay)
	}
	q += "&SigAlg=" + url.QueryEscape(xmldsig.RSASHA256)
	sum := sha256.Sum256([]byte(q))
	sig, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign query: %w", err)
	}
	q += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sig))
	if strings.Contains(address, "?") {
		return address + "&" + q, nil
	}
	return address + "?" + q, nil
}

// Redirected is a message that came over the redirect binding with a good signature.
type Redirected struct {
	Name    string // SAMLRequest or SAMLResponse
	Message []byte
	Relay   string
}

// OpenRedirect verifies the signature in rawQuery with one of certs, over the
// raw bytes as they came and in the order that the binding fixes, and inflates
// the message within bounds. Certificates outside their validity at now do not
// count.
func OpenRedirect(rawQuery string, certs []*x509.Certificate, now time.Time) (Redirected, error) {
	raw, err := once(rawQuery, SAMLRequest, SAMLResponse, "RelayState", "SigAlg", "Signature")
	if err != nil {
		return Redirected{}, err
	}
	r := Redirected{Name: SAMLRequest}
	_, isRequest := raw[SAMLRequest]
	_, isResponse := raw[SAMLResponse]
	if isRequest == isResponse {
		return Redirected{}, errors.New("need exactly one message")
	}
	if isResponse {
		r.Name = SAMLResponse
	}
	signed := r.Name + "=" + raw[r.Name]
	if relay, ok := raw["RelayState"]; ok {
		signed += "&RelayState=" + relay
	}
	signed += "&SigAlg=" + raw["SigAlg"]
	if err := verifyQuery(signed, raw["SigAlg"], raw["Signature"], certs, now); err != nil {
		return Redirected{}, err
	}
	if r.Relay, err = url.QueryUnescape(raw["RelayState"]); err != nil || len(r.Relay) > 80 {
		return Redirected{}, errors.New("relay state is longer than 80 bytes or malformed")
	}
	r.Message, err = inflate(raw[r.Name])
	return r, err
}

// once returns the raw values of names; a name that stands twice is refused.
func once(rawQuery string, names ...string) (map[string]string, error) {
	raw := map[string]string{}
	for part := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err != nil || plain != name {
			return nil, errors.New("parameter name is encoded")
		}
		for _, n := range names {
			if name != n {
				continue
			}
			if _, twice := raw[n]; twice {
				return nil, errors.New("parameter stands twice")
			}
			raw[n] = value
		}
	}
	return raw, nil
}

func verifyQuery(signed, alg, sig string, certs []*x509.Certificate, now time.Time) error {
	name, err := url.QueryUnescape(alg)
	hash, ok := queryHashes[name]
	if err != nil || !ok {
		return errors.New("signature algorithm is missing or not allowed")
	}
	text, err := url.QueryUnescape(sig)
	if err != nil {
		return errors.New("signature is malformed")
	}
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return errors.New("signature is not base64")
	}
	h := hash.New()
	h.Write([]byte(signed))
	sum := h.Sum(nil)
	for _, c := range certs {
		k, ok := c.PublicKey.(*rsa.PublicKey)
		if !ok || !strong(k) || now.Before(c.NotBefore) || now.After(c.NotAfter) {
			continue
		}
		if rsa.VerifyPKCS1v15(k, hash, sum, value) == nil {
			return nil
		}
	}
	return errors.New("signature does not verify")
}

func inflate(raw string) ([]byte, error) {
	text, err := url.QueryUnescape(raw)
	if err != nil {
		return nil, errors.New("message is malformed")
	}
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("message is not base64")
	}
	in := bytes.NewReader(packed)
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxInflated+1))
	if err != nil {
		return nil, errors.New("message does not inflate")
	}
	if len(out) > maxInflated || in.Len() > 0 {
		return nil, errors.New("message is too large or has a tail")
	}
	return out, nil
}
