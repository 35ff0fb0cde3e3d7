package nemlogin_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// requirement is one line of the table in docs/saml.md, shown to hold. The
// catalog of attacks goes deeper; here each line stands for itself.
type requirement struct {
	id   string
	test func(t *testing.T)
}

func TestProfile(t *testing.T) {
	for _, r := range slices.Concat(general(), cryptography(), requests(), responses(), assertions(), logouts()) {
		t.Run(r.id, r.test)
	}
}

// yes wants nancy's log-in to succeed, no to be refused for reason.
func yes(t *testing.T, bend tweak) {
	t.Helper()
	w := newWorld(t)
	w.accepted(w.login("", "nancy", bend))
}

func no(t *testing.T, bend tweak, reason string) {
	t.Helper()
	w := newWorld(t)
	w.rejected(w.login("", "nancy", bend), reason)
	w.audited(reason)
}

// request is the AuthnRequest that the portal sends for query.
func request(t *testing.T, query string) (w *world, root *etree.Element, m nemlogin.Redirected, address string) {
	t.Helper()
	w = newWorld(t)
	address = w.begin(query)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = nemlogin.OpenRedirect(u.RawQuery, []*x509.Certificate{w.conf.SigningCert}, w.now); err != nil {
		t.Fatal(err)
	}
	doc, err := xmldsig.Parse(m.Message, xmldsig.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return w, doc.Root(), m, address
}

// refs are the class references that a request asks for.
func refs(root *etree.Element) (all []string) {
	for _, c := range root.FindElements("./RequestedAuthnContext/AuthnContextClassRef") {
		all = append(all, c.Text())
	}
	return all
}

// gaps is what New says of a configuration.
func gaps(t *testing.T, change func(c *nemlogin.Config)) string {
	t.Helper()
	w := newWorld(t)
	c := w.conf
	change(&c)
	if _, err := nemlogin.New(c); err != nil {
		return err.Error()
	}
	return ""
}

// weak is a signer with a key of 1024 bits.
type weak struct{}

func (weak) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
}

func (weak) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("weak")
}

func general() []requirement {
	return []requirement{
		{"Q-GEN-1", func(t *testing.T) {
			end := func(d time.Duration) tweak { // NotOnOrAfter lies d behind
				return edit(func(a *etree.Element) {
					at(a, "./Conditions").CreateAttr("NotBefore", stamp(testNow.Add(-10*time.Minute)))
					at(a, "./Conditions").CreateAttr("NotOnOrAfter", stamp(testNow.Add(-d)))
				})
			}
			begin := func(d time.Duration) tweak { return set("./Conditions", "NotBefore", stamp(testNow.Add(d))) }
			yes(t, end(3*time.Minute-2*time.Second))
			no(t, end(3*time.Minute+2*time.Second), "conditions-expired")
			yes(t, begin(3*time.Minute-2*time.Second))
			no(t, begin(3*time.Minute+2*time.Second), "conditions-not-yet")
		}},
		{"Q-GEN-2", func(t *testing.T) {
			w, _, m, _ := request(t, "")
			if strings.Contains(string(m.Message)+string(w.sp.Metadata()), "<!DOCTYPE") {
				t.Error("we send a DTD")
			}
			no(t, message("<samlp:Response", "<!DOCTYPE r><samlp:Response"), "xml-doctype")
			no(t, swap("<saml:Assertion", "<!DOCTYPE a><saml:Assertion"), "assertion-xml-doctype")
		}},
		{"Q-GEN-3", func(t *testing.T) {
			for id, ok := range map[string]bool{
				"https://saml.portal.test": true, "https://" + strings.Repeat("a", 248): true,
				"https://" + strings.Repeat("a", 249): false, "saml.portal.test": false, "": false,
			} {
				if got := gaps(t, func(c *nemlogin.Config) { c.EntityID = id }); (got == "") != ok {
					t.Errorf("%d characters: %q", len(id), got)
				}
			}
		}},
		{"Q-GEN-4", func(t *testing.T) {
			no(t, set(".", "ID", "_"+strings.Repeat("a", 256)), "assertion-id")
			no(t, set("./AuthnStatement", "SessionIndex", strings.Repeat("a", 257)), "session-index")
			no(t, edit(func(a *etree.Element) { at(a, "./Subject/NameID").SetText(strings.Repeat("a", 257)) }), "name-id")
		}},
		{"Q-GEN-5", func(t *testing.T) {
			w := newWorld(t)
			doc := etree.NewDocument()
			if err := doc.ReadFromBytes(w.sp.Metadata()); err != nil {
				t.Fatal(err)
			}
			if n := len(doc.FindElements("//SPSSODescriptor")); n != 1 || doc.Root().SelectAttrValue("entityID", "") != entity {
				t.Errorf("%d descriptors", n)
			}
			for _, a := range regexp.MustCompile(` (?:Response)?Location="([^"]+)"`).FindAllStringSubmatch(string(w.sp.Metadata()), -1) {
				if !strings.HasPrefix(a[1], portal+"/") {
					t.Errorf("%s is on another host", a[1])
				}
			}
		}},
		{"Q-GEN-6", func(t *testing.T) {
			if got := gaps(t, func(c *nemlogin.Config) { c.PublicURL = "http://portal.test" }); !strings.Contains(got, "https") {
				t.Errorf("plain http: %q", got)
			}
			w := newWorld(t)
			for _, c := range w.portal(get(portal + nemlogin.PathLogin)).Result().Cookies() {
				if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteNoneMode || !strings.HasPrefix(c.Name, "__Host-") || c.MaxAge != 600 {
					t.Errorf("%s would not survive the cross-site POST, or is loose", c.Name)
				}
			}
		}},
	}
}

func cryptography() []requirement {
	signature := func(path, uri string) tweak { return resign(crypto.SHA256, alg(path, uri)) }
	return []requirement{
		{"Q-ALG-1", func(t *testing.T) {
			_, _, _, address := request(t, "")
			if !strings.Contains(address, "SigAlg="+url.QueryEscape("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")) {
				t.Error("the request is signed otherwise")
			}
			no(t, resign(crypto.SHA1, alg("./SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")), "assertion-sig-algorithm")
			no(t, signature("./Reference/DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"), "assertion-sig-digest-algorithm")
		}},
		{"Q-ALG-2", func(t *testing.T) {
			if got := gaps(t, func(c *nemlogin.Config) { c.SigningKey = weak{} }); !strings.Contains(got, "2048") {
				t.Errorf("1024 bits: %q", got)
			}
		}},
		{"Q-ALG-3", func(t *testing.T) {
			for _, e := range []nemlogintest.Encryption{
				{Data: nemlogintest.AES128GCM}, {Data: nemlogintest.AES256GCM}, {Digest: nemlogintest.SHA1}, {Digest: nemlogintest.SHA256},
				{Transport: nemlogintest.OAEP11, Digest: nemlogintest.SHA256, Mask: nemlogintest.MGF1SHA2},
			} {
				yes(t, tweak{Encryption: e})
			}
		}},
		{"Q-ALG-4", func(t *testing.T) {
			w := newWorld(t)
			got := regexp.MustCompile(`EncryptionMethod Algorithm="([^"]+)"`).FindAllStringSubmatch(string(w.sp.Metadata()), -1)
			want := []string{nemlogintest.AES256GCM, nemlogintest.AES128GCM, nemlogintest.OAEPMGF1P}
			if len(got) != 2*len(want) { // for each of two keys
				t.Fatalf("%v", got)
			}
			for i, m := range got {
				if m[1] != want[i%len(want)] {
					t.Errorf("method %d is %s", i, m[1])
				}
			}
		}},
		{"Q-ALG-5", func(t *testing.T) {
			method := func(path, uri string) tweak {
				return envelope(func(r *etree.Element) { at(r, path).CreateAttr("Algorithm", uri) })
			}
			data := "./EncryptedAssertion/EncryptedData/EncryptionMethod"
			transport := "./EncryptedAssertion/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod"
			for _, bend := range []tweak{
				method(transport, "http://www.w3.org/2001/04/xmlenc#rsa-1_5"), method(data, "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
				method(data, "http://www.w3.org/2001/04/xmlenc#aes256-cbc"),
				{Ciphertext: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
			} {
				no(t, bend, "decrypt") // one reason, whatever was wrong
			}
		}},
		{"Q-ALG-6", func(t *testing.T) {
			info := "./Signature/SignedInfo"
			no(t, forge(func(a *etree.Element) { i := at(a, info); i.AddChild(at(i, "./Reference").Copy()) }), "assertion-sig-shape")
			no(t, signature("./CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), "assertion-sig-c14n")
			no(t, forge(func(a *etree.Element) { at(a, info+"/Reference").CreateAttr("URI", "") }), "assertion-sig-reference")
		}},
	}
}

func requests() []requirement {
	const level, eid = "https://data.gov.dk/concept/core/nsis/loa/", "https://data.gov.dk/eid/"
	return []requirement{
		{"Q-REQ-1", func(t *testing.T) {
			_, _, m, address := request(t, "")
			if !strings.HasPrefix(address, provider+"/sso?SAMLRequest=") || m.Name != nemlogin.SAMLRequest {
				t.Errorf("goes to %s", address)
			}
		}},
		{"Q-REQ-2", func(t *testing.T) {
			w, _, _, address := request(t, "")
			verifyQuery(t, address)
			if rec := w.provider(get(address[:strings.Index(address, "&Signature=")])); rec.Code != http.StatusBadRequest {
				t.Errorf("unsigned: %d", rec.Code)
			}
		}},
		{"Q-REQ-3", func(t *testing.T) {
			_, r, _, _ := request(t, "")
			for name, want := range map[string]string{
				"Destination": provider + "/sso", "AssertionConsumerServiceURL": portal + nemlogin.PathACS,
				"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "AssertionConsumerServiceIndex": "",
			} {
				if got := r.SelectAttrValue(name, ""); got != want {
					t.Errorf("%s is %q", name, got)
				}
			}
			if r.FindElement("./Issuer").Text() != entity {
				t.Error("Issuer")
			}
		}},
		{"Q-REQ-4", func(t *testing.T) {
			if _, r, _, _ := request(t, ""); r.FindElement("./NameIDPolicy") != nil {
				t.Error("there is a NameIDPolicy")
			}
		}},
		{"Q-REQ-5", func(t *testing.T) {
			for query, want := range map[string][]string{
				"":                              {level + "Substantial", eid + "Person"},
				"?level=High&type=Professional": {level + "High", eid + "Professional"},
			} {
				_, r, _, _ := request(t, query)
				if got := refs(r); !slices.Equal(got, want) || r.FindElement("./RequestedAuthnContext").SelectAttrValue("Comparison", "") != "minimum" {
					t.Errorf("%s asks for %v", query, got)
				}
			}
		}},
		{"Q-REQ-6", func(t *testing.T) {
			w, r, _, _ := request(t, "?force=1")
			if r.SelectAttrValue("ForceAuthn", "") != "true" || r.SelectAttr("IsPassive") != nil {
				t.Error("ForceAuthn or IsPassive")
			}
			if _, plain, _, _ := request(t, ""); plain.SelectAttr("ForceAuthn") != nil {
				t.Error("ForceAuthn without being asked")
			}
			w.clear()
			w.rejected(w.login("?force=1", "nancy", tweak{AuthnAt: w.now.Add(-10 * time.Minute)}), "authn-not-fresh")
			w.clear()
			w.accepted(w.login("?force=1", "nancy", tweak{AuthnAt: w.now}))
		}},
		{"Q-REQ-8", func(t *testing.T) {
			_, _, m, _ := request(t, "?return=/ny/emne")
			if b, err := hex.DecodeString(m.Relay); err != nil || len(b) != 16 {
				t.Errorf("RelayState is %q", m.Relay)
			}
		}},
		{"Q-REQ-9", func(t *testing.T) {
			w := newWorld(t)
			p, cookie, err := w.conf.Sessions.Start(t.Context(), login.Ask{Level: login.High, Kind: login.Professional, Return: "/ny", Force: true})
			if err != nil {
				t.Fatal(err)
			}
			kept, err := w.conf.Sessions.Pending(t.Context(), cookie)
			if err != nil || len(p.ID) < 33 || kept.ID != p.ID || kept.Level != login.High || kept.Kind != login.Professional ||
				kept.Return != "/ny" || !kept.Force || kept.ExpiresAt.Sub(kept.StartedAt) != 10*time.Minute {
				t.Fatalf("kept %+v, %v", kept, err)
			}
			form := w.choose(w.begin(""), "nancy", tweak{})
			pending := w.jar["__Host-login"]
			w.accepted(w.acs(form))
			w.jar["__Host-login"] = pending
			if rec := w.acs(form); rec.Code != http.StatusBadRequest {
				t.Errorf("a second answer to one request: %d", rec.Code)
			}
		}},
		{"Q-REQ-11", func(t *testing.T) {
			w := newWorld(t)
			if rec := w.login("?return=/kvittering/SP-0000-0000", "nancy", tweak{}); rec.Header().Get("Location") != "/kvittering/SP-0000-0000" {
				t.Errorf("leads to %q", rec.Header().Get("Location"))
			}
			w.clear()
			if rec := w.portal(get(portal + nemlogin.PathLogin + "?return=//evil.test")); rec.Code != http.StatusBadRequest {
				t.Errorf("another site: %d", rec.Code)
			}
		}},
	}
}

func responses() []requirement {
	return []requirement{
		{"Q-RSP-1", func(t *testing.T) {
			w := newWorld(t)
			form := w.choose(w.begin(""), "nancy", tweak{})
			if rec := w.portal(get(portal + nemlogin.PathACS + "?" + form.Encode())); rec.Code != http.StatusMethodNotAllowed && rec.Code != http.StatusNotFound {
				t.Errorf("by GET: %d", rec.Code)
			}
			w.rejected(w.acs(url.Values{"SAMLResponse": {strings.Repeat("A", 129<<10)}}), "form-size")
			no(t, message("<samlp:Status>", strings.Repeat("<a>", 40)+strings.Repeat("</a>", 40)+"<samlp:Status>"), "xml-depth")
		}},
		{"Q-RSP-2", func(t *testing.T) {
			attr := func(name, v string) tweak {
				return envelope(func(r *etree.Element) { r.CreateAttr(name, v) })
			}
			no(t, attr("Version", "2.1"), "response-version")
			no(t, attr("Destination", portal+nemlogin.PathACS+"/"), "response-destination")
			no(t, attr("IssueInstant", stamp(testNow.Add(-4*time.Minute))), "response-time")
			no(t, attr("IssueInstant", stamp(testNow.Add(4*time.Minute))), "response-time")
		}},
		{"Q-RSP-3", func(t *testing.T) {
			no(t, envelope(func(r *etree.Element) { r.RemoveAttr("InResponseTo") }), "response-in-response-to")
			w := newWorld(t)
			form := w.choose(w.begin(""), "nancy", tweak{})
			w.clear()
			w.begin("")
			w.rejected(w.acs(form), "response-in-response-to")
		}},
		{"Q-RSP-4", func(t *testing.T) {
			no(t, tweak{Status: [2]string{"Responder", "AuthnFailed"}}, "status-cancelled")
			no(t, envelope(func(r *etree.Element) { r.RemoveChild(at(r, "./Status")) }), "response-shape")
		}},
		{"Q-RSP-5", func(t *testing.T) {
			no(t, envelope(func(r *etree.Element) { at(r, "./Issuer").SetText("https://other.test") }), "response-issuer")
			yes(t, tweak{SignWhole: true})
			yes(t, tweak{})
		}},
		{"Q-RSP-6", func(t *testing.T) {
			no(t, tweak{Plain: true}, "response-assertions")
			no(t, envelope(func(r *etree.Element) { r.AddChild(at(r, "./EncryptedAssertion").Copy()) }), "response-assertions")
			no(t, edit(func(a *etree.Element) { at(a, "./Subject/NameID").Tag = "EncryptedID" }), "subject-name")
			no(t, edit(func(a *etree.Element) { at(a, "./AttributeStatement/Attribute").Tag = "EncryptedAttribute" }), "attribute-kind")
		}},
		{"Q-RSP-7", func(t *testing.T) {
			w := newWorld(t)
			all := w.conf.Decryption
			w.conf.Decryption = all[1:]
			w.rebuild()
			form := w.choose(w.begin(""), "nancy", tweak{})
			w.conf.Decryption = all
			w.rebuild()
			w.accepted(w.acs(form))
		}},
		{"Q-RSP-8", func(t *testing.T) {
			no(t, tweak{Unsigned: true, SignWhole: true}, "assertion-sig-missing")
			no(t, tweak{Key: key("stranger"), Cert: valid(key("stranger"))}, "assertion-sig-key-unknown")
			w := newWorld(t)
			idp, next := *w.conf.IDP, valid(key("idp-next"))
			idp.Certs = append(idp.Certs[:1:1], next)
			if err := w.sp.Trust(&idp); err != nil {
				t.Fatal(err)
			}
			w.accepted(w.login("", "nancy", tweak{Key: key("idp-next"), Cert: next, Signed: func(a *etree.Element) {
				at(a, "./Signature").RemoveChild(at(a, "./Signature/KeyInfo"))
			}}))
		}},
		{"Q-RSP-9", func(t *testing.T) {
			// What is read is what was signed: a lie put in afterwards is never seen.
			no(t, forge(swapCPR), "assertion-sig-digest")
		}},
	}
}

// documented are the rows of the requirement table in docs/saml.md.
func documented(t *testing.T, family string) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/saml.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.SplitSeq(string(page), "\n") {
		if !strings.HasPrefix(line, "| "+family) {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if rows[cells[0]] != nil {
			t.Errorf("%s stands twice", cells[0])
		}
		rows[cells[0]] = cells[1:]
	}
	return rows
}

func TestEachRequirementIsShownToHoldOrIsADeviationWithItsReason(t *testing.T) {
	shown := map[string]bool{}
	for _, r := range slices.Concat(general(), cryptography(), requests(), responses(), assertions(), logouts()) {
		if shown[r.id] {
			t.Errorf("%s is shown twice", r.id)
		}
		shown[r.id] = true
	}
	rows := documented(t, "Q-")
	for family, n := range map[string]int{"GEN": 6, "ALG": 6, "REQ": 11, "RSP": 9, "AST": 17, "SLO": 9} {
		for i := 1; i <= n; i++ {
			id := "Q-" + family + "-" + big.NewInt(int64(i)).String()
			cells := rows[id]
			delete(rows, id)
			if len(cells) != 3 {
				t.Errorf("%s has %d cells in docs/saml.md, want requirement, where, shown by", id, len(cells))
				continue
			}
			reason, deviates := strings.CutPrefix(cells[2], "deviation: ")
			switch {
			case deviates && len(reason) < 20:
				t.Errorf("%s deviates without a reason", id)
			case deviates && shown[id]:
				t.Errorf("%s is a deviation, and shown to hold", id)
			case !deviates && !shown[id]:
				t.Errorf("%s is not shown by any test", id)
			}
			existing(t, id, cells[2])
		}
	}
	for id := range rows {
		t.Errorf("%s is no requirement that we know", id)
	}
}

var testName = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")

// existing checks that each test named in text is there.
func existing(t *testing.T, id, text string) {
	t.Helper()
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		found := false
		for _, dir := range []string{".", "../../internal/inbound/login", "../../internal/xmldsig", "../portalweb"} {
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if found || !strings.HasSuffix(f.Name(), "_test.go") {
					continue
				}
				b, err := os.ReadFile(dir + "/" + f.Name())
				if err != nil {
					t.Fatal(err)
				}
				found = strings.Contains(string(b), "func "+m[1]+"(")
			}
		}
		if !found {
			t.Errorf("%s names %s, which is not there", id, m[1])
		}
	}
}
