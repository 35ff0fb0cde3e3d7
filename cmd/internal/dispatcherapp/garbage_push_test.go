package dispatcherapp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// pushed is the answer to one push.
type pushed struct {
	status int
	text   string
}

// pushes serves h to a peer whose certificate was verified, and returns how to
// push to it.
func pushes(t *testing.T, h http.Handler) func(path string, body io.Reader) (pushed, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = verified()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return func(path string, body io.Reader) (pushed, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, body)
		if err != nil {
			return pushed{}, err
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			return pushed{}, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return pushed{answer.StatusCode, string(text)}, err
	}
}

// verified is a connection whose client certificate was verified.
func verified() *tls.ConnectionState {
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
}

func anybody(*x509.Certificate) bool { return true }

// slowly begins a push that neither goes on nor ends, and returns how to break it off.
func slowly(t *testing.T, push func(string, io.Reader) (pushed, error), path, begin string) (breakOff func()) {
	t.Helper()
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = push(path, r) // it never ends well
	}()
	if _, err := io.WriteString(w, begin); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = w.CloseWithError(io.ErrUnexpectedEOF)
		<-done
	}
}

func TestGarbageThatDigitalPostPushesMovesNothing(t *testing.T) {
	t.Parallel()
	h, log := newHouse(t), &told{}
	receiver, err := digitalpost.NewReceiver(digitalpost.PushConfig{
		Tenants: []post.TenantID{"engdal", "fjordby"}, Peer: anybody, Owner: h.store.HandOverOwner, Log: log.logger(),
		Receipts: func(ctx context.Context, r track.Receipt) (err error) {
			if r.Raw, err = h.sealed(ctx, r.Raw); err != nil {
				return err
			}
			return h.store.KeepReceipts(ctx, []track.Receipt{r})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	push, m := pushes(t, receiver), h.matching(log.logger())
	id, message := h.handedOver("k1")
	stranger, whole := post.NewID(), ngdpReceipt("", message, "COMPLETED")
	const ours = "/digitalpost/engdal/receipts"
	breakOff := slowly(t, push, ours, whole[:40])
	for _, c := range []struct {
		name, path, body string
		status           int
		kept             string // in what is kept; "" is nothing
		told             string
	}{
		{"no JSON", ours, "<html>Driftsforstyrrelse</html>", 200, "Driftsforstyrrelse", "reason=unreadable"},
		{"JSON of another kind", ours, `{"receipts":[` + whole + `]}`, 200, `{"receipts"`, "reason=unreadable"},
		{"half of it", ours, whole[:60], 200, whole[:60], "reason=unreadable"},
		{"two of them", ours, whole + whole, 200, whole + whole, "reason=unreadable"},
		{"a status that nobody knows", ours, ngdpReceipt("", message, "MAYBE"), 200, "MAYBE", "reason=unreadable"},
		{"a letter that nobody sent", ours, ngdpReceipt("", stranger, "COMPLETED"), 200, stranger, "reason=unknown-hand-over"},
		{"another tenant's letter", "/digitalpost/fjordby/receipts", whole, 200, message, "code=other-tenant"},
		{"a municipality that is none of ours", "/digitalpost/nowhere/receipts", whole, 404, "", ""},
		{"nothing", ours, "", 400, "", ""},
		{"much too deep", ours, strings.Repeat("[", 60_000), 200, "[[[", "reason=unreadable"},
		{"16 MB", ours, `{"x":"` + strings.Repeat("y", 16<<20), 200, "yyy", "code=too-large"},
	} {
		before := len(h.parkedRaw())
		got, err := push(c.path, strings.NewReader(c.body))
		// What is far beyond the limit is not read to its end: the answer may be lost on it.
		if got.status != c.status && (err == nil || len(c.body) < 1<<20) {
			t.Errorf("%s: answered %+v, %v", c.name, got, err)
		}
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.want(id, post.LetterHandedOver)
		fresh := h.parkedRaw()[before:]
		if (len(fresh) == 1) != (c.kept != "") || c.kept != "" && !strings.Contains(fresh[0], c.kept) {
			t.Errorf("%s: kept %.200q", c.name, fresh)
		}
		if !strings.Contains(log.String(), c.told) {
			t.Errorf("%s: nobody is told", c.name)
		}
	}
	before := len(h.parkedRaw())
	if got, err := push(ours, strings.NewReader(whole)); err != nil || got.status != 200 { // while the slow one hangs
		t.Fatalf("answered %+v, %v", got, err)
	}
	breakOff()
	if got, err := push(ours, strings.NewReader(ngdpReceipt("", message, "NOT_ALLOWED"))); err != nil || got.status != 200 {
		t.Fatalf("answered %+v, %v", got, err)
	}
	if err := m.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.want(id, post.LetterDelivered)
	if fresh := h.parkedRaw()[before:]; len(fresh) != 1 || !strings.Contains(log.String(), "contradicts delivered") || h.paper.calls != 0 {
		t.Errorf("a contradiction: kept %q, paper called %d times", fresh, h.paper.calls)
	}
	h.conserved()
}

func TestGarbageThatBeskedfordelerPushesMovesNothing(t *testing.T) {
	t.Parallel()
	h, log, kombi := newHouse(t), &told{}, newCarrier("both")
	h.by(h.carriers(kombi, nil), byKombi)
	ours, others := h.tenants[0], h.tenants[1]
	receiver, err := kombipost.NewReceiver(kombipost.PushConfig{Peer: anybody, StatusConfig: kombipost.StatusConfig{
		Inbox: kombipost.InboxOf(h.store, h.sealed), Tenants: map[post.CVR]post.TenantID{ours.CVR: ours.ID, others.CVR: others.ID}, Log: log.logger()}})
	if err != nil {
		t.Fatal(err)
	}
	push, m := pushes(t, receiver), h.matching(log.logger())
	id, message := h.handedOver("k1")
	status := func(letter string, event int, code string, cvr post.CVR) string {
		return string(kombiposttest.Envelope(kombiposttest.Shipment{ID: letter}, kombipost.Events[event], kombiposttest.Status{At: time.Now(), Code: code}, string(cvr), post.NewID()))
	}
	const delivered, failed = 1, 9
	stranger, whole := post.NewID(), status(message, delivered, "", ours.CVR)
	breakOff := slowly(t, push, "/", whole[:400])
	for _, c := range []struct{ name, body, kept, told string }{
		{"no XML", "hello", "hello", "reason=not-xml"},
		{"half of it", whole[:900], whole[:900], "reason=not-xml"},
		{"entities that grow", `<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("c", 1000) + `">]>` + whole, "ENTITY", "reason=not-xml"},
		{"another schema", "<Haendelsesbesked><BeskedId>1</BeskedId></Haendelsesbesked>", "BeskedId", "status kept for a person"},
		{"a CVR that is not served", status(message, delivered, "", "12345678"), "12345678", "reason=tenant"},
		{"another tenant's letter", status(message, delivered, "", others.CVR), string(others.CVR), "reason=tenant"},
		{"a letter that nobody sent", status(stranger, delivered, "", ours.CVR), stranger, "reason=unknown-hand-over"},
		{"16 MB", "<a>" + strings.Repeat("y", 16<<20), "yyy", "reason=too-large"},
		// It bears the id of the good one that comes later.
		{"an event of the other channel", strings.ReplaceAll(whole, kombipost.Events[delivered].ID, kombipost.Events[6].ID), "", "reason=channel"},
	} {
		before := len(h.parkedRaw())
		got, err := push("/", strings.NewReader(c.body))
		if (got.status != 200 || !strings.Contains(got.text, "<StatusKode>20<")) && (err == nil || len(c.body) < 1<<20) {
			t.Errorf("%s: answered %+v, %v", c.name, got, err)
		}
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.want(id, post.LetterHandedOver)
		if fresh := h.parkedRaw()[before:]; len(fresh) != 1 || !strings.Contains(fresh[0], c.kept) {
			t.Errorf("%s: kept %.200q", c.name, fresh)
		}
		if !strings.Contains(log.String(), c.told) {
			t.Errorf("%s: nobody is told", c.name)
		}
	}
	before := len(h.parkedRaw())
	for _, body := range []string{whole, status(message, failed, "recipient.exempt.not.allowed", ours.CVR)} {
		if got, err := push("/", strings.NewReader(body)); err != nil || !strings.Contains(got.text, "<StatusKode>20<") {
			t.Fatalf("answered %+v, %v", got, err)
		}
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	breakOff()
	h.want(id, post.LetterDelivered)
	if fresh := h.parkedRaw()[before:]; len(fresh) != 1 || !strings.Contains(log.String(), "contradicts delivered") || kombi.calls != 1 {
		t.Errorf("a contradiction: kept %.200q, handed over %d times", fresh, kombi.calls)
	}
	h.conserved()
}
