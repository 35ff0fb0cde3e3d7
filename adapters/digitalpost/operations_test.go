package digitalpost_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// wire notes every request that reaches the carrier and what it answered.
type wire struct {
	mu   sync.Mutex
	seen []string // "METHOD path answer"
	urls []string // with their queries
}

func (x *wire) around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted := &answered{ResponseWriter: w, status: 200}
		h.ServeHTTP(noted, r)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.seen = append(x.seen, r.Method+" "+strings.TrimPrefix(r.URL.Path, digitalposttest.BasePath)+" "+http.StatusText(noted.status))
		x.urls = append(x.urls, r.URL.String())
	})
}

type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets a response controller reach the connection.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// TestEveryOperationThatWeUse runs the operations of NgDP's description that
// name sending, receipts, contacts and messages through the client: the request
// that leaves, and what its answer becomes.
func TestEveryOperationThatWeUse(t *testing.T) {
	x := &wire{}
	w, _ := receiving(t)
	w.serve(t, x.around(w.sim))
	w.client = w.connect(t, w.config())
	w.World.Client = w.client
	box := w.client.Mailbox(map[post.TenantID]digitalpost.System{"engdal": {ID: "system-engdal", Token: "secret"}}, nil)
	cfg := w.config()
	cfg.ReceiptsSingly = true
	singly := w.connect(t, cfg)
	var mail string
	var asked digitalpost.Subscription
	sent := w.job(w.Registered)
	for _, op := range []struct {
		operation string // as the description names it
		do        func(t *testing.T)
		want      string // request and answer; <id> stands for a UUID
	}{
		{operation: "POST memos/?memo-message-uuid=", want: "POST memos/ Created", do: func(t *testing.T) {
			if o := w.send(t, sent); o.Verdict != dispatch.Taken {
				t.Errorf("got %+v", o)
			}
		}},
		{operation: "POST memos/ (container)", want: "POST memos/ Created", do: func(t *testing.T) {
			if o := w.client.HandOverContainer(t.Context(), "engdal", w.pack(t, []dispatch.Job{w.job(w.Registered)})); o.Verdict != dispatch.Taken {
				t.Errorf("got %+v", o)
			}
		}},
		{operation: "GET memos/", want: "GET memos/ OK", do: func(t *testing.T) {
			mail = w.write(t, nil)
			if ids, err := box.Waiting(t.Context(), "engdal"); err != nil || !slices.Equal(ids, []string{mail}) {
				t.Errorf("got %v, %v", ids, err)
			}
		}},
		{operation: "GET memos/{id}", want: "GET memos/<id> OK", do: func(t *testing.T) {
			var b bytes.Buffer
			if err := box.Fetch(t.Context(), "engdal", mail, &b); err != nil || !strings.Contains(b.String(), mail) {
				t.Error(err)
			}
		}},
		{operation: "POST memos/{id}/receipt", want: "POST memos/<id>/receipt OK", do: func(t *testing.T) {
			w.sim.SetFaults(digitalposttest.Faults{KeepAnswered: true})
			if err := box.Answer(t.Context(), "engdal", mail, false); err != nil {
				t.Error(err)
			}
		}},
		{operation: "POST memos/{id}/receipt, again", want: "POST memos/<id>/receipt Conflict", do: func(t *testing.T) {
			if err := box.Answer(t.Context(), "engdal", mail, false); err != nil {
				t.Error(err)
			}
		}},
		{operation: "DELETE memos/{id}", want: "DELETE memos/<id> No Content", do: func(t *testing.T) {
			if err := box.Answer(t.Context(), "engdal", mail, true); err != nil {
				t.Error(err)
			}
		}},
		{operation: "DELETE memos/{id}, again", want: "DELETE memos/<id> Not Found", do: func(t *testing.T) {
			if err := box.Answer(t.Context(), "engdal", mail, true); err != nil {
				t.Error(err)
			}
		}},
		{operation: "GET receipts/ and GET receipts/{id}", want: "GET receipts/<id> OK", do: func(t *testing.T) {
			all, err := singly.Waiting(t.Context())
			if err != nil || len(all) != 2 || all[0].Kind != track.Delivered || all[0].MessageID != sent.MessageID {
				t.Errorf("got %d, %v", len(all), err)
			}
		}},
		{operation: "GET receipts-bulk/", want: "GET receipts-bulk/ OK", do: func(t *testing.T) {
			bulk, err := w.client.Waiting(t.Context())
			if err != nil || len(bulk) != 2 || bulk[0].MessageID != sent.MessageID {
				t.Errorf("got %d, %v", len(bulk), err)
			}
			one, err := singly.Waiting(t.Context())
			if err != nil || one[0].EventID != bulk[0].EventID {
				t.Errorf("one receipt is two: %v", err)
			}
			if _, err := w.client.Waiting(t.Context()); err != nil { // the last request is what is looked at
				t.Error(err)
			}
		}},
		{operation: "DELETE receipts/{id}", want: "DELETE receipts/<id> No Content", do: func(t *testing.T) {
			all, err := w.client.Waiting(t.Context())
			if err != nil || len(all) == 0 {
				t.Fatal(err)
			}
			if err := w.client.Forget(t.Context(), all[0]); err != nil {
				t.Error(err)
			}
		}},
		{operation: "GET contacts/?cprNumber=", want: "GET contacts/ OK", do: func(t *testing.T) {
			if r := w.client.Look(t.Context(), w.tenant, w.Registered); r.Answer != dispatch.Reachable {
				t.Errorf("got %+v", r)
			}
		}},
		{operation: "GET contacts/?cvrNumber=", want: "GET contacts/ OK", do: func(t *testing.T) {
			if r := w.client.Look(t.Context(), w.tenant, post.PartyRecord{IDType: "CVR", ID: "11223492"}); r.Answer != dispatch.Unsure || r.Code != "waiting-period" {
				t.Errorf("got %+v", r)
			}
		}},
		{operation: "GET contacts/?isBulkLookup=true", want: "GET contacts/ OK", do: func(t *testing.T) {
			got := w.client.LookMany(t.Context(), w.tenant, []post.PartyRecord{
				w.Registered, w.Exempt, w.Closed, w.Unknown, {IDType: "CVR", ID: "11223492"}, {IDType: "CPR", ID: "*"}, w.Registered,
			})
			if words := spelled(got); !slices.Equal(words, []string{"reachable REGISTERED", "unreachable EXEMPT", "unreachable CLOSED",
				"unsure UNKNOWN", "unsure waiting-period", "unsure no-number", "reachable REGISTERED"}) {
				t.Errorf("got %q", words)
			}
			for _, u := range x.urls[len(x.urls)-2:] { // people and companies apart
				if !strings.Contains(u, "isBulkLookup=true") || strings.Contains(u, w.Registered.ID) || strings.Contains(u, "11223492") {
					t.Error("a number is in the URL, or it is no bulk look-up")
				}
			}
		}},
		{operation: "GET contacts/{id}", want: "GET contacts/<id> OK", do: func(t *testing.T) {
			id := w.contactID(t, w.Exempt.ID)
			k, err := w.client.Contact(t.Context(), "engdal", id)
			if err != nil || k.ID != id || k.Party.IDType != "CPR" || k.Party.ID != w.Exempt.ID || k.Reach.Answer != dispatch.Unreachable {
				t.Errorf("got %s %s, %v", k.ID, k.Reach, err)
			}
		}},
		{operation: "GET contacts/{id}, unknown", want: "GET contacts/<id> Not Found", do: func(t *testing.T) {
			if _, err := w.client.Contact(t.Context(), "engdal", "0b1e2f3a-0000-4000-8000-000000000001"); !errors.Is(err, digitalpost.ErrNoContact) {
				t.Errorf("got %v", err)
			}
		}},
		{operation: "POST contacts/subscriptions/", want: "POST contacts/subscriptions/ OK", do: func(t *testing.T) {
			var err error
			want := digitalpost.Subscription{Operations: []string{digitalpost.NewCompanies}, Contacts: []string{w.contactID(t, w.Exempt.ID)}, NotifyURL: "https://engdal.example/ngdp"}
			asked, err = w.client.Subscribe(t.Context(), "engdal", want)
			if err != nil || !post.ValidUUID(asked.ID) || !slices.Equal(asked.Operations, want.Operations) || !slices.Equal(asked.Contacts, want.Contacts) || asked.NotifyURL != want.NotifyURL {
				t.Errorf("got %+v, %v", asked, err)
			}
		}},
		{operation: "GET contacts/subscriptions/", want: "GET contacts/subscriptions/ OK", do: func(t *testing.T) {
			again, err := w.client.Subscribe(t.Context(), "engdal", asked) // finds the one that is there
			if err != nil || again.ID != asked.ID {
				t.Errorf("a second subscription %+v, %v", again, err)
			}
			all, err := w.client.Subscriptions(t.Context(), "engdal")
			if err != nil || len(all) != 1 || all[0].ID != asked.ID || !slices.Equal(all[0].Contacts, asked.Contacts) {
				t.Errorf("got %+v, %v", all, err)
			}
		}},
		{operation: "PUT contacts/subscriptions/{id}", want: "PUT contacts/subscriptions/<id> OK", do: func(t *testing.T) {
			asked.Operations = []string{digitalpost.AllCompanies}
			changed, err := w.client.Resubscribe(t.Context(), "engdal", asked)
			if err != nil || changed.Version != asked.Version+1 || !slices.Equal(changed.Operations, asked.Operations) {
				t.Errorf("got %+v, %v", changed, err)
			}
		}},
		{operation: "PUT contacts/subscriptions/{id}, an old version", want: "PUT contacts/subscriptions/<id> Precondition Failed", do: func(t *testing.T) {
			if _, err := w.client.Resubscribe(t.Context(), "engdal", asked); !errors.Is(err, digitalpost.ErrVersion) {
				t.Errorf("got %v", err)
			}
		}},
		{operation: "DELETE contacts/subscriptions/{id}", want: "DELETE contacts/subscriptions/<id> No Content", do: func(t *testing.T) {
			asked.Version++
			if err := w.client.Unsubscribe(t.Context(), "engdal", asked); err != nil {
				t.Error(err)
			}
		}},
		{operation: "DELETE contacts/subscriptions/{id}, again", want: "DELETE contacts/subscriptions/<id> Not Found", do: func(t *testing.T) {
			if err := w.client.Unsubscribe(t.Context(), "engdal", asked); err != nil {
				t.Error(err)
			}
		}},
		{operation: "GET contact-points/", want: "GET contact-points/ OK", do: func(t *testing.T) {
			all, err := w.client.ContactPoints(t.Context(), "engdal")
			if err != nil || len(all) != 2 {
				t.Fatalf("got %d, %v", len(all), err)
			}
			if why := digitalpost.Wanting(all, w.tenant.DPOContactPoint); why != "it takes only 1.0 MB" {
				t.Errorf("the small one: %q", why)
			}
			if why := digitalpost.Wanting(all, w.tenant.ContactPoint); why != "" {
				t.Errorf("the good one: %q", why)
			}
			if why := digitalpost.Wanting(all, "another"); !strings.Contains(why, "does not know") {
				t.Errorf("none: %q", why)
			}
		}},
		{operation: "GET events/", want: "GET events/ OK", do: func(t *testing.T) {
			steps, err := w.client.Trace(t.Context(), "engdal", sent.MessageID, time.Now().Add(-time.Hour))
			if err != nil || len(steps) < 4 || steps[0].Tag != "MEMO_SEND_RECEIVED" || steps[0].At.IsZero() {
				t.Errorf("got %v, %v", steps, err)
			}
		}},
	} {
		t.Run(op.operation, func(t *testing.T) {
			op.do(t)
			x.mu.Lock()
			defer x.mu.Unlock()
			if got := nameless(x.seen[len(x.seen)-1]); got != op.want {
				t.Errorf("the wire saw %q, want %q", got, op.want)
			}
		})
	}
}

// nameless puts <id> for every UUID.
func nameless(s string) string {
	for field := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '/' || r == ' ' }) {
		if post.ValidUUID(field) {
			s = strings.ReplaceAll(s, field, "<id>")
		}
	}
	return s
}

// TestErrorsThatEveryOperationLists: 401, 403, 404 and 503 are failures of the
// operation and nothing else.
func TestErrorsThatEveryOperationLists(t *testing.T) {
	for _, status := range []int{401, 403, 404, 503} {
		w := newWorld(t, nil)
		w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		c := w.connect(t, w.config())
		box := c.Mailbox(map[post.TenantID]digitalpost.System{"engdal": {ID: "x", Token: "y"}}, nil)
		if _, err := box.Waiting(t.Context(), "engdal"); err == nil {
			t.Errorf("%d: an empty list", status)
		}
		if err := box.Fetch(t.Context(), "engdal", "0b1e2f3a-0000-4000-8000-000000000001", &bytes.Buffer{}); err == nil {
			t.Errorf("%d: a message", status)
		}
		err := box.Answer(t.Context(), "engdal", "0b1e2f3a-0000-4000-8000-000000000001", false)
		if (err == nil) != (status == 404) { // what is not there needs no answer
			t.Errorf("%d: answered with %v", status, err)
		}
		if _, err := c.Waiting(t.Context()); err == nil {
			t.Errorf("%d: no receipts", status)
		}
		if r := c.Look(t.Context(), w.tenant, w.Registered); r.Answer != dispatch.Unsure {
			t.Errorf("%d: the look-up guessed %s", status, r.Answer)
		}
		j := w.job(w.Registered)
		if o := c.HandOver(t.Context(), j, dispatch.Form{Size: 1, Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader("x")) }}); o.Verdict != dispatch.NotTaken {
			t.Errorf("%d: %+v", status, o)
		}
		if _, err := c.ContactPoints(t.Context(), "engdal"); err == nil {
			t.Errorf("%d: contact points", status)
		}
		for _, r := range c.LookMany(t.Context(), w.tenant, []post.PartyRecord{w.Registered, w.Exempt}) {
			if r.Answer != dispatch.Unsure || r.Code == "" {
				t.Errorf("%d: the bulk look-up guessed %s", status, r)
			}
		}
		if _, err := c.Contact(t.Context(), "engdal", someID); err == nil {
			t.Errorf("%d: a contact", status)
		}
		s := digitalpost.Subscription{ID: someID, Operations: []string{digitalpost.AllCitizens}, NotifyURL: "https://engdal.example/"}
		if _, err := c.Subscriptions(t.Context(), "engdal"); err == nil {
			t.Errorf("%d: subscriptions", status)
		}
		if _, err := c.Subscribe(t.Context(), "engdal", s); err == nil {
			t.Errorf("%d: subscribed", status)
		}
		if _, err := c.Resubscribe(t.Context(), "engdal", s); err == nil {
			t.Errorf("%d: a subscription changed", status)
		}
		if err := c.Unsubscribe(t.Context(), "engdal", s); (err == nil) != (status == 404) { // what is gone is ended
			t.Errorf("%d: unsubscribed with %v", status, err)
		}
		if _, err := c.Trace(t.Context(), "engdal", j.MessageID, time.Now()); err == nil {
			t.Errorf("%d: events", status)
		}
	}
}
