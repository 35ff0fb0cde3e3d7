package nemlogin_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crewjam/saml"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

func TestMetadataSaysWhatNemLogInNeeds(t *testing.T) {
	w := newWorld(t)
	rec := w.portal(get(portal + nemlogin.PathMetadata))
	if !bytes.Equal(rec.Body.Bytes(), w.sp.Metadata()) || rec.Code != http.StatusOK {
		t.Fatal("what is served differs")
	}
	first := w.sp.Metadata()
	w.rebuild()
	if !bytes.Equal(first, w.sp.Metadata()) {
		t.Fatal("the bytes change from start to start")
	}
	if _, err := xmldsig.Parse(first, xmldsig.Strict); err != nil {
		t.Fatalf("our own parser refuses it: %v", err)
	}
	var e saml.EntityDescriptor
	if err := xml.Unmarshal(first, &e); err != nil {
		t.Fatal(err)
	}
	d := e.SPSSODescriptors[0]
	if e.EntityID != entity || !*d.AuthnRequestsSigned || !*d.WantAssertionsSigned {
		t.Error("entity or signing flags")
	}
	if len(d.AssertionConsumerServices) != 1 || d.AssertionConsumerServices[0].Binding != saml.HTTPPostBinding ||
		d.AssertionConsumerServices[0].Location != portal+nemlogin.PathACS {
		t.Errorf("consumers: %+v", d.AssertionConsumerServices)
	}
	if len(d.SingleLogoutServices) != 1 || d.SingleLogoutServices[0].Binding != saml.HTTPRedirectBinding {
		t.Errorf("logout: %+v", d.SingleLogoutServices)
	}
	uses := map[string]int{}
	for _, k := range d.KeyDescriptors {
		uses[k.Use]++
		if len(k.KeyInfo.X509Data.X509Certificates) != 1 {
			t.Error("more than one certificate in a KeyDescriptor")
		}
		if k.Use == "encryption" && (len(k.EncryptionMethods) == 0 || k.EncryptionMethods[0].Algorithm != "http://www.w3.org/2009/xmlenc11#aes256-gcm" ||
			slices.ContainsFunc(k.EncryptionMethods, func(m saml.EncryptionMethod) bool { return strings.Contains(m.Algorithm, "cbc") })) {
			t.Errorf("methods: %v", k.EncryptionMethods)
		}
	}
	if uses["signing"] != 1 || uses["encryption"] != 2 {
		t.Errorf("keys: %v", uses)
	}
	if len(d.AttributeConsumingServices) != 1 || len(d.AttributeConsumingServices[0].RequestedAttributes) != 6 {
		t.Error("requested attributes")
	}
	if e.Organization == nil || e.ContactPerson == nil || e.ContactPerson.ContactType != "technical" {
		t.Error("organization or contact")
	}
}

func TestAuthnRequestIsAsTheProfileWantsIt(t *testing.T) {
	w := newWorld(t)
	address := w.begin("?level=High&force=1")
	verifyQuery(t, address)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nemlogin.OpenRedirect(u.RawQuery, []*x509.Certificate{w.conf.SigningCert}, w.now)
	if err != nil {
		t.Fatal(err)
	}
	text := string(m.Message)
	for _, want := range []string{
		`Destination="` + provider + `/sso"`, `AssertionConsumerServiceURL="` + portal + nemlogin.PathACS + `"`, `ForceAuthn="true"`,
		`Comparison="minimum"`, `>https://data.gov.dk/concept/core/nsis/loa/High<`, `>https://data.gov.dk/eid/Person<`,
		`<saml:Issuer>` + entity + `</saml:Issuer>`, `Version="2.0"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, never := range []string{"NameIDPolicy", "IsPassive", "AssertionConsumerServiceIndex", "Signature"} {
		if strings.Contains(text, never) {
			t.Errorf("%s is there", never)
		}
	}
	if len(m.Relay) == 0 || len(m.Relay) > 80 || strings.Contains(m.Relay, "/") {
		t.Errorf("relay state is %q", m.Relay)
	}
}

func TestProviderRefusesWhatNemLogInRefuses(t *testing.T) {
	w := newWorld(t)
	good := w.begin("")
	for name, address := range map[string]string{
		"unsigned":        good[:strings.Index(good, "&SigAlg")],
		"relay changed":   strings.Replace(good, "RelayState=", "RelayState=a", 1),
		"another service": strings.Replace(good, "Signature=", "Signature=A", 1),
	} {
		if rec := w.provider(get(address)); rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "Technical error") {
			t.Errorf("%s answered %d", name, rec.Code)
		}
	}
}

func TestSimulatorWorksWithoutScriptsAndSaysWhatItIs(t *testing.T) {
	w := newWorld(t)
	address := w.begin("")
	rec := w.provider(get(address))
	page := rec.Body.String()
	for _, want := range []string{"not NemLog-in", `name="persona" value="nancy"`, `action="/sso/cancel?SAMLRequest=`, "Nancy Ann Berggren"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script") || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the persona page runs scripts")
	}
	// What a browser does: it takes the form's own address.
	_, rest, _ := strings.Cut(page, `action="`)
	action, _, _ := strings.Cut(rest, `"`)
	rec = w.provider(postForm(provider+strings.ReplaceAll(action, "&amp;", "&"), url.Values{"persona": {"nancy"}}))
	page = rec.Body.String()
	if rec.Code != http.StatusOK || !strings.Contains(page, `<button class="first" type="submit">`) || !strings.Contains(page, `action="`+portal+nemlogin.PathACS+`"`) {
		t.Fatalf("answered %d %s", rec.Code, page)
	}
	form := url.Values{}
	for _, name := range []string{"SAMLResponse", "RelayState"} {
		_, rest, _ := strings.Cut(page, `name="`+name+`" value="`)
		v, _, _ := strings.Cut(rest, `"`)
		form.Set(name, strings.ReplaceAll(v, "&#43;", "+"))
	}
	w.accepted(w.acs(form))
}

func TestProviderMetadataIsReadStrictly(t *testing.T) {
	w := newWorld(t)
	good := string(w.idp.Metadata())
	if idp, err := nemlogin.ParseIDP([]byte(good)); err != nil || len(idp.Certs) != 1 || idp.SSO != provider+"/sso" || idp.SLO != provider+"/slo" {
		t.Fatalf("%+v %v", idp, err)
	}
	for name, bad := range map[string]string{
		"DTD":            `<!DOCTYPE x>` + good,
		"plain http":     strings.Replace(good, `Location="https:`, `Location="http:`, 1),
		"javascript":     strings.Replace(good, `Location="https:`, `Location="javascript:`, 1),
		"no certificate": strings.Replace(good, `use="signing"`, `use="encryption"`, 1),
		"no entity":      strings.Replace(good, "entityID", "entityName", 1),
		"20 MB":          good + strings.Repeat(" ", 20<<20),
		"not XML":        "hello",
	} {
		if _, err := nemlogin.ParseIDP([]byte(bad)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestFilesThatConfigNamesAreLoaded(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		p := filepath.Join(dir, name)
		if kind != "" {
			data = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
		}
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key("sp"))
	if err != nil {
		t.Fatal(err)
	}
	c := config.SAML{
		EntityID:       entity,
		SigningCert:    write("sp.crt", "CERTIFICATE", w.conf.SigningCert.Raw),
		SigningKey:     write("sp.key", "PRIVATE KEY", pkcs8),
		EncryptionCert: write("enc.crt", "CERTIFICATE", w.conf.Decryption[0].Cert.Raw),
		EncryptionKey:  write("enc.key", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key("enc"))),
		IDPMetadata:    write("idp.xml", "", w.idp.Metadata()),
	}
	got, err := nemlogin.Load(c, portal)
	if err != nil {
		t.Fatal(err)
	}
	got.Sessions, got.Audit, got.OnFault, got.Log, got.Now = w.conf.Sessions, w.store, w.conf.OnFault, w.conf.Log, w.conf.Now
	w.conf = got
	w.rebuild()
	w.accepted(w.login("", "nancy", tweak{}))
	c.EncryptionKey = c.SigningKey
	if _, err := nemlogin.Load(c, portal); err == nil {
		t.Error("a key of another certificate was taken")
	}
	if _, err := nemlogin.New(nemlogin.Config{}); err == nil || strings.Count(err.Error(), "nemlogin: ") < 8 {
		t.Errorf("gaps are not all named: %v", err)
	}
}
