package nemlogin_test

import (
	"bytes"
	"crypto/rsa"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/adapters/nemlogin/samlattack"
)

var update = flag.Bool("update", false, "write testdata/saml/reasons.txt from what the catalog meets")

const reasonsFile = "../../testdata/saml/reasons.txt"

// served lets a client call a handler as if over the network.
type served struct{ h http.Handler }

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	s.h.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// attacked returns w with a second provider key, and how to attack it.
func attacked(w *world) samlattack.Config {
	w.t.Helper()
	second := valid(key("idp2"))
	idp := *w.conf.IDP
	idp.Certs = append(slices.Clip(idp.Certs), second)
	w.conf.IDP, w.conf.CompanyRoles = &idp, []string{nemlogintest.CompanyRole}
	w.rebuild()
	site := http.NewServeMux()
	site.HandleFunc("/mine", func(rw http.ResponseWriter, r *http.Request) {
		if _, err := w.sp.Session(r); err != nil {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	site.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) { w.sp.Handler().ServeHTTP(rw, r) })
	target, err := samlattack.ReadTarget(w.sp.Metadata())
	if err != nil {
		w.t.Fatal(err)
	}
	begin := portal + nemlogin.PathLogin + "?return=/mine"
	target.Begin = map[samlattack.Start]string{
		samlattack.Plain: begin, samlattack.AtHigh: begin + "&level=High", samlattack.Fresh: begin + "&force=1",
		samlattack.AsProfessional: begin + "&type=Professional",
	}
	target.Page, target.Role = portal+"/mine", nemlogintest.CompanyRole
	// The metadata may name one encryption key; the older one is still opened.
	target.Encryption = []*rsa.PublicKey{&key("enc").PublicKey, &key("enc-old").PublicKey}
	return samlattack.Config{
		Target: target, Client: &http.Client{Transport: served{site}}, Now: func() time.Time { return w.now },
		Provider: samlattack.Provider{
			EntityID: idp.EntityID, Pair: samlattack.Pair{Key: key("idp"), Cert: idp.Certs[0]},
			Second: &samlattack.Pair{Key: key("idp2"), Cert: second},
		},
		Mismatch: func(c samlattack.Case, why string) { w.t.Errorf("%s (%s): %s", c.ID, c.Story, why) },
	}
}

var reasonInLog = regexp.MustCompile(`"reason":"([^"]+)"`)

// lastReason is the reason code that was logged last, or what the answer was.
func (w *world) lastReason(r samlattack.Reply) string {
	if r.Session {
		return "accepted"
	}
	if all := reasonInLog.FindAllSubmatch(w.log.Bytes(), -1); len(all) > 0 {
		return string(all[len(all)-1][1])
	}
	return fmt.Sprint("http-", r.Status)
}

// TestCatalogIsRefusedForTheReasonWritten plays the whole catalog. Each case
// is refused by the check that testdata/saml/reasons.txt names, so that a check
// that starts to catch what another should is noticed.
func TestCatalogIsRefusedForTheReasonWritten(t *testing.T) {
	w := newWorld(t)
	c := attacked(w)
	panicsBefore := nemlogin.PanicsSoFar()
	got := map[string]string{}
	var all bytes.Buffer
	c.Done = func(k samlattack.Case, r samlattack.Reply) {
		got[k.ID] = w.lastReason(r)
		if k.ID == "V-RPL-1/parallel" && got[k.ID] == "fault-POST-1006" {
			got[k.ID] = "replay" // the winner was done before the other was looked up
		}
		all.Write(w.log.Bytes())
		w.log.Reset()
	}
	s, err := samlattack.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.LeftOut) > 0 || !s.OK() || nemlogin.PanicsSoFar() != panicsBefore {
		t.Errorf("%+v", s)
	}
	if s.Cases < 220 || s.Cases != len(samlattack.Catalog()) {
		t.Errorf("%d cases, want 220 or more, and every one", s.Cases)
	}
	for _, secret := range []string{"Nancy", "Tove", "6503851236", "6607551192", "SAMLResponse", "Assertion>", "panic", "<script>", "forged"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q got into the log", secret)
		}
	}
	compareReasons(t, got)
	t.Logf("%d cases, controls %s, slowest answer %v", s.Cases, s.Controls, s.Slowest)
}

func compareReasons(t *testing.T, got map[string]string) {
	t.Helper()
	if *update {
		var b strings.Builder
		for _, id := range slices.Sorted(maps.Keys(got)) {
			fmt.Fprintf(&b, "%s %s\n", id, got[id])
		}
		if err := os.WriteFile(reasonsFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := reasons(t)
	for id, reason := range got {
		if want[id] != reason {
			t.Errorf("%s is answered with %q, written is %q", id, reason, want[id])
		}
	}
	for id := range want {
		if _, ok := got[id]; !ok {
			t.Errorf("%s is written in %s and no case any more", id, reasonsFile)
		}
	}
}

// reasons reads which check refuses each case.
func reasons(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile(reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		id, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[id] = reason
	}
	return out
}

func TestCatalogHasNoCaseTwiceAndAStoryForEach(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range samlattack.Catalog() {
		if seen[c.ID] || c.Story == "" || strings.ContainsAny(c.ID, " \t") || strings.Contains(c.Story, "\n") {
			t.Errorf("%s %q", c.ID, c.Story)
		}
		seen[c.ID] = true
	}
	if n := len(samlattack.Heaviest()); n != 16 {
		t.Errorf("%d heaviest documents, want 16", n)
	}
}
