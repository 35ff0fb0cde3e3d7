package suite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// SideBySide makes calls random calls on both stores, stale and senseless ones
// among them, and wants the same answer to each. The same seed makes the same
// calls.
func SideBySide(t *testing.T, a, b Store, seed uint64, calls int) {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, 0)), leases: [2][]queue.Lease{}}
	for i := range 3 {
		id := fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i)
		d.ids = append(d.ids, post.LetterID(id))
	}
	var trail []string
	for range calls {
		name, call := d.next()
		got, want := call(0, a), call(1, b)
		trail = append(trail, name+" = "+got)
		if got != want {
			t.Fatalf("seed %d: stores differ\n%s\nother answers %s", seed, strings.Join(trail[max(0, len(trail)-12):], "\n"), want)
		}
		if b := d.then; b != nil {
			b()
			d.then = nil
		}
	}
}

// dice draws calls. What a call needs from former answers it keeps for each
// store by itself, because fences need only grow, not be equal.
type dice struct {
	*rand.Rand
	ids    []post.LetterID
	leases [2][]queue.Lease
	reads  [2][]dispatch.Record
	then   func()
}

func (d *dice) id() post.LetterID { return d.ids[d.IntN(len(d.ids))] }

// recent picks the same one of the last few of both, newest most often.
func recent[T any](d *dice, all [2][]T) (pick func(side int) T, ok bool) {
	n := min(len(all[0]), len(all[1]))
	if n == 0 {
		return nil, false
	}
	i := n - 1 - min(d.IntN(4)*d.IntN(2), n-1)
	return func(side int) T { return all[side][i] }, true
}

func (d *dice) due() time.Time {
	return []time.Time{{}, past(), past(), past(), future()}[d.IntN(5)]
}

func (d *dice) state() post.LetterState {
	all := post.LetterStates()
	return all[d.IntN(len(all))]
}

// drawn is a reference that a store drew, since the one it was given is another letter's.
var drawn = regexp.MustCompile(`SP-\w{4}-\w{4}`)

// result is an answer in words that two stores can share: no times and no drawn
// references of their own.
func result(err error, parts ...any) string {
	for _, known := range []error{post.ErrStale, post.ErrNotFound, post.FaultLetterState, post.FaultMayBeDelivered} {
		if errors.Is(err, known) {
			return "refused: " + known.Error()
		}
	}
	if err != nil {
		return "error"
	}
	return drawn.ReplaceAllString(fmt.Sprint(parts...), "another")
}

func (d *dice) next() (string, func(side int, s Store) string) {
	switch d.IntN(14) {
	case 0:
		return d.acceptCall()
	case 1, 2:
		return d.leaseCall()
	case 3, 4:
		return d.readCall()
	case 5, 6, 7:
		return d.moveCall()
	case 8:
		return d.waitCall()
	case 9:
		quiet := []time.Duration{-time.Second, time.Hour}[d.IntN(2)]
		return "due", func(_ int, s Store) string {
			rs, err := s.Due(context.Background(), queue.AdvanceLetter, 100, quiet)
			slices.SortFunc(rs, func(a, b queue.Ring) int { return strings.Compare(a.ID, b.ID) })
			return result(err, rs)
		}
	case 10:
		return d.keepCall()
	case 11, 12:
		return d.settleCall()
	}
	return d.decideCall()
}

func (d *dice) acceptCall() (string, func(int, Store) string) {
	n := d.IntN(len(d.ids))
	a := accepted(string(d.ids[n]), fmt.Sprint("key ", d.IntN(3)), fmt.Sprint("ref ", d.IntN(4)))
	return fmt.Sprintf("accept %d", n), func(_ int, s Store) string {
		f, fresh, err := s.AcceptLetter(context.Background(), a)
		return result(err, f.ID, f.Reference, f.State, fresh)
	}
}

func (d *dice) leaseCall() (string, func(int, Store) string) {
	id, length := d.id(), []time.Duration{-time.Second, time.Hour}[d.IntN(2)]
	if d.IntN(4) == 0 {
		return "lease all that are due", func(side int, s Store) string {
			ls, err := s.LeaseDue(context.Background(), queue.Claim{Kind: queue.AdvanceLetter, Prefer: string(id), N: 100, For: length})
			slices.SortFunc(ls, func(a, b queue.Lease) int { return strings.Compare(a.ID, b.ID) })
			d.leases[side] = append(d.leases[side], ls...)
			var said []any
			for _, l := range ls {
				said = append(said, l.ID, l.Attempt)
			}
			return result(err, said...)
		}
	}
	return "lease", func(side int, s Store) string {
		l, ok, err := s.Lease(context.Background(), queue.AdvanceLetter, string(id), length)
		if ok {
			d.leases[side] = append(d.leases[side], l)
		}
		return result(err, ok, l.Attempt)
	}
}

func (d *dice) readCall() (string, func(int, Store) string) {
	pick, ok := recent(d, d.leases)
	if !ok {
		return d.leaseCall()
	}
	return "read", func(side int, s Store) string {
		r, err := s.LetterForStep(context.Background(), pick(side))
		if err == nil {
			d.reads[side] = append(d.reads[side], r)
		}
		in := "none"
		if r.Intent != nil {
			in = fmt.Sprint(*r.Intent)
		}
		return result(err, r.ID, r.Reference, r.Tenant, r.State, r.Version, r.Channel, r.Generation, r.Code, r.Failures, r.Released,
			r.DigitalOnly, r.Since.IsZero(), string(r.Manifest), string(r.Recipient), fmt.Sprint(r.Documents), in)
	}
}

func (d *dice) moveCall() (string, func(int, Store) string) {
	lease, ok := recent(d, d.leases)
	read, read2 := recent(d, d.reads)
	if !ok || !read2 {
		return d.readCall()
	}
	st, due, free, book := d.state(), d.due(), d.IntN(2) == 0, d.IntN(4)
	ch, gen := []post.Channel{post.Digital, post.Physical}[d.IntN(2)], 1+d.IntN(2)
	attempts, form, verdict := 1+d.IntN(3), d.IntN(8), []dispatch.Verdict{dispatch.Taken, dispatch.RefusedRecipient, dispatch.Unknown}[d.IntN(3)]
	return fmt.Sprintf("move %s book %d", st, book), func(side int, s Store) string {
		m := to(read(side), st)
		m.Due, m.Free = due, free
		if m.Channel == "" || d.turn(form) {
			m.Channel, m.Generation = ch, gen
		}
		switch book {
		case 0:
			m.Intent = intent(m, attempts)
			m.MessageID = m.Intent.MessageID
			if form == 0 {
				m.Intent.SHA256 = sha256.Sum256([]byte("other"))
			}
		case 1:
			m.MessageID, m.Unsure = post.DerivedID(m.Letter, m.Channel, m.Generation), form < 4
			m.Answer = &dispatch.Outcome{Verdict: verdict, Transmission: fmt.Sprint("t", form%2), At: time.Unix(1_790_000_000, 0)}
		case 2:
			m.Manifest = []byte(fmt.Sprint("manifest ", form))
		}
		return result(s.MoveLetter(context.Background(), lease(side), m)) + " " + d.seen(s, m.Letter)
	}
}

func (d *dice) turn(n int) bool { return n == 1 }

func (d *dice) waitCall() (string, func(int, Store) string) {
	lease, ok := recent(d, d.leases)
	if !ok {
		return d.leaseCall()
	}
	w := dispatch.Wait{Version: int64(d.IntN(5)), Code: fmt.Sprint("code ", d.IntN(3)), Failures: d.IntN(3), Due: d.due(), While: d.halt()}
	return "wait", func(side int, s Store) string {
		w.Letter = post.LetterID(lease(side).ID)
		return result(s.WaitLetter(context.Background(), lease(side), w)) + " " + d.seen(s, w.Letter)
	}
}

// halt draws what a wait is for, mostly time alone.
func (d *dice) halt() dispatch.Halt {
	if d.IntN(3) > 0 {
		return dispatch.Halt{}
	}
	return dispatch.Halt{Tenant: tenant, Channel: []post.Channel{"", post.Digital, post.Physical}[d.IntN(3)]}
}

func (d *dice) message() string {
	return post.DerivedID(d.id(), []post.Channel{post.Digital, post.Physical}[d.IntN(2)], 1+d.IntN(2))
}

func (d *dice) keepCall() (string, func(int, Store) string) {
	kinds := []track.Kind{track.Received, track.Delivered, track.RefusedRecipient, track.Posted, track.Returned}
	r := track.Receipt{Carrier: "c", EventID: fmt.Sprint("e", d.IntN(12)), MessageID: d.message(), Kind: kinds[d.IntN(len(kinds))],
		At: time.Unix(1_790_000_000, 0).UTC(), Tracking: fmt.Sprint("track ", d.IntN(2))}
	return "keep " + r.EventID, func(_ int, s Store) string {
		return result(s.KeepReceipts(context.Background(), []track.Receipt{r})) + waitingOf(d, s)
	}
}

func waitingOf(d *dice, s Store) string {
	rs, err := s.WaitingReceipts(context.Background(), 100)
	slices.SortFunc(rs, func(a, b track.Receipt) int { return strings.Compare(a.EventID, b.EventID) })
	return result(err, rs)
}

// settleCall settles some receipts by standings that may be of another time: the
// version is drawn near the true one. Letters and receipts may occur twice.
func (d *dice) settleCall() (string, func(int, Store) string) {
	all := make([]track.Settlement, 1+d.IntN(4)*d.IntN(2))
	off := make([]bool, len(all))
	words := "settle"
	for i := range all {
		path := make([]post.LetterState, d.IntN(3))
		for k := range path {
			path[k] = d.state()
		}
		off[i] = d.IntN(4) == 0
		all[i] = track.Settlement{Receipt: track.Receipt{Carrier: "c", EventID: fmt.Sprint("e", d.IntN(12)), MessageID: d.message()},
			Verdict: []track.Verdict{track.Applied, track.Noted, track.Parked}[d.IntN(3)], Reason: []string{"", "unknown-hand-over"}[d.IntN(2)],
			Due: d.IntN(2) == 0, Path: path}
		words += fmt.Sprintf(" %s %s", all[i].Receipt.EventID, path)
	}
	return words, func(_ int, s Store) string {
		group, ids := slices.Clone(all), []string{}
		rs, err := s.WaitingReceipts(context.Background(), 100)
		for i := range group {
			for _, r := range rs {
				if r.EventID == group[i].Receipt.EventID {
					group[i].Receipt = r
				}
			}
			ids = append(ids, group[i].Receipt.MessageID)
		}
		known, err2 := s.ReceiptStandings(context.Background(), ids)
		said := result(errors.Join(err, err2), known)
		for i := range group {
			st, ok := known[ids[i]]
			if !ok {
				group[i].Path = nil
				continue
			}
			if group[i].Standing = st; off[i] {
				group[i].Standing.Version++
			}
		}
		stale, err := s.SettleReceipts(context.Background(), group)
		said += result(err, stale) + waitingOf(d, s)
		for _, id := range d.ids {
			said += d.seen(s, id)
		}
		return said
	}
}

func (d *dice) decideCall() (string, func(int, Store) string) {
	all := []letter.Decision{letter.Cancel, letter.Retry, letter.Print, letter.Reissue, letter.Close, "nonsense"}
	in := letter.Decided{Tenant: []post.TenantID{tenant, "", "another"}[d.IntN(3)], Letter: d.id(), Actor: "person", Decision: all[d.IntN(len(all))]}
	return "decide " + string(in.Decision), func(_ int, s Store) string {
		st, err := s.DecideLetter(context.Background(), in)
		return result(err, st) + " " + d.seen(s, in.Letter)
	}
}

// seen is all that can be seen of a letter, times that are the store's own aside.
func (d *dice) seen(s Store, id post.LetterID) string {
	v, err := s.LetterView(context.Background(), "", id)
	for i := range v.Events {
		v.Events[i].ID, v.Events[i].At = "", time.Time{}
	}
	cs, err2 := s.LetterCounts(context.Background(), tenant)
	return result(errors.Join(err, err2), v.State, v.Channel, v.Generation, v.Code, v.MessageID, v.Transmission, v.Tracking,
		v.SignedAt.IsZero(), v.AvailableAt, v.Events, cs)
}
