package nemlogin_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/prometheus/client_golang/prometheus"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// withCerts is the provider's metadata with these signing certificates.
func (w *world) withCerts(certs ...*x509.Certificate) string {
	w.t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(w.idp.Metadata()); err != nil {
		w.t.Fatal(err)
	}
	d := doc.FindElement("//IDPSSODescriptor")
	k := d.FindElement("./KeyDescriptor")
	at := k.Index()
	d.RemoveChild(k)
	for _, c := range certs {
		copied := k.Copy()
		copied.FindElement(".//X509Certificate").SetText(base64.StdEncoding.EncodeToString(c.Raw))
		d.InsertChildAt(at, copied)
	}
	out, err := doc.WriteToString()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func gauge(t *testing.T, name, what string) float64 {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (what == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == what) {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s %s", name, what)
	return 0
}

func TestProviderMetadataIsReplacedWhileServing(t *testing.T) { // V-MD-1, V-MD-3
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "idp.xml")
	old, next := w.conf.IDP.Certs[0], valid(key("idp-next"))
	watch := nemlogin.NewWatcher(w.sp, file)
	put := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		w.log.Reset()
		watch.Step(t.Context())
	}
	signedBy := func(name string, cert *x509.Certificate) bool {
		t.Helper()
		w.clear()
		rec := w.login("", "nancy", tweak{Key: key(name), Cert: cert})
		return rec.Code < 400
	}
	put(w.withCerts(old))
	if signedBy("idp-next", next) {
		t.Fatal("a key that nobody trusts")
	}
	put(w.withCerts(old, next))
	if !signedBy("idp", old) || !signedBy("idp-next", next) {
		t.Fatal("during roll-over both keys count")
	}
	good := w.withCerts(old, next)
	for name, bad := range map[string]string{
		"another entity":               strings.Replace(good, `entityID="https://saml.simulator.test"`, `entityID="https://saml.simulator.test/"`, 1),
		"plain http":                   strings.Replace(good, `Location="https:`, `Location="http:`, 1),
		"DTD":                          "<!DOCTYPE x>" + good,
		"20 MB":                        good + strings.Repeat(" ", 20<<20),
		"empty":                        "",
		"expired":                      strings.Replace(good, "entityID=", `validUntil="`+stamp(w.now.Add(-time.Second))+`" entityID=`, 1),
		"no certificate that we trust": w.withCerts(valid(key("stranger"))),
		"no certificate":               w.withCerts(),
	} {
		put(bad)
		if !strings.Contains(w.log.String(), "provider metadata refused") || gauge(t, "sikkerpost_idp_metadata_refused", "") != 1 {
			t.Errorf("%s raised no alarm: %s", name, w.log.String())
		}
		watch.Step(t.Context())
		if n := strings.Count(w.log.String(), "provider metadata refused"); n != 1 {
			t.Errorf("%s is told %d times", name, n)
		}
		if !signedBy("idp-next", next) {
			t.Errorf("%s: the old metadata went out of use", name)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	watch.Step(t.Context())
	if !signedBy("idp-next", next) {
		t.Error("without the file there is no log-in")
	}
	put(w.withCerts(next))
	if signedBy("idp", old) || !signedBy("idp-next", next) || gauge(t, "sikkerpost_idp_metadata_refused", "") != 0 {
		t.Error("after roll-over the old key still counts")
	}
}

func TestEndsAreAlarmedAt60And30And7DaysAndThenDaily(t *testing.T) {
	w := newWorld(t)
	long := certificate(key("idp"), w.now.Add(-time.Hour), w.now.Add(100*24*time.Hour))
	end := long.NotAfter // in whole seconds
	w.conf.IDP.Certs = []*x509.Certificate{long, valid(key("idp-next"))}
	w.conf.SigningCert = certificate(key("sp"), w.now, w.now.Add(900*24*time.Hour))
	for i, name := range []string{"enc", "enc-old"} {
		w.conf.Decryption[i].Cert = certificate(key(name), w.now, w.now.Add(900*24*time.Hour))
	}
	w.rebuild()
	file := filepath.Join(t.TempDir(), "idp.xml")
	if err := os.WriteFile(file, []byte(w.withCerts(w.conf.IDP.Certs...)), 0o600); err != nil {
		t.Fatal(err)
	}
	watch := nemlogin.NewWatcher(w.sp, file)
	alarms := 0
	for _, c := range []struct {
		left  int
		level string
	}{{100, ""}, {61, ""}, {60, "WARN"}, {59, ""}, {30, "WARN"}, {8, ""}, {7, "ERROR"}, {6, "ERROR"}, {1, "ERROR"}, {-1, "ERROR"}} {
		w.now = end.Add(-time.Duration(c.left) * 24 * time.Hour)
		w.log.Reset()
		for range 3 { // steps of the same day tell nothing twice
			watch.Step(t.Context())
		}
		got := strings.Count(w.log.String(), `"what":"idp-certificate"`)
		if (got == 1) != (c.level != "") || got > 1 || c.level != "" && !strings.Contains(w.log.String(), `"level":"`+c.level+`"`) {
			t.Errorf("%d days left: %d alarms: %s", c.left, got, w.log.String())
		}
		alarms += got
		if d := gauge(t, "sikkerpost_saml_days_left", "idp-certificate"); int(d) != c.left {
			t.Errorf("%d days left: the metric says %v", c.left, d)
		}
	}
	if alarms != 6 || strings.Contains(w.log.String(), "signing-certificate") {
		t.Errorf("%d alarms", alarms)
	}
}

func TestMetadataBeyondValidUntilIsNotUsed(t *testing.T) {
	w := newWorld(t)
	until := w.now.Add(5 * time.Minute)
	for name, m := range map[string]string{
		"of the entity":     strings.Replace(string(w.idp.Metadata()), "entityID=", `validUntil="`+stamp(until)+`" entityID=`, 1),
		"of the descriptor": strings.Replace(string(w.idp.Metadata()), "<md:IDPSSODescriptor ", `<md:IDPSSODescriptor validUntil="`+stamp(until)+`" `, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			idp, err := nemlogin.ParseIDP([]byte(m))
			if err != nil || !idp.ValidUntil.Equal(until.UTC()) {
				t.Fatalf("%v %v", idp, err)
			}
			w.conf.IDP = idp
			w.rebuild()
			form := w.choose(w.begin(""), "nancy", tweak{})
			w.now = until
			w.rejected(w.acs(form), "idp-metadata-expired")
			if rec := w.portal(get(portal + nemlogin.PathLogin)); w.fault != post.FaultLoginDown || rec.Code < 400 {
				t.Errorf("a log-in began: %d", rec.Code)
			}
		})
	}
}

// order is the sequence that the metadata schema fixes, with how often each
// element may stand, and the attributes that must be there.
var order = map[string][]struct {
	tag      string
	min, max int
}{
	"EntityDescriptor": {{"SPSSODescriptor", 1, 1}, {"Organization", 1, 1}, {"ContactPerson", 1, 9}},
	"SPSSODescriptor": {{"KeyDescriptor", 2, 9}, {"SingleLogoutService", 1, 1}, {"NameIDFormat", 0, 9},
		{"AssertionConsumerService", 1, 1}, {"AttributeConsumingService", 1, 1}},
	"KeyDescriptor":             {{"KeyInfo", 1, 1}, {"EncryptionMethod", 0, 9}},
	"KeyInfo":                   {{"X509Data", 1, 1}},
	"X509Data":                  {{"X509Certificate", 1, 1}},
	"AttributeConsumingService": {{"ServiceName", 1, 9}, {"RequestedAttribute", 1, 99}},
	"Organization":              {{"OrganizationName", 1, 9}, {"OrganizationDisplayName", 1, 9}, {"OrganizationURL", 1, 9}},
	"ContactPerson":             {{"Company", 0, 1}, {"EmailAddress", 0, 9}},
}

var needed = map[string][]string{
	"EntityDescriptor": {"entityID"}, "SPSSODescriptor": {"protocolSupportEnumeration"}, "KeyDescriptor": {"use"},
	"EncryptionMethod": {"Algorithm"}, "SingleLogoutService": {"Binding", "Location"},
	"AssertionConsumerService": {"Binding", "Location", "index"}, "AttributeConsumingService": {"index"},
	"RequestedAttribute": {"Name", "NameFormat"}, "ContactPerson": {"contactType"},
	"ServiceName": {"xml:lang"}, "OrganizationName": {"xml:lang"}, "OrganizationDisplayName": {"xml:lang"}, "OrganizationURL": {"xml:lang"},
}

func checkOrder(t *testing.T, el *etree.Element) {
	t.Helper()
	for _, name := range needed[el.Tag] {
		if el.SelectAttr(name) == nil {
			t.Errorf("%s lacks %s", el.Tag, name)
		}
	}
	rest := el.ChildElements()
	for _, want := range order[el.Tag] {
		n := 0
		for len(rest) > 0 && rest[0].Tag == want.tag {
			checkOrder(t, rest[0])
			rest, n = rest[1:], n+1
		}
		if n < want.min || n > want.max {
			t.Errorf("%s has %d of %s", el.Tag, n, want.tag)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%s has %s where the schema wants none", el.Tag, rest[0].Tag)
	}
}

func TestOurMetadataFollowsTheSchemaAlsoDuringRollOver(t *testing.T) { // V-MD-4
	w := newWorld(t)
	w.conf.NextSigning = valid(key("sp-next"))
	w.conf.Decryption = append(w.conf.Decryption, nemlogin.Decryption{Key: key("enc-gone"), Cert: valid(key("enc-gone")), Hidden: true})
	w.conf.PowerOfAttorney, w.conf.CompanyRoles = []string{act}, []string{role}
	w.rebuild()
	first := w.sp.Metadata()
	w.rebuild()
	if !bytes.Equal(first, w.sp.Metadata()) {
		t.Error("the bytes change")
	}
	doc, err := xmldsig.Parse(first, xmldsig.Strict)
	if err != nil {
		t.Fatal(err)
	}
	checkOrder(t, doc.Root())
	uses := map[string]int{}
	for _, k := range doc.FindElements("//KeyDescriptor") {
		uses[k.SelectAttrValue("use", "")]++
	}
	if uses["signing"] != 2 || uses["encryption"] != 2 {
		t.Errorf("keys %v", uses)
	}
	for name, want := range map[string]bool{"privilegesIntermediate": true, "productionUnit": true, "cprNumber": true, "email": false} {
		if strings.Contains(string(first), name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
	// An assertion for the key that is no longer published still opens.
	gone := w.conf.Decryption[2]
	gone.Hidden = false
	conf := w.conf
	w.conf.Decryption = []nemlogin.Decryption{gone}
	w.rebuild()
	form := w.choose(w.begin(""), "nancy", tweak{})
	w.conf = conf
	w.rebuild()
	w.accepted(w.acs(form))
}
