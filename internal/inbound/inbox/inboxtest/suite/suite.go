// Package suite is what every store of inquiries must do for an inbox: the
// rules of [inbox.Store] and [inbox.Lister], as tests. Only tests import it.
package suite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Store is a store under test.
type Store interface {
	inbox.Store
	inbox.Lister
}

// Open returns a fresh store and a way to put an inquiry into it that waits in
// in, due at due, with digest.
type Open func(t *testing.T) (s Store, put func(in post.InboxID, due time.Time, digest []byte) post.InquiryID)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Run("of many tools one gets the lease", func(t *testing.T) { oneWins(t, open) })
	t.Run("a stale token can do nothing", func(t *testing.T) { staleToken(t, open) })
	t.Run("another inbox sees nothing", func(t *testing.T) { otherInbox(t, open) })
	t.Run("a wrong digest changes nothing", func(t *testing.T) { wrongDigest(t, open) })
	t.Run("what nobody acknowledged never goes away", func(t *testing.T) { neverExpires(t, open) })
	t.Run("any order of steps keeps the fence", func(t *testing.T) { model(t, open) })
}

var sum = sha256.Sum256([]byte("content"))

func desk(t *testing.T, s Store, lease time.Duration) *inbox.Desk {
	t.Helper()
	d, err := inbox.New(inbox.Config{Lister: s, Store: s, Blobs: none{}, Log: slog.New(slog.DiscardHandler), Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

type none struct{}

func (none) Get(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

func oneWins(t *testing.T, open Open) {
	s, put := open(t)
	d := desk(t, s, time.Minute)
	id := put("a", time.Now(), sum[:])
	var wins, held atomic.Int32
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			_, _, err := d.Lease(t.Context(), inbox.Caller{Client: post.ClientID(fmt.Sprintf("tool-%d", i)), Inbox: "a"}, string(id))
			switch {
			case err == nil:
				wins.Add(1)
			case errors.Is(err, post.FaultInquiryHeld):
				held.Add(1)
			default:
				t.Errorf("lease: %v", err)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 || held.Load() != 11 {
		t.Errorf("%d got the lease and %d were told that it is held, want 1 and 11", wins.Load(), held.Load())
	}
}

func staleToken(t *testing.T, open Open) {
	s, put := open(t)
	short, long := desk(t, s, time.Millisecond), desk(t, s, time.Minute)
	id := string(put("a", time.Now(), sum[:]))
	one, two := inbox.Caller{Client: "one", Inbox: "a"}, inbox.Caller{Client: "two", Inbox: "a"}
	_, old, err := short.Lease(t.Context(), one, id)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
	_, fresh, err := long.Lease(t.Context(), two, id)
	if err != nil {
		t.Fatalf("an expired lease could not be taken: %v", err)
	}
	for _, who := range []inbox.Caller{one, two} {
		if _, err := long.Acknowledge(t.Context(), who, id, old, sum[:], ""); !errors.Is(err, post.FaultLeaseOver) {
			t.Errorf("%s acknowledges with the old token: %v", who.Client, err)
		}
		if _, err := long.Extend(t.Context(), who, id, old); !errors.Is(err, post.FaultLeaseOver) {
			t.Errorf("%s extends with the old token: %v", who.Client, err)
		}
		if _, _, err := long.Content(t.Context(), who, id, old); !errors.Is(err, post.FaultLeaseOver) {
			t.Errorf("%s opens with the old token: %v", who.Client, err)
		}
	}
	if _, err := long.Acknowledge(t.Context(), one, id, fresh, sum[:], ""); !errors.Is(err, post.FaultLeaseOver) {
		t.Errorf("a stolen token of another client works: %v", err)
	}
	if _, err := long.Acknowledge(t.Context(), two, id, fresh, sum[:], ""); err != nil {
		t.Errorf("the holder: %v", err)
	}
}

func otherInbox(t *testing.T, open Open) {
	s, put := open(t)
	d := desk(t, s, time.Minute)
	id := string(put("a", time.Now(), sum[:]))
	_, token, err := d.Lease(t.Context(), inbox.Caller{Client: "one", Inbox: "a"}, id)
	if err != nil {
		t.Fatal(err)
	}
	who := inbox.Caller{Client: "one", Inbox: "b"} // even under the same name
	page, _, err := d.List(t.Context(), who, inbox.Query{States: []post.InquiryState{post.InquiryWaiting, post.InquiryLeased}})
	if err != nil || len(page) != 0 {
		t.Errorf("list: %v, %v", page, err)
	}
	for name, err := range map[string]error{
		"find":        second(d.Find(t.Context(), who, id)),
		"extend":      second(d.Extend(t.Context(), who, id, token)),
		"acknowledge": second(d.Acknowledge(t.Context(), who, id, token, sum[:], "")),
		"reply":       second(d.Replyable(t.Context(), who, id)),
	} {
		if !errors.Is(err, post.FaultNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
}

func second(_ inbox.Entry, err error) error { return err }

func wrongDigest(t *testing.T, open Open) {
	s, put := open(t)
	d := desk(t, s, time.Minute)
	who := inbox.Caller{Client: "one", Inbox: "a"}
	id := string(put("a", time.Now(), sum[:]))
	_, token, err := d.Lease(t.Context(), who, id)
	if err != nil {
		t.Fatal(err)
	}
	before, err := d.Find(t.Context(), who, id)
	if err != nil {
		t.Fatal(err)
	}
	bad := sha256.Sum256([]byte("other content"))
	for _, digest := range [][]byte{bad[:], {}, nil, sum[:31]} {
		if _, err := d.Acknowledge(t.Context(), who, id, token, digest, ""); !errors.Is(err, post.FaultDigest) {
			t.Errorf("digest %x: %v", digest, err)
		}
	}
	after, err := d.Find(t.Context(), who, id)
	if err != nil || after.State != post.InquiryLeased || after.Lease != before.Lease {
		t.Errorf("after: %+v, %v", after, err)
	}
}

func neverExpires(t *testing.T, open Open) {
	s, put := open(t)
	id := put("a", time.Now().AddDate(-3, 0, 0), sum[:])
	in := time.Now().AddDate(20, 0, 0)
	page, err := s.Inquiries(t.Context(), inbox.Query{Inbox: "a", States: []post.InquiryState{post.InquiryWaiting}, Limit: 10, Now: in})
	if err != nil || len(page) != 1 || page[0].ID != id {
		t.Errorf("in twenty years: %v, %v", page, err)
	}
}

// model runs steps in any order against a store and a few variables that say
// what must be.
func model(t *testing.T, open Open) {
	s, put := open(t)
	rapid.Check(t, func(t *rapid.T) {
		id := put("a", time.Now(), sum[:])
		now := time.Now()
		var fence int64
		var until time.Time
		var holder post.ClientID
		settled := false
		leases := []inbox.Lease{{Client: "one", Fence: 0, Secret: "s"}}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			},
			"lease": func(t *rapid.T) {
				l := inbox.Lease{Client: post.ClientID(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "client")),
					Secret: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "secret")), Until: now.Add(5 * time.Minute)}
				got, err := s.LeaseInquiry(context.Background(), "a", id, l, now, ledger.New("inquiry.leased", "t", string(id)))
				free := !settled && (holder == "" || !until.After(now))
				if free != (err == nil) || err != nil && !errors.Is(err, post.ErrStale) {
					t.Fatalf("lease while free is %v: %v", free, err)
				}
				if err == nil {
					if got != fence+1 {
						t.Fatalf("fence %d after %d", got, fence)
					}
					fence, until, holder = got, l.Until, l.Client
					l.Fence = got
					leases = append(leases, l)
				}
			},
			"settle": func(t *rapid.T) {
				l := rapid.SampledFrom(leases).Draw(t, "lease")
				err := s.SettleInquiry(context.Background(), "a", id, l,
					inbox.Settlement{State: post.InquiryAcknowledged, Digest: sum[:], At: now}, ledger.New("inquiry.acknowledged", "t", string(id)))
				may := !settled && fence > 0 && l.Fence == fence && until.After(now)
				if may != (err == nil) || err != nil && !errors.Is(err, post.ErrStale) {
					t.Fatalf("settle with fence %d of %d: %v", l.Fence, fence, err)
				}
				settled = settled || err == nil
			},
			"": func(t *rapid.T) {
				e, err := s.InquiryEntry(context.Background(), "a", string(id), now)
				want := post.InquiryWaiting
				switch {
				case settled:
					want = post.InquiryAcknowledged
				case holder != "" && until.After(now):
					want = post.InquiryLeased
				}
				if err != nil || e.State != want || e.Lease.Fence != fence {
					t.Fatalf("state %s fence %d, want %s %d: %v", e.State, e.Lease.Fence, want, fence, err)
				}
			},
		})
	})
}
