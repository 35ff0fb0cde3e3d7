package digitalpost_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// kept is an inbox of receipts that can fail.
type kept struct {
	all    []track.Receipt
	broken bool
	owners map[string]post.TenantID
}

func (k *kept) keep(_ context.Context, r track.Receipt) error {
	if k.broken {
		return errors.New("the database is away")
	}
	for _, have := range k.all {
		if have.EventID == r.EventID {
			return nil
		}
	}
	k.all = append(k.all, r)
	return nil
}

func (k *kept) owner(_ context.Context, id string) (post.TenantID, error) {
	if t, ok := k.owners[id]; ok {
		return t, nil
	}
	return "", post.ErrNotFound
}

func (k *kept) receiver(t *testing.T) *digitalpost.Receiver {
	t.Helper()
	r, err := digitalpost.NewReceiver(digitalpost.PushConfig{Tenants: []post.TenantID{"engdal", "fjordby"}, Peer: (&peers{any: true}).peer,
		Receipts: k.keep, Owner: k.owner, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPushedReceiptsAreAnsweredOnlyOnceTheyAreKept(t *testing.T) {
	k := &kept{owners: map[string]post.TenantID{}, broken: true}
	w, client := pushes(t, k.receiver(t))
	good, exempt := w.job(w.Registered), w.job(w.Exempt)
	k.owners[good.MessageID], k.owners[exempt.MessageID] = "engdal", "engdal"
	w.send(t, good)
	w.send(t, exempt)
	if n := w.sim.Push(t.Context(), client); n != 0 {
		t.Errorf("%d answered without a commit", n)
	}
	k.broken = false
	if n := w.sim.Push(t.Context(), client); n != 2 || len(k.all) != 2 {
		t.Fatalf("%d taken, %d kept", n, len(k.all))
	}
	for _, r := range k.all {
		want := track.Delivered
		if r.MessageID == exempt.MessageID {
			want = track.RefusedRecipient
		}
		if r.Kind != want || r.Carrier != "digitalpost" || r.At.IsZero() || len(r.Raw) == 0 || !strings.HasPrefix(r.EventID, "engdal:") {
			t.Errorf("got %+v", r)
		}
	}
	if n := w.sim.Push(t.Context(), client); n != 0 {
		t.Errorf("%d pushed again", n)
	}
}

func TestReceiptsThatSpeakOfOthersOrOfNothingMoveNothing(t *testing.T) {
	const mine, theirs = "0b1e2f3a-0000-4000-8000-000000000001", "0b1e2f3a-0000-4000-8000-000000000002"
	k := &kept{owners: map[string]post.TenantID{mine: "engdal", theirs: "fjordby"}}
	r := k.receiver(t)
	receipt := func(id, status string) string {
		return `{"transmissionId":"0b1e2f3a-0000-4000-8000-000000000009","messageUUID":"` + id + `","timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":"` + status + `"}`
	}
	for _, c := range []struct {
		name, body string
		status     int
		kind       track.Kind
		code       string
	}{
		{"ours", receipt(mine, "COMPLETED"), 200, track.Delivered, ""},
		{"in capitals", receipt(strings.ToUpper(mine), "COMPLETED"), 200, track.Delivered, ""},
		{"another tenant's letter", receipt(theirs, "COMPLETED"), 200, track.Unreadable, "other-tenant"},
		{"a letter that we do not know yet", receipt("0b1e2f3a-0000-4000-8000-000000000003", "COMPLETED"), 200, track.Delivered, ""},
		{"a status of which we know nothing", receipt(mine, "MAYBE"), 200, track.Unreadable, ""},
		{"no receipt", `{"hello":"world"}`, 200, track.Unreadable, ""},
		{"not JSON", `hello`, 200, track.Unreadable, ""},
		{"endless", `{"x":"` + strings.Repeat("y", 1<<20) + `"}`, 200, track.Unreadable, "too-large"},
		{"nothing", ``, 400, "", ""},
	} {
		k.all = nil
		q := httptest.NewRequest(http.MethodPost, "/digitalpost/engdal/receipts", strings.NewReader(c.body))
		q.TLS = verifiedBy(t)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, q)
		if rec.Code != c.status || (c.status == 200) != (len(k.all) == 1) {
			t.Errorf("%s: %d, %d kept", c.name, rec.Code, len(k.all))
			continue
		}
		if c.status == 200 && (k.all[0].Kind != c.kind || k.all[0].Code != c.code || len(k.all[0].Raw) > 64<<10) {
			t.Errorf("%s: %s %q, %d bytes", c.name, k.all[0].Kind, k.all[0].Code, len(k.all[0].Raw))
		}
	}
}

func TestAReceiverNamesItsGaps(t *testing.T) {
	_, err := digitalpost.NewReceiver(digitalpost.PushConfig{})
	for _, gap := range []string{"Tenants", "Peer", "Memos or Receipts", "Log"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}
