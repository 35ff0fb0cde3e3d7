package nemlogin_test

import (
	"bufio"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/crewjam/saml"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// files writes what programs outside want as files, for their eyes only.
func (tr *track) files(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	private := func(k *rsa.PrivateKey) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	public := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	for name, data := range map[string][]byte{
		"response.xml": tr.answer, "assertion.xml": tr.plain, "idp.xml": tr.idp.Metadata(),
		"enc.pem": private(tr.enc), "enc.crt": public(tr.encCert), "idp.crt": public(tr.idpCert),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// xmlsec returns what xmlsec1, started anew for each message, takes to check
// the assertion's signature, and to open the Response and check it.
func (tr *track) xmlsec(t testing.TB, tool string) (check, open func()) {
	t.Helper()
	dir := tr.files(t)
	run := func(args ...string) {
		cmd := exec.Command(tool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("xmlsec1 %v: %v\n%s", args, err, out)
		}
	}
	verify := func(name string) {
		run("--verify", "--enabled-reference-uris", "same-doc", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
			"--pubkey-cert-pem", "idp.crt", name)
	}
	return func() { verify("assertion.xml") }, func() {
		run("--decrypt", "--privkey-pem", "enc.pem", "--output", "opened.xml", "response.xml")
		verify("opened.xml")
	}
}

// crewjam returns what the stock library takes for an answer that it can read:
// it knows no AES-256-GCM.
func (tr *track) crewjam(t testing.TB, answer []byte) func() {
	t.Helper()
	var m saml.EntityDescriptor
	if err := xml.Unmarshal(tr.idp.Metadata(), &m); err != nil {
		t.Fatal(err)
	}
	acs, _ := url.Parse(portal + nemlogin.PathACS)
	sp := saml.ServiceProvider{EntityID: entity, Key: tr.enc, Certificate: tr.encCert, AcsURL: *acs, IDPMetadata: &m}
	return func() {
		a, err := sp.ParseXMLResponse(answer, []string{tr.pending.ID}, *acs)
		if err != nil || len(a.AttributeStatements) == 0 {
			t.Fatalf("crewjam/saml: %v", err)
		}
	}
}

// pysaml2 makes Python read the answer whenever it is asked to. The interpreter
// stays: what is measured is the reading.
const pysaml2 = `
import base64, json, logging, sys
from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig
logging.disable(logging.CRITICAL)
c = json.load(open("pysaml2.json"))
conf = SPConfig().load({
    "entityid": c["entity"], "xmlsec_binary": c["xmlsec1"], "allow_unknown_attributes": True, "accepted_time_diff": 180,
    "key_file": "enc.pem", "cert_file": "enc.crt", "encryption_keypairs": [{"key_file": "enc.pem", "cert_file": "enc.crt"}],
    "metadata": {"local": ["idp.xml"]},
    "service": {"sp": {"want_assertions_signed": True, "want_response_signed": False,
        "endpoints": {"assertion_consumer_service": [(c["acs"], BINDING_HTTP_POST)]}}},
})
client = Saml2Client(config=conf)
answer = base64.b64encode(open("response.xml", "rb").read()).decode()
for line in sys.stdin:
    r = client.parse_authn_request_response(answer, BINDING_HTTP_POST, {c["request"]: "/"})
    print(r.ava["https://data.gov.dk/model/core/eid/cprNumber"][0] == c["cpr"], flush=True)
`

// python returns what pysaml2 takes for the answer, or nil when it is not
// installed (make bench installs it below .bin).
func (tr *track) python(b *testing.B, xmlsec string) func() {
	b.Helper()
	tool, err := filepath.Abs("../../.bin/pysaml2/bin/python")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(tool); err != nil {
		b.Log("LEFT OUT, because pysaml2 is not installed below .bin: the comparison with it")
		return nil
	}
	dir := tr.files(b)
	settings, err := json.Marshal(map[string]string{
		"entity": entity, "acs": portal + nemlogin.PathACS, "request": tr.pending.ID, "cpr": tr.who.CPR, "xmlsec1": xmlsec,
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pysaml2.json"), settings, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(tool, "-c", pysaml2)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("pysaml2 ended with %v", err)
		}
	})
	lines := bufio.NewReader(out)
	return func() {
		_, _ = io.WriteString(in, "\n") // a failure shows in the answer
		if said, err := lines.ReadString('\n'); err != nil || said != "True\n" {
			b.Fatalf("pysaml2 says %q: %v", said, err)
		}
	}
}

// signatureOnly checks the assertion's signature and nothing else.
func (tr *track) signatureOnly(t testing.TB) func() {
	t.Helper()
	certs := []*x509.Certificate{tr.idpCert}
	return func() {
		doc, err := xmldsig.Parse(tr.plain, xmldsig.Strict)
		if err == nil {
			_, err = xmldsig.Verify(doc.Root(), certs, xmldsig.Rules{})
		}
		if err != nil {
			t.Fatal(fmt.Errorf("genuine assertion: %w", err))
		}
	}
}

func xmlsec1(b *testing.B) (string, bool) {
	b.Helper()
	return outside.Program(b, "xmlsec1", "the comparison of speed with xmlsec1")
}
