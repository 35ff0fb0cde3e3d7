package nemlogin_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/nemlogin"
)

// FuzzRedirect feeds foreign bytes as a query; with splice they take the place
// of as many bytes of a genuine one, from at on. A message comes out only if it
// is the one that was signed, whole and with its own RelayState.
func FuzzRedirect(f *testing.F) {
	const relay = "relay-1"
	message := []byte(`<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"/>`)
	address, err := nemlogin.SignRedirect(portal+"/saml/slo", nemlogin.SAMLRequest, message, relay, key("idp"))
	if err != nil {
		f.Fatal(err)
	}
	_, genuine, _ := strings.Cut(address, "?")
	certs := w509()
	if m, err := nemlogin.OpenRedirect(genuine, certs, testNow); err != nil || !bytes.Equal(m.Message, message) {
		f.Fatalf("the genuine query is refused: %v", err)
	}
	for _, seed := range []string{
		genuine, "", "SAMLRequest=&SigAlg=&Signature=", strings.Replace(genuine, "SAMLRequest", "SAMLResponse", 1),
		genuine + "&RelayState=x", genuine + "&SAMLResponse=AAAA", strings.Replace(genuine, "RelayState", "%52elayState", 1),
		strings.Replace(genuine, "%3A", "%3a", 1), strings.Replace(genuine, "sha256", "sha1", 1),
	} {
		f.Add([]byte(seed), false, uint16(0))
	}
	f.Add([]byte("relay-2"), true, uint16(strings.Index(genuine, relay)))
	f.Add([]byte("&"), true, uint16(30))
	f.Fuzz(func(t *testing.T, data []byte, splice bool, at uint16) {
		if splice {
			from := int(at) % len(genuine)
			data = slices.Concat([]byte(genuine[:from]), data, []byte(genuine[min(from+len(data), len(genuine)):]))
		}
		m, err := nemlogin.OpenRedirect(string(data), certs, testNow)
		if err != nil {
			if len(m.Message) > 0 {
				t.Fatal("a refused query left a message behind")
			}
			return
		}
		if m.Name != nemlogin.SAMLRequest || m.Relay != relay || !bytes.Equal(m.Message, message) {
			t.Fatalf("a message came out that nobody signed: %q", data)
		}
		q, err := url.ParseQuery(string(data))
		if err == nil && (len(q[nemlogin.SAMLRequest]) != 1 || q.Get("RelayState") != relay) {
			t.Fatalf("net/url reads another message: %q", data)
		}
	})
}

// FuzzMetadata feeds foreign bytes as the provider's metadata. What is accepted
// has a name, addresses with TLS, and strong keys that stand in the document.
func FuzzMetadata(f *testing.F) {
	w := newWorld(f)
	genuine := w.idp.Metadata()
	f.Add(genuine)
	for _, swap := range [][2]string{
		{"https://", "http://"}, {"https://", "javascript:"}, {`use="signing"`, `use="encryption"`}, {"entityID", "entityId"},
		{"<md:EntityDescriptor", "<!DOCTYPE m><md:EntityDescriptor"}, {"</md:IDPSSODescriptor>", "</md:IDPSSODescriptor><md:IDPSSODescriptor/>"},
		{"MII", "!!!"},
	} {
		f.Add(bytes.Replace(genuine, []byte(swap[0]), []byte(swap[1]), 1))
	}
	files, err := filepath.Glob("../../testdata/saml/response-*.xml")
	if err != nil || len(files) == 0 {
		f.Fatalf("seeds are missing: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		idp, err := nemlogin.ParseIDP(data)
		if err != nil {
			if idp != nil {
				t.Fatal("refused metadata left a provider behind")
			}
			return
		}
		if idp.EntityID == "" || len(idp.Certs) == 0 || idp.SSO == "" {
			t.Fatalf("accepted without name, key or address: %+v", idp)
		}
		for _, a := range []string{idp.SSO, idp.SLO, idp.SLOReply} {
			if u, err := url.Parse(a); a != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
				t.Fatalf("accepted the address %q", a)
			}
		}
		plain := strings.Join(strings.Fields(string(data)), "")
		for _, c := range idp.Certs {
			k, ok := c.PublicKey.(*rsa.PublicKey)
			if !ok || k.N.BitLen() < 2048 {
				t.Fatal("accepted a weak key")
			}
			if !strings.ContainsAny(plain, "&") && !strings.Contains(plain, base64.StdEncoding.EncodeToString(c.Raw)) && !strings.Contains(plain, "<!") {
				t.Fatal("accepted a key that does not stand in the document")
			}
		}
	})
}
