package simulatorapp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// stage is running simulators with a gateway's two carriers in front of them.
type stage struct {
	app   *App
	web   *http.Client
	post  *digitalpost.Client
	house *printhouse.House
	dir   string
}

func pair(t testing.TB, p devcerts.Pair) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func trust(t testing.TB, path string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(text) {
		t.Fatal("no certificate")
	}
	return p
}

var certDir string

// TestMain makes room for one set of certificates: RSA keys take a second.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "simulatorapp-")
	if err != nil {
		panic(err)
	}
	certDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func set(t testing.TB, dir string) (*devcerts.Set, Config) {
	t.Helper()
	s, err := devcerts.Make(certDir, devcerts.Options{}) // the second call keeps what the first made
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(s.PrintHouse.Identity)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ids, err := age.ParseIdentities(f)
	if err != nil {
		t.Fatal(err)
	}
	client := pair(t, s.CarrierClient)
	return s, Config{
		Dir: filepath.Join(dir, "simulator"),
		Web: pair(t, s.Web),
		DigitalPost: DigitalPost{
			Certificate: pair(t, s.CarrierServer), ClientCAs: trust(t, s.CarrierCA),
			Systems: map[post.TenantID]System{"engdal": {ID: "system-engdal", Token: "token", Fingerprint: digitalposttest.Fingerprint(client.Certificate[0])}},
		},
		PrintHouse: PrintHouse{
			Jobs: filepath.Join(dir, "jobs"), Events: filepath.Join(dir, "events"), Identities: ids,
			Fates: map[string]printhousetest.Fate{"viggo": printhousetest.FateProven},
		},
		NemLogIn: NemLogIn{Signing: pair(t, s.IDPSigning)},
		KombiPost: KombiPost{
			Certificate: pair(t, s.CarrierServer), ClientCAs: trust(t, s.CarrierCA),
			Client: pair(t, s.CarrierClient), CallbackCAs: trust(t, s.CarrierCA),
		},
	}
}

func start(t *testing.T) *stage {
	t.Helper()
	return startWith(t, func(c *Config) { c.KombiPost = KombiPost{} })
}

// clientChain is what the gateway shows.
func clientChain(t *testing.T) []*x509.Certificate {
	t.Helper()
	s, _ := set(t, t.TempDir())
	c, err := x509.ParseCertificate(pair(t, s.CarrierClient).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{c}
}

func startWith(t *testing.T, bend func(*Config)) *stage {
	t.Helper()
	dir := t.TempDir()
	s, cfg := set(t, dir)
	bend(&cfg)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := New(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	st := &stage{app: app, dir: dir, web: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust(t, s.WebCA)}}}}
	st.post, err = digitalpost.New(digitalpost.Config{
		BaseURL: app.DigitalPostURL(), Certificate: pair(t, s.CarrierClient), RootCAs: trust(t, s.CarrierCA),
		Systems: map[post.TenantID]digitalpost.System{"engdal": {ID: "system-engdal", Token: "token"}}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	var to []age.Recipient
	f, err := os.Open(s.PrintHouse.Recipients)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if to, err = age.ParseRecipients(f); err != nil {
		t.Fatal(err)
	}
	st.house, err = printhouse.New(printhouse.Config{Out: cfg.PrintHouse.Jobs, Events: cfg.PrintHouse.Events, Recipients: to, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.web.CloseIdleConnections(); _ = st.post.Close() })
	return st
}

func (s *stage) get(t *testing.T, path string) (int, string) {
	t.Helper()
	if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/style") { // these tests read English
		path = "/en" + path
	}
	return s.bare(t, path)
}

// bare asks for the path as it is.
func (s *stage) bare(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := s.web.Get(s.app.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func (s *stage) post0(t *testing.T, path, kind, body string) (int, string) {
	t.Helper()
	if !strings.HasPrefix(path, "/api/") {
		path = "/en" + path
	}
	r, err := s.web.Post(s.app.URL()+path, kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

func letter(t *testing.T, to string, c dispatch.Channel, channel post.Channel) (dispatch.Job, dispatch.Form) {
	t.Helper()
	p, ok := persona.By(to)
	if !ok {
		t.Fatal(to)
	}
	content, err := os.ReadFile("../../../testdata/pdf/answer.pdf")
	if err != nil {
		t.Fatal(err)
	}
	id := post.LetterID(post.NewID())
	j := dispatch.Job{
		Tenant: persona.Tenants()[0], Letter: id, Reference: post.NewReference(), Channel: channel, Generation: 1,
		MessageID: post.DerivedID(id, channel, 1), CreatedAt: time.Now().UTC().Truncate(time.Second), Label: "Svar på indsigt",
		Recipient: post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address},
		Documents: []dispatch.Document{{
			Filename: "svar.pdf", Label: "Svar", MediaType: "application/pdf", Language: "da",
			Size: int64(len(content)), SHA256: sha256.Sum256(content),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		}},
	}
	var b bytes.Buffer
	if err := c.Render(t.Context(), j, &b); err != nil {
		t.Fatal(err)
	}
	form := b.Bytes()
	return j, dispatch.Form{Size: int64(len(form)), SHA256: sha256.Sum256(form), Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(form)) }}
}

func TestHostsBeyondThisMachineAreRefused(t *testing.T) {
	_, cfg := set(t, t.TempDir())
	for _, host := range []string{"0.0.0.0", "::", "192.168.1.10", "localhost", "example.dk", "127.0.0.1.example.dk"} {
		cfg.Host = host
		app, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if app != nil || !errors.Is(err, post.FaultNotLoopback) {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := New(t.Context(), Config{}, nil)
	for _, gap := range []string{"Dir", "Web", "Certificate", "ClientCAs", "Systems", "Jobs", "Identities", "logger"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

func TestALetterReachesTheBoxThatPeopleSee(t *testing.T) {
	s := start(t)
	j, form := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	status, text := s.get(t, "/api/v1/box/nancy/latest?wait=5s")
	var m digitalposttest.Message
	if err := json.Unmarshal([]byte(text), &m); err != nil || status != 200 || m.UUID != j.MessageID || m.Title != "Svar på indsigt" || len(m.Documents) != 1 {
		t.Fatalf("got %d %s %v", status, text, err)
	}
	if _, kept := s.get(t, "/api/v1/messages/"+j.MessageID+"/xml"); sha256.Sum256([]byte(kept)) != form.SHA256 {
		t.Error("the message is not kept as it was sent")
	}
	for path, want := range map[string]string{
		"/":                                    "Nancy Ann Berggren",
		"/box/nancy":                           "Svar på indsigt",
		"/message/" + j.MessageID:              "svar.pdf",
		"/message/" + j.MessageID + "?tab=xml": "memo:MessageHeader",
		"/message/" + j.MessageID + "?tab=events": "MEMO_AVAILABLE_TO_RECIPIENT",
		"/message/" + j.MessageID + "/file/0":     "%PDF",
		"/message/" + j.MessageID + "/xml":        "<?xml",
		"/authority/29000011":                     "Engdal Kommune",
		"/print":                                  "The tray is empty.",
		"/faults":                                 "Drop replies",
		"/style.css":                              "--ink",
		"/icon.svg":                               "<svg",
		"/api/v1/box/nancy":                       j.MessageID,
		"/api/v1/box/poul":                        `"messages":[]`,
		"/api/v1/authority/29000011/box":          `"messages":[]`,
		"/api/v1/messages/" + j.MessageID:         "COMPLETED",
		"/api/v1/counts":                          `"accepted":1`,
	} {
		if status, text := s.get(t, path); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d, without %q", path, status, want)
		}
	}
	for path, want := range map[string]int{
		"/box/nobody": 404, "/message/x": 404, "/message/" + j.MessageID + "/file/1": 404, "/authority/1": 404,
		"/api/v1/box/nobody": 404, "/api/v1/box/poul/latest": 404, "/api/v1/authority/x/box": 422, "/api/v1/messages/x": 404,
		"/api/v1/box/nancy/latest?after=" + j.MessageID: 404,
	} {
		if status, _ := s.get(t, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestPaperGoesThroughTheTray(t *testing.T) {
	s := start(t)
	j, form := letter(t, "poul", s.house, post.Physical)
	if o := s.house.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	await(t, func() bool { _, text := s.get(t, "/api/v1/print"); return strings.Contains(text, j.MessageID) })
	if status, text := s.get(t, "/print"); status != 200 || !strings.Contains(text, "Møllestien 12") {
		t.Errorf("got %d %s", status, text)
	}
	if status, text := s.get(t, "/print/"+j.MessageID); status != 200 || !strings.Contains(text, ">Posted<") || !strings.Contains(text, "/file/0") {
		t.Errorf("got %d %s", status, text)
	}
	if status, text := s.get(t, "/print/"+j.MessageID+"/file/0"); status != 200 || !strings.HasPrefix(text, "%PDF-") {
		t.Errorf("got %d", status)
	}
	for _, c := range []struct {
		event string
		want  int
	}{
		{"proven", 409}, {"posted", 200}, {"posted", 409}, {"burnt", 404}, {"returned?reason=moved", 200}, {"proven", 409},
	} {
		if status, text := s.post0(t, "/api/v1/print/"+j.MessageID+"/"+c.event, "", ""); status != c.want {
			t.Errorf("%s: %d %s", c.event, status, text)
		}
	}
	all, err := s.house.Waiting(t.Context())
	if err != nil || len(all) != 3 || all[2].Kind != track.Returned || all[2].Code != "moved" || all[1].Tracking == "" {
		t.Errorf("got %+v, %v", all, err)
	}
	// A fate needs nobody.
	viggo, form := letter(t, "viggo", s.house, post.Physical)
	s.house.HandOver(t.Context(), viggo, form)
	await(t, func() bool {
		got, err := s.app.Paper().Job(viggo.MessageID)
		return err == nil && got.State == printhouse.EventProven
	})
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("waited in vain")
}

func TestTheDialTurns(t *testing.T) {
	s := start(t)
	if status, text := s.post0(t, "/api/v1/faults", "application/json", `{"drop_replies":1}`); status != 200 || !strings.Contains(text, `"drop_replies":1`) {
		t.Fatalf("got %d %s", status, text)
	}
	j, form := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.Unknown {
		t.Errorf("got %+v", o)
	}
	if status, _ := s.post0(t, "/api/v1/faults", "application/json", `{"nonsense":1}`); status != 422 {
		t.Errorf("an unknown setting: %d", status)
	}
	form2 := url.Values{"hold_receipts": {"on"}}
	for _, name := range []string{"drop_replies", "unavailable", "broken", "delay_ms", "unsure_lookups", "failed_lookups", "stray_receipts"} {
		form2.Set(name, "0")
	}
	if status, _ := s.post0(t, "/faults", "application/x-www-form-urlencoded", form2.Encode()); status != 200 || !s.app.NgDP().Faults().HoldReceipts {
		t.Errorf("the form does not turn the dial: %d", status)
	}
	if status, _ := s.post0(t, "/faults", "application/x-www-form-urlencoded", "drop_replies=x"); status != 422 {
		t.Errorf("a count that is none: %d", status)
	}
	if status, _ := s.post0(t, "/api/v1/reset", "", ""); status != 204 || s.app.NgDP().Stats().Accepted != 0 || s.app.NgDP().Faults().HoldReceipts {
		t.Errorf("reset: %d", status)
	}
}

func TestAnotherSitesPageCannotPressTheButtons(t *testing.T) {
	s := start(t)
	r, err := http.NewRequest(http.MethodPost, s.app.URL()+"/reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := s.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", answer.StatusCode)
	}
}

func TestDigitalPostAsksForACertificate(t *testing.T) {
	s := start(t)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // whom we ask does not matter here
	defer c.CloseIdleConnections()
	if r, err := c.Get(s.app.DigitalPostURL() + "receipts/"); err == nil {
		r.Body.Close()
		t.Errorf("got %d without a certificate", r.StatusCode)
	}
}

func TestNemLogInShowsItsMetadata(t *testing.T) {
	s := start(t)
	r, err := s.web.Get(s.app.NemLogInMetadataURL())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 || !bytes.Equal(b, s.app.NemLogInMetadata()) || !bytes.Contains(b, []byte(s.app.NemLogInURL())) {
		t.Errorf("got %d, %v", r.StatusCode, err)
	}
	if err := s.app.RegisterSP([]byte("<x/>")); err == nil {
		t.Error("metadata that is none was taken")
	}
}
