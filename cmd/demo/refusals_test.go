package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// A world is a running demo, looked at from outside, and its database and blob
// folder, looked at from inside.
type world struct {
	t    *testing.T
	tell *teller
	db   *sql.DB
	n    int // of idempotency keys
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	h, err := build(ctx, options{dir: stateDir(t), host: "127.0.0.1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	})
	<-h.ready
	s, err := h.stateNow()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	if w.tell, err = newTeller(s, t.TempDir(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if w.db, err = sql.Open("sqlite", strings.TrimPrefix(s.DatabaseURL, "sqlite://")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	return w
}

// byThemselves are tables that move by themselves: log-ins, the ledger (which
// tells of refused log-ins), the clocks of jobs and the hour's key.
var byThemselves = regexp.MustCompile(`^(login_.*|ledger_.*|sole|job|data_key)$`)

// records is all that a refusal must not change: what the database holds of
// inquiries, letters, batches, drafts and answers, and the names of the sealed
// files.
func (w *world) records() string {
	w.t.Helper()
	rows := suite.Snapshot(w.t, w.db, byThemselves)
	if !strings.Contains(rows, "inquiry ") {
		w.t.Fatal("the snapshot lacks the inquiry: it proves nothing")
	}
	var b strings.Builder
	err := filepath.WalkDir(w.tell.s.BlobDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			fmt.Fprintln(&b, path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows + b.String()
}

// An ask is a request to desk.
type ask struct {
	who                        as // no certificate when empty
	method, path, media, lease string
	body                       io.Reader
	length                     int64 // 0 says nothing, unless body is a strings.Reader
}

// desk sends a request and returns the answer's status and body. A refusal must
// say everything that a refusal says.
func (w *world) desk(a ask) (int, wire.Problem, []byte) {
	w.t.Helper()
	conf := &tls.Config{RootCAs: w.tell.roots, MinVersion: tls.VersionTLS12}
	if a.who.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.who.cert, a.who.key)
		if err != nil {
			w.t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: conf}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.t.Context(), cmp.Or(a.method, http.MethodPost), w.tell.s.DeskURL+a.path, a.body)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.length > 0 {
		req.ContentLength = a.length
	}
	w.n++
	req.Header.Set("Idempotency-Key", fmt.Sprintf("refusals-%d", w.n))
	req.Header.Set("Content-Type", cmp.Or(a.media, "application/json"))
	if a.lease != "" {
		req.Header.Set("X-Lease-Token", a.lease)
	}
	resp, err := c.Do(req)
	if err != nil {
		w.t.Fatalf("%s: %v", a.path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var p wire.Problem
	if resp.StatusCode >= 400 {
		if err := json.Unmarshal(text, &p); err != nil || p.Title == "" || p.Cure == "" || p.Instance == "" || p.Status != resp.StatusCode {
			w.t.Errorf("%s: %s says too little: %s", a.path, resp.Status, text)
		}
	}
	return resp.StatusCode, p, text
}

// letterForm is a letter to Nancy with n documents, changed by edit.
func (w *world) letterForm(n int, document []byte, edit func(*wire.Letter)) (string, io.Reader) {
	w.t.Helper()
	nancy, _ := persona.By("nancy")
	l := wire.Letter{Key: "refused", Title: "Afgørelse", Recipient: wire.Party{IDType: "CPR", ID: nancy.CPR, Name: nancy.Name, Address: nancy.Address}}
	var files []upload
	for i := range n {
		l.Documents = append(l.Documents, wire.Document{Filename: fmt.Sprintf("d%d.pdf", i)})
		files = append(files, upload{"document", "document", "application/octet-stream", document})
	}
	if edit != nil {
		edit(&l)
	}
	head, err := json.Marshal(l)
	if err != nil {
		w.t.Fatal(err)
	}
	files = slices.Insert(files, 0, upload{"letter", "letter.json", "application/json", head})
	body, media, err := encodeMultipart(url.Values{}, files)
	if err != nil {
		w.t.Fatal(err)
	}
	return media, strings.NewReader(body)
}

const huge = 200 << 20

// zeros is a body of n bytes that takes no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBadInputIsRefusedAndLeavesNothing puts every bad input that the promise
// names to a running demo, over HTTP. Each is refused with its status, its
// stable code, a sentence and a cure, and not one record changes.
func TestBadInputIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), storyTime)
	defer cancel()
	for _, scene := range []func(*teller, context.Context) (string, error){(*teller).logIn, (*teller).ask} {
		if _, err := scene(w.tell, ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("desk", w.atDesk)
	t.Run("inbox", w.atInbox)
	t.Run("batch", func(t *testing.T) { w.batch(ctx, t) })
	t.Run("portal", func(t *testing.T) { w.atPortal(ctx, t) })
	t.Run("log-in", w.atLogin)
}

func (w *world) atDesk(t *testing.T) {
	good, err := pdf("decision-01.pdf")
	if err != nil {
		t.Fatal(err)
	}
	form := func(n int, document []byte, edit func(*wire.Letter)) ask {
		media, body := w.letterForm(n, document, edit)
		return ask{who: w.tell.cases(), path: "/v1/letters", media: media, body: body}
	}
	carrier := filepath.Join(filepath.Dir(filepath.Dir(w.tell.s.ToolCertFile)), "carrier")
	stranger := form(1, good, nil)
	stranger.who = as{filepath.Join(carrier, "gateway.pem"), filepath.Join(carrier, "gateway-key.pem")}
	role, nobody := form(1, good, nil), form(1, good, nil)
	role.who, nobody.who = w.tell.tool(), as{}
	endless := form(1, []byte("%PDF-1.7\n"), nil)
	endless.body = endlessDocument(t, endless.body)
	long := form(1, []byte("%PDF-1.7\n"), nil)
	long.body, long.length = endlessDocument(t, long.body), huge
	unknown := ask{who: w.tell.cases(), path: "/v1/batches", body: strings.NewReader(`{"key":"k","lines":[],"priority":1}`)}
	for _, c := range []struct {
		name   string
		ask    ask
		status int
		code   string
	}{
		{"a CPR number that cannot be", form(1, good, func(l *wire.Letter) { l.Recipient.ID = "9999999999" }), 422, "POST-0101"},
		{"a CVR number that is too short", form(1, good, func(l *wire.Letter) { l.Recipient.IDType, l.Recipient.ID = "CVR", "123" }), 422, "POST-0102"},
		{"an unknown municipality", form(1, good, func(l *wire.Letter) { l.Tenant = "atlantis" }), 422, "POST-0104"},
		{"a PDF that is not a PDF", form(1, []byte("PK\x03\x04 no pdf"), nil), 422, "POST-2003"},
		{"11 attachments", form(12, good, nil), 422, "POST-2002"},
		{"200 MB, as its length says", long, 413, "POST-4103"},
		{"200 MB, of unknown length", endless, 413, "POST-2006"},
		{"an unknown member", unknown, 422, "POST-4101"},
		{"no certificate", nobody, 403, "POST-4001"},
		{"a certificate of another authority", stranger, 403, "POST-4001"},
		{"a certificate for something else", role, 403, "POST-4003"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.records()
			status, p, _ := w.desk(c.ask)
			if status != c.status || p.Code != c.code {
				t.Errorf("%d %s, want %d %s (%s)", status, p.Code, c.status, c.code, p.Title)
			}
			if after := w.records(); after != before {
				t.Errorf("something changed:\n%s\n%s", before, after)
			}
		})
	}
}

// endlessDocument cuts the last line off a form, so that its document goes on
// for 200 MB.
func endlessDocument(t *testing.T, form io.Reader) io.Reader {
	t.Helper()
	text, err := io.ReadAll(form)
	if err != nil {
		t.Fatal(err)
	}
	return io.MultiReader(bytes.NewReader(text[:bytes.LastIndex(text, []byte("\r\n--"))]), zeros(huge))
}

func (w *world) atInbox(t *testing.T) {
	tool, inquiry := w.tell.tool(), "/v1/inquiries/"+w.tell.reference
	lease := func() string {
		t.Helper()
		status, _, text := w.desk(ask{who: tool, path: inquiry + "/lease"})
		var l struct {
			Token string `json:"lease_token"`
		}
		if err := json.Unmarshal(text, &l); err != nil || status != http.StatusOK {
			t.Fatalf("lease: %d %s", status, text)
		}
		return l.Token
	}
	acknowledge := func(token, digest string) ask {
		body := fmt.Sprintf(`{"lease_token":%q,"digest":%q,"outcome":"accept"}`, token, digest)
		return ask{who: tool, path: inquiry + "/acknowledge", body: strings.NewReader(body)}
	}
	over := lease()
	if _, err := w.db.Exec("UPDATE inquiry SET lease_until = 1"); err != nil { // five minutes later
		t.Fatal(err)
	}
	check := func(name string, a ask, want int, code string) {
		t.Run(name, func(t *testing.T) {
			before := w.records()
			if status, p, _ := w.desk(a); status != want || p.Code != code {
				t.Errorf("%d %s, want %d %s", status, p.Code, want, code)
			}
			if w.records() != before {
				t.Error("something changed")
			}
		})
	}
	check("content under a lease that ran out", ask{who: tool, method: http.MethodGet, path: inquiry + "/content", lease: over}, 409, "POST-4203")
	check("acknowledging under a lease that ran out", acknowledge(over, w.tell.digest), 409, "POST-4203")
	held := lease()
	check("a token that was replaced", acknowledge(over, w.tell.digest), 409, "POST-4203")
	check("another digest", acknowledge(held, strings.Repeat("0", 64)), 409, "POST-4204")
	check("a digest that is none", acknowledge(held, "abc"), 422, "POST-4101")
	if status, _, text := w.desk(acknowledge(held, w.tell.digest)); status != http.StatusOK {
		t.Errorf("after all that, the right digest answers %d %s", status, text)
	}
}

// batch leaves a line's PDF away, at the tool and at the API.
func (w *world) batch(ctx context.Context, t *testing.T) {
	path, err := w.tell.table()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.tell.path("decision-02.pdf")); err != nil {
		t.Fatal(err)
	}
	before := w.records()
	err = w.tell.postctl(ctx, w.tell.cases(), nil, "batch", "send", path, "-documents", w.tell.desk, "-key", "k")
	if err == nil || !strings.Contains(err.Error(), "wrong; nothing was sent") {
		t.Errorf("the tool said %v", err)
	}
	if w.records() != before {
		t.Error("something changed")
	}
	nancy, _ := persona.By("nancy")
	line := fmt.Sprintf(`{"key":"1","title":"A","recipient":{"id_type":"CPR","id":%q,"name":%q},"sha256":%q,"document":"a.pdf"}`,
		nancy.CPR, nancy.Name, strings.Repeat("ab", 32))
	status, _, text := w.desk(ask{who: w.tell.cases(), path: "/v1/batches", body: strings.NewReader(`{"key":"k","lines":[` + line + `]}`)})
	var b wire.Batch
	if err := json.Unmarshal(text, &b); err != nil || status >= 300 || len(b.Missing) != 1 {
		t.Fatalf("open: %d %s", status, text)
	}
	before = w.records()
	if status, p, _ := w.desk(ask{who: w.tell.cases(), path: "/v1/batches/" + b.ID + "/close"}); status != 409 || p.Code != "POST-6008" {
		t.Errorf("close without the PDF: %d %s", status, p.Code)
	}
	other := ask{who: w.tell.cases(), method: http.MethodPut, path: "/v1/batches/" + b.ID + "/documents/" + strings.Repeat("ab", 32),
		media: "application/octet-stream", body: strings.NewReader("another document")}
	if status, p, _ := w.desk(other); status != 422 {
		t.Errorf("a document with another digest: %d %s", status, p.Code)
	}
	if w.records() != before {
		t.Error("something changed")
	}
}

func (w *world) atPortal(ctx context.Context, t *testing.T) {
	b := w.tell.nancy
	try := func(name string, want int, sentence, cure string, f func() error) {
		t.Run(name, func(t *testing.T) {
			before := w.records()
			err := f()
			if err == nil || b.page.status != want {
				t.Errorf("the page answers %d (%v), want %d", b.page.status, err, want)
			}
			if text := b.page.text(); !strings.Contains(text, sentence) || !strings.Contains(text, cure) {
				t.Errorf("the page says neither %q nor %q:\n%s", sentence, cure, text)
			}
			if w.records() != before {
				t.Error("something changed")
			}
		})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.open(ctx, w.tell.s.PortalURL+"/ny/modtager"))
	try("an unknown municipality", 422, "Choose the municipality you want to write to", "Error:", func() error {
		return b.submit(ctx, "/ny/modtager", map[string]string{"tenant": "atlantis", "road": "dpo"})
	})
	must(b.submit(ctx, "/ny/modtager", map[string]string{"tenant": string(engdal().ID), "road": "dpo"}))
	must(b.submit(ctx, "/ny/emne", map[string]string{"kind": "access"}))
	must(b.submit(ctx, "/ny/besked", map[string]string{"text": request}))
	try("a PDF that is not a PDF", 422, post.FaultFileMismatch.English, post.FaultFileMismatch.Cure, func() error {
		return b.submit(ctx, "/ny/filer", nil, upload{"file", "a.pdf", "application/pdf", []byte("\x89PNG\r\n\x1a\n not a pdf")})
	})
	try("200 MB", 413, post.FaultRequestTooLarge.English, post.FaultRequestTooLarge.Cure, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.tell.s.PortalURL+"/ny/filer", zeros(huge))
		must(err)
		req.ContentLength = huge
		req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		return b.show(req)
	})
	must(b.open(ctx, w.tell.s.PortalURL+"/ny/filer"))
	var ten []upload
	for i := range 10 {
		ten = append(ten, upload{"file", fmt.Sprintf("%d.txt", i), "text/plain", []byte("hej")})
	}
	must(b.submit(ctx, "/ny/filer", nil, ten...))
	try("11 attachments", 422, post.FaultTooManyFiles.English, post.FaultTooManyFiles.Cure, func() error {
		return b.submit(ctx, "/ny/filer", nil, upload{"file", "11.txt", "text/plain", []byte("hej")})
	})
	try("a form from another site", 403, post.FaultCrossSite.English, post.FaultCrossSite.Cure, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.tell.s.PortalURL+"/ny/slet", http.NoBody)
		must(err)
		b.page.url.Host = "evil.example"
		return b.show(req)
	})
}

func (w *world) atLogin(t *testing.T) {
	response, err := os.ReadFile(filepath.Join("..", "..", "testdata", "saml", "response-doctype.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(response, []byte("<!DOCTYPE")) {
		t.Fatal("the response has no DOCTYPE")
	}
	b, err := newBrowser(w.tell.roots)
	if err != nil {
		t.Fatal(err)
	}
	before := w.records()
	values := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(response)}, "RelayState": {"x"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.tell.s.PortalURL+"/saml/acs", strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := b.show(req); err == nil || b.page.status/100 != 4 {
		t.Errorf("a response with a DOCTYPE: %d, %v", b.page.status, err)
	}
	if text := b.page.text(); !strings.Contains(text, "POST-10") {
		t.Errorf("the page shows no code: %s", text)
	}
	// Who is not logged in is sent to do so.
	if err := b.open(t.Context(), w.tell.s.PortalURL+"/mine"); err == nil && b.page.url.Path == "/mine" {
		t.Error("somebody is logged in")
	}
	if w.records() != before {
		t.Error("something changed")
	}
}
