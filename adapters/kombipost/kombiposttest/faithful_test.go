package kombiposttest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/post"
)

// Two clients: the first may send for two authorities, the other for one.
var ours, theirs = []byte("our certificate"), []byte("their certificate")

const (
	here, there = "29000011", "29000022"
	nancy       = "6503851236"
)

func world(t *testing.T, bend func(*Config)) *Server {
	t.Helper()
	c := Config{
		Agreements: []Agreement{{CVR: here, Fingerprint: Fingerprint(ours)}, {CVR: there, Fingerprint: Fingerprint(ours)}, {CVR: there, Fingerprint: Fingerprint(theirs)}},
		Parties:    []Party{{ID: nancy, Digital: true}, {ID: here, Digital: true}},
		Log:        slog.New(slog.DiscardHandler),
	}
	if bend != nil {
		bend(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask calls the server with a certificate and says what it answered.
func ask(s *Server, cert []byte, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: cert}}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func issueBody(cert []byte, cvr, entity string) string {
	return fmt.Sprintf(`{"TokenType":"t","RequestType":"r","KeyType":"k","AnvenderKontekst":{"Cvr":%q},"UseKey":%q,"AppliesTo":{"EndpointReference":{"Address":%q}}}`,
		cvr, base64.StdEncoding.EncodeToString(cert), entity)
}

const form = "application/x-www-form-urlencoded"

func assertionOf(t *testing.T, s *Server, cert []byte, cvr, entity string) string {
	t.Helper()
	var got struct{ RequestedSecurityToken struct{ Assertion string } }
	w := ask(s, cert, "POST", kombipost.PathIssue, issueBody(cert, cvr, entity), "Content-Type", "application/json")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("issue: %d %s %v", w.Code, w.Body, err)
	}
	return got.RequestedSecurityToken.Assertion
}

func tokenOf(t *testing.T, s *Server, cert []byte, cvr, entity string) string {
	t.Helper()
	var got struct {
		Token string `json:"access_token"`
	}
	body := url.Values{"saml-token": {assertionOf(t, s, cert, cvr, entity)}}.Encode()
	w := ask(s, cert, "POST", kombipost.PathToken, body, "Content-Type", form)
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("token: %d %s %v", w.Code, w.Body, err)
	}
	return got.Token
}

// context1 returns the headers of a call.
func context1(token string) []string {
	return []string{
		"Authorization", "Holder-of-key " + token, "Content-Type", "application/xml",
		"X-TransaktionsId", post.NewID(), "X-TransaktionsTid", "2026-11-22T10:00:00Z",
	}
}

func TestATokenIsWorthNothingInOtherHands(t *testing.T) {
	s := world(t, nil)
	assertion := assertionOf(t, s, ours, here, kombipost.EntitySend)
	token := tokenOf(t, s, ours, here, kombipost.EntitySend)
	exchange := url.Values{"saml-token": {assertion}}.Encode()
	for _, c := range []struct {
		name string
		got  *httptest.ResponseRecorder
		want int
		says string
	}{
		{"an assertion for an authority without an agreement", ask(s, theirs, "POST", kombipost.PathIssue, issueBody(theirs, here, kombipost.EntitySend)), 403, "no service agreement"},
		{"an assertion for a service that is not agreed on", ask(s, ours, "POST", kombipost.PathIssue, issueBody(ours, here, "http://entityid.kombit.dk/service/other/1")), 403, "no service agreement"},
		{"an assertion for another's key", ask(s, theirs, "POST", kombipost.PathIssue, issueBody(ours, here, kombipost.EntitySend)), 400, "UseKey"},
		{"an assertion replayed with another certificate", ask(s, theirs, "POST", kombipost.PathToken, exchange, "Content-Type", form), 401, "sim.assertion.refused"},
		{"an assertion used again by its holder, who keeps it eight hours", ask(s, ours, "POST", kombipost.PathToken, exchange, "Content-Type", form), 200, "access_token"},
		{"an assertion that is none", ask(s, ours, "POST", kombipost.PathToken, "saml-token=x", "Content-Type", form), 401, "sim.assertion.refused"},
		{"no assertion", ask(s, ours, "POST", kombipost.PathToken, "", "Content-Type", form), 400, "sim.assertion.missing"},
		{"an assertion in another media type", ask(s, ours, "POST", kombipost.PathToken, exchange, "Content-Type", "application/json"), 400, "sim.assertion.missing"},
		{"a token with another certificate", ask(s, theirs, "POST", kombipost.PathSend, "", context1(token)...), 401, "sim.token.refused"},
		{"a token of another service", ask(s, ours, "GET", kombipost.PathDigital+"?cprNumber="+nancy, "", context1(token)...), 401, "sim.agreement.missing"},
		{"a token as Bearer", ask(s, ours, "POST", kombipost.PathSend, "", "Authorization", "Bearer "+token), 401, "sim.token.refused"},
	} {
		if c.got.Code != c.want || !strings.Contains(c.got.Body.String(), c.says) {
			t.Errorf("%s: %d %s", c.name, c.got.Code, c.got.Body)
		}
	}
}

func TestTokensThatHaveEndedTakeNoRoom(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	s := world(t, func(c *Config) { c.Now = func() time.Time { return now } })
	for range 5 {
		tokenOf(t, s, ours, here, kombipost.EntitySend)
	}
	now = now.Add(9 * time.Hour)
	tokenOf(t, s, ours, here, kombipost.EntitySend)
	if len(s.assertions) != 1 || len(s.tokens) != 1 {
		t.Errorf("%d assertions, %d tokens are kept", len(s.assertions), len(s.tokens))
	}
}

func TestTheHeadersOfACallAreAskedFor(t *testing.T) {
	s := world(t, nil)
	token := tokenOf(t, s, ours, here, kombipost.EntitySend)
	for _, c := range []struct {
		name, header, value, says string
	}{
		{"no id", "X-TransaktionsId", "", "sim.context.missing"},
		{"an id that is none", "X-TransaktionsId", "1", "sim.context.missing"},
		{"no time", "X-TransaktionsTid", "", "sim.context.missing"},
		{"a time that only ends as one", "X-TransaktionsTid", "nowZ", "sim.context.missing"},
		{"a local time", "X-TransaktionsTid", "2026-11-22T10:00:00+01:00", "sim.context.missing"},
		{"JSON", "Content-Type", "application/json", "sim.media.type"},
		{"a media type that begins alike", "Content-Type", "application/xmlx", "sim.media.type"},
	} {
		w := ask(s, ours, "POST", kombipost.PathSend, "<kombi_request/>", append(context1(token), c.header, c.value)...)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest("POST", kombipost.PathSend, io.NopCloser(strings.NewReader("<kombi_request/>")))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: ours}}}
	r.ContentLength = -1
	for h := context1(token); len(h) > 0; h = h[2:] {
		r.Header.Set(h[0], h[1])
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "sim.content.length") {
		t.Errorf("a chunked body: %d %s", w.Code, w.Body)
	}
}

func TestALookupNamesOneNumberOfItsKind(t *testing.T) {
	s := world(t, nil)
	token := tokenOf(t, s, ours, here, kombipost.EntityLookup)
	for query, want := range map[string]string{
		"cprNumber=" + nancy: "true", "cvrNumber=" + here: "true", "cprNumber=0101990000": "false",
		"": "sim.number", "cprNumber=" + here: "sim.number", "cvrNumber=" + nancy: "sim.number", "cprNumber=650385123x": "sim.number",
		"cprNumber=" + nancy + "&cvrNumber=" + here: "sim.number", "number=" + nancy: "sim.number", "cprNumber=": "sim.number",
	} {
		if w := ask(s, ours, "GET", kombipost.PathDigital+"?"+query, "", context1(token)...); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestARequestIsReadStrictly(t *testing.T) {
	good := fmt.Sprintf(shipmentXML, post.NewID(), "QUFB")
	inside := strings.TrimSuffix(strings.TrimPrefix(good, "<kombi_request>"), "</kombi_request>")
	choice := "<KombiValgKode>Fysisk Post</KombiValgKode>"
	samling := strings.TrimPrefix(inside, choice)
	for _, c := range []struct{ name, body, want string }{
		{"good", good, ""},
		{"the shipment before the choice, as some write it", "<kombi_request>" + samling + choice + "</kombi_request>", ""},
		{"no root", inside, "sim.root.unexpected"},
		{"another root", "<kombi>" + inside + "</kombi>", "sim.root.unexpected"},
		{"a root with a namespace", strings.Replace(good, "<kombi_request>", `<kombi_request xmlns="urn:oio:fjernprint:1.0.0">`, 1), "sim.root.unexpected"},
		{"a choice with a namespace", strings.Replace(good, "<KombiValgKode>", `<KombiValgKode xmlns="urn:x">`, 1), "sim.element.unexpected"},
		{"two roots", good + good, "sim.root.unexpected"},
		{"a second shipment", "<kombi_request>" + inside + samling + "</kombi_request>", "sim.element.unexpected"},
		{"a DOCTYPE", "<!DOCTYPE kombi_request>" + good, "sim.xml"},
		{"cut off", good[:len(good)-5], "sim.xml"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>` + good, "sim.xml"},
		{"an unknown field", strings.Replace(good, "</KombiValgKode>", "</KombiValgKode><Haster/>", 1), "sim.element.unexpected"},
		{"an unknown field of the shipment", strings.Replace(good, "<dkal:FilformatNavn>", "<Haster/><dkal:FilformatNavn>", 1), "sim.shipment.invalid.FilformatNavn"},
		{"two choices", strings.Replace(good, choice, choice+choice, 1), "sim.choice"},
		{"a choice that is none", strings.Replace(good, "Fysisk Post", "Brevdue", 1), "sim.choice"},
		{"a choice without its content", "<kombi_request>" + choice + "</kombi_request>", "sim.choice.and.content"},
		{"nothing", "", "sim.root.unexpected"},
	} {
		if _, code := parseRequest([]byte(c.body)); code != c.want {
			t.Errorf("%s: %q, want %q", c.name, code, c.want)
		}
	}
}

func TestAnotherAuthoritysIdIsNotAnsweredWithItsReceipt(t *testing.T) {
	s := world(t, nil)
	body := fmt.Sprintf(shipmentXML, post.NewID(), "QUFB")
	mine, other := tokenOf(t, s, ours, here, kombipost.EntitySend), tokenOf(t, s, ours, there, kombipost.EntitySend)
	for _, c := range []struct{ token, want string }{{mine, "<Result>true"}, {other, "sim.id.of.another"}, {mine, "<Result>true"}} {
		if w := ask(s, ours, "POST", kombipost.PathSend, body, context1(c.token)...); !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("without %s: %s", c.want, w.Body)
		}
	}
	if got := s.Shipments(); len(got) != 1 || got[0].Handed != 2 {
		t.Errorf("kept %+v", got)
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	s := world(t, func(c *Config) { c.PaperLimit = 1000 })
	token := tokenOf(t, s, ours, here, kombipost.EntitySend)
	for size, want := range map[int]string{1000: "<Result>true", 1001: "sim.shipment.too.large"} {
		body := fmt.Sprintf(shipmentXML, post.NewID(), base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, size)))
		if w := ask(s, ours, "POST", kombipost.PathSend, body, context1(token)...); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d bytes: %s", size, w.Body)
		}
	}
	if got := (request{memo: make([]byte, DigitalLimit+1)}).tooLarge(PaperLimit); got != "sim.message.too.large" {
		t.Errorf("a large message: %q", got)
	}
}

func TestEachRefusalIsASentence(t *testing.T) {
	s := world(t, nil)
	w := ask(s, ours, "POST", kombipost.PathSend, "", "Authorization", "Holder-of-key x")
	if text := w.Body.String(); !strings.Contains(text, "<ErrorText>The token") || !strings.Contains(text, "CallUUID=") {
		t.Errorf("a fault says %s", text)
	}
	token := tokenOf(t, s, ours, here, kombipost.EntitySend)
	w = ask(s, ours, "POST", kombipost.PathSend, "<x/>", context1(token)...)
	if text := w.Body.String(); !strings.Contains(text, "<FejlTekst>The body is not one kombi_request") {
		t.Errorf("a Fejl says %s", text)
	}
}

func TestAStatusIsPushedUntilItIsTaken(t *testing.T) {
	s := world(t, nil)
	hand(t, s, 40)
	var fails = 8
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fails--; fails >= 0 {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "<StatusKode>20</StatusKode>")
	}))
	defer receiver.Close()
	waits := len(s.Queued())
	s.SetCallback(Callback{URL: receiver.URL, Client: receiver.Client()})
	for range 20 {
		if len(s.Queued()) == 0 {
			break
		}
		_, _ = s.Step(t.Context())
	}
	if got := s.Stats().Pushed; got != waits {
		t.Errorf("%d of %d statuses arrived after an outage", got, waits)
	}
}

func TestAResetWhileStatusesArePushedBringsNothingBack(t *testing.T) {
	s := world(t, nil)
	hand(t, s, 40)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Reset(); err != nil {
			t.Error(err)
		}
		http.Error(w, "", http.StatusServiceUnavailable)
	}))
	defer receiver.Close()
	s.SetCallback(Callback{URL: receiver.URL, Client: receiver.Client()})
	_, _ = s.Step(t.Context())
	if n := len(s.Queued()); n != 0 {
		t.Errorf("%d statuses of what was forgotten wait", n)
	}
}

func TestLargeRequestsDoNotFillTheMemory(t *testing.T) {
	s := in(t, t.TempDir(), 0)
	for range 6 {
		hand(t, s, keepBytes/4)
	}
	held := 0
	for _, p := range s.order {
		held += len(p.Body)
	}
	if held > keepBytes {
		t.Errorf("%d bytes of requests are held", held)
	}
	if whole, ok := s.Shipment(s.order[0].ID); !ok || len(whole.Body) < keepBytes/4 || whole.Print == nil {
		t.Error("the oldest is not read again from the log")
	}
}

// TestEachCodeHasItsSentence reads the codes out of the code, so that a new one
// is not forgotten.
func TestEachCodeHasItsSentence(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`"(sim\.[a-z.']+)"`)
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "sentences.go" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllStringSubmatch(string(text), -1) {
			if found++; sentences[m[1]] == "" {
				t.Errorf("%s has no sentence", m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d codes found", found)
	}
}
