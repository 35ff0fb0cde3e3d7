package dispatcherapp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// What carriers send that is no good, on every road by which receipts come in,
// through the real adapters and the real store: it is kept raw and parked where
// there is something to keep, somebody is told, no letter moves, and the good
// receipt behind it does its work.

// told is a log that several write at once.
type told struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *told) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// matching returns a matcher of what source has to say.
func (h *house) matching(log *slog.Logger, sources ...track.Source) *track.Matcher {
	h.t.Helper()
	m, err := track.New(track.Config{Inbox: h.store, Sources: sources, Log: log, Seal: h.sealed})
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func (h *house) sealed(_ context.Context, raw []byte) ([]byte, error) { return seal.Small(raw, h.to) }

// parkedRaw returns what is kept for a person, as it came.
func (h *house) parkedRaw() (all []string) {
	h.t.Helper()
	rows, err := h.raw.Query(`SELECT raw FROM receipt WHERE verdict = 'parked' ORDER BY received_at, event_id`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var sealed []byte
		if err := rows.Scan(&sealed); err != nil {
			h.t.Fatal(err)
		}
		raw, err := unseal.Small(sealed, h.identity)
		if err != nil {
			h.t.Fatal(err)
		}
		all = append(all, string(raw))
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// parkedWith checks that n receipts are kept for a person, each with text in it.
func (h *house) parkedWith(n int, text string) {
	h.t.Helper()
	all := h.parkedRaw()
	if len(all) != n {
		h.t.Errorf("%d kept for a person, want %d", len(all), n)
	}
	for _, raw := range all {
		if !strings.Contains(raw, text) {
			h.t.Errorf("kept %.100q, without %q", raw, text)
		}
	}
}

// handedOver returns a letter that a carrier has, and its message id.
func (h *house) handedOver(key string) (post.LetterID, string) {
	h.t.Helper()
	id := h.submit(key)
	h.advance(id)
	return id, h.want(id, post.LetterHandedOver).MessageID
}

// ngdpReceipt is a receipt as Digital Post writes it.
func ngdpReceipt(id, message, status string) string {
	code := ""
	if status == "NOT_ALLOWED" { // one that proves it: any other status 'not allowed' is a person's
		code = `,"errorCode":"recipient.exempt.not.allowed"`
	}
	return fmt.Sprintf(`{"id":%q,"transmissionId":%q,"messageUUID":%q,"timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":%q%s}`, id, post.NewID(), message, status, code)
}

// ngdp answers as it is told to, by the system that asks.
type ngdp struct {
	mu     sync.Mutex
	answer func(system string, w http.ResponseWriter, r *http.Request)
	gone   []string // receipts that were deleted
}

func (n *ngdp) say(answer func(system string, w http.ResponseWriter, r *http.Request)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

func (n *ngdp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	answer := n.answer
	if r.Method == http.MethodDelete {
		n.gone = append(n.gone, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
		n.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	n.mu.Unlock()
	system, _, _ := r.BasicAuth()
	answer(system, w, r)
}

// page answers receipts-bulk/ of system's first page with receipts, and every
// other list with nothing.
func page(system string, receipts ...string) answerer {
	return func(who string, w http.ResponseWriter, r *http.Request) {
		these := receipts
		if who != system || r.URL.Query().Get("page") != "0" {
			these = nil
		}
		_, _ = fmt.Fprintf(w, `{"receipts":[%s]}`, strings.Join(these, ","))
	}
}

// always answers every question with the same text.
func always(status int, text string) answerer {
	return func(_ string, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func (h *house) ngdp(n *ngdp, log *slog.Logger) *digitalpost.Client { return h.ngdpAs(n, log, false) }

// ngdpSingly fetches receipts one by one.
func (h *house) ngdpSingly(n *ngdp, log *slog.Logger) *digitalpost.Client {
	return h.ngdpAs(n, log, true)
}

func (h *house) ngdpAs(n *ngdp, log *slog.Logger, singly bool) *digitalpost.Client {
	h.t.Helper()
	server := httptest.NewUnstartedServer(n)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	h.t.Cleanup(server.Close)
	client, err := digitalpost.New(digitalpost.Config{BaseURL: server.URL + "/", Certificate: server.TLS.Certificates[0], RootCAs: pool(server), Log: log, ReceiptsSingly: singly,
		Systems: map[post.TenantID]digitalpost.System{"engdal": {ID: "engdal", Token: "t"}, "fjordby": {ID: "fjordby", Token: "t"}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = client.Close() })
	return client
}

type answerer = func(system string, w http.ResponseWriter, r *http.Request)

func TestGarbageThatDigitalPostAnswersMovesNothing(t *testing.T) {
	t.Parallel()
	endless := func(_ string, w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, zeros{}) }
	bomb := func(_ string, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.CopyN(gzip.NewWriter(w), zeros{}, 1<<30)
	}
	torn := func(_ string, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"receipts":[`)
	}
	stranger := post.NewID()
	for _, c := range []struct {
		name   string
		answer func(message string) answerer
		kept   int    // receipts parked
		raw    string // in each of them
		told   string // in the log
	}{
		{"a page for people", func(string) answerer { return always(200, "<html>Driftsforstyrrelse</html>") }, 2, "Driftsforstyrrelse", "receipts of engdal"},
		{"JSON of another kind", func(m string) answerer {
			return always(200, `{"items":[`+ngdpReceipt(post.NewID(), m, "COMPLETED")+`]}`)
		}, 2, "items", "receipts of engdal"},
		{"half an answer", func(m string) answerer { return always(200, `{"receipts":[`+ngdpReceipt(post.NewID(), m, "COMPLETED")) }, 2, "COMPLETED", "receipts of engdal"},
		{"an answer without end", func(string) answerer { return endless }, 2, "\x00\x00", "receipts of engdal"},
		{"a bomb", func(string) answerer { return bomb }, 2, "\x00\x00", "receipts of engdal"},
		{"an answer that breaks off", func(string) answerer { return torn }, 0, "", "receipts of engdal"},
		{"receipts that are none", func(string) answerer { return page("engdal", "1", `"hello"`, "null", "[]", "{}") }, 5, "", "reason=unreadable"},
		{"a status that nobody knows", func(m string) answerer { return page("engdal", ngdpReceipt(post.NewID(), m, "MAYBE")) }, 1, "MAYBE", "reason=unreadable"},
		{"no id", func(m string) answerer { return page("engdal", ngdpReceipt("?", m, "COMPLETED")) }, 1, `"?"`, "reason=unreadable"},
		{"a time before there was Digital Post", func(m string) answerer {
			return page("engdal", strings.Replace(ngdpReceipt(post.NewID(), m, "COMPLETED"), "2026", "0001", 1))
		}, 1, "0001-", "reason=unreadable"},
		{"a letter that nobody sent", func(string) answerer { return page("engdal", ngdpReceipt(post.NewID(), stranger, "COMPLETED")) }, 1, stranger, "reason=unknown-hand-over"},
		{"another tenant's letter", func(m string) answerer { return page("fjordby", ngdpReceipt(post.NewID(), m, "COMPLETED")) }, 1, "COMPLETED", "reason=other-tenant"},
		{"an escape that JSON does not have", func(m string) answerer { return page("engdal", ngdpReceipt(post.NewID(), m, "COMP\x01")) }, 1, "COMP", "receipts of engdal"},
		{"one that is too large, where none can be had alone", func(string) answerer {
			return page("engdal", ngdpReceipt(post.NewID(), stranger, strings.Repeat("Y", 2<<20)))
		}, 1, "YYY", "receipts of engdal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, n, log := newHouse(t), &ngdp{}, &told{}
			id, message := h.handedOver("k1")
			m := h.matching(log.logger(), h.ngdp(n, log.logger()))
			n.say(c.answer(message))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 2 { // the second time nothing new is kept
				if err := m.Step(ctx); err != nil {
					log.logger().Error("receipts not pulled", slog.Any("error", err)) // as the program does
				}
			}
			h.want(id, post.LetterHandedOver)
			h.parkedWith(c.kept, c.raw)
			if !strings.Contains(log.String(), c.told) {
				t.Errorf("nobody is told of %s: %s", c.told, log)
			}
			n.say(page("engdal", ngdpReceipt(post.NewID(), message, "COMPLETED")))
			if err := m.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.want(id, post.LetterDelivered)
			h.conserved()
		})
	}
}

// TestReceiptsWithoutIDsDoNotHideThoseBehindThem: they cannot be deleted, so they
// stand in front for ever.
func TestReceiptsWithoutIDsDoNotHideThoseBehindThem(t *testing.T) {
	t.Parallel()
	h, n, log := newHouse(t), &ngdp{}, &told{}
	id, message := h.handedOver("k1")
	good := post.NewID()
	n.say(func(system string, w http.ResponseWriter, r *http.Request) {
		var all []string
		for i := range 700 {
			all = append(all, fmt.Sprintf(`{"messageUUID":%q,"receiptStatus":"COMPLETED","timeStamp":"2026-11-22T09:00:00.000Z","n":%d}`, message, i))
		}
		all = append(all, ngdpReceipt(good, message, "COMPLETED"))
		at, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if at *= 100; system != "engdal" || at > len(all) {
			at = len(all)
		}
		_, _ = fmt.Fprintf(w, `{"receipts":[%s]}`, strings.Join(all[at:min(at+100, len(all))], ","))
	})
	if err := h.matching(log.logger(), h.ngdp(n, log.logger())).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.want(id, post.LetterDelivered)
	h.parkedWith(700, message)
	if len(n.gone) == 0 || n.gone[0] != good {
		t.Errorf("deleted: %v", n.gone)
	}
}

// TestOneReceiptThatIsTooLargeDoesNotHideItsPage: where receipts can be had one
// by one they are, and the large one is kept with its beginning and deleted.
func TestOneReceiptThatIsTooLargeDoesNotHideItsPage(t *testing.T) {
	t.Parallel()
	h, n, log := newHouse(t), &ngdp{}, &told{}
	id, message := h.handedOver("k1")
	all := map[string]string{post.NewID(): ngdpReceipt(post.NewID(), message, strings.Repeat("Y", 2<<20)), post.NewID(): ngdpReceipt(post.NewID(), message, "COMPLETED")}
	n.say(func(system string, w http.ResponseWriter, r *http.Request) {
		ids, receipts := []string{}, []string{}
		for id, text := range all {
			if system == "engdal" && r.URL.Query().Get("page") == "0" {
				ids, receipts = append(ids, strconv.Quote(id)), append(receipts, text)
			}
			if strings.HasSuffix(r.URL.Path, id) {
				_, _ = io.WriteString(w, text)
				return
			}
		}
		switch r.URL.Path {
		case "/receipts-bulk/":
			_, _ = fmt.Fprintf(w, `{"receipts":[%s]}`, strings.Join(receipts, ","))
		case "/receipts/":
			_, _ = fmt.Fprintf(w, `{"content":[%s]}`, strings.Join(ids, ","))
		}
	})
	if err := h.matching(log.logger(), h.ngdp(n, log.logger())).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.want(id, post.LetterDelivered)
	h.parkedWith(1, "YYYY")
	if slices.Sort(n.gone); !slices.Equal(slices.Compact(n.gone), slices.Sorted(maps.Keys(all))) {
		t.Errorf("deleted: %v", n.gone)
	}
}
