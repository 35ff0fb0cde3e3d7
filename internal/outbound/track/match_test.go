package track_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// inbox is a small honest inbox: letters by message id, receipts by event id.
type inbox struct {
	mu       sync.Mutex
	letters  map[string]track.Standing
	order    []string
	receipts map[string]track.Receipt
	verdicts map[string]track.Verdict
	groups   []int                                // sizes of what was asked to be settled
	before   func(group []track.Settlement) error // runs as SettleReceipts begins
}

func newInbox() *inbox {
	return &inbox{letters: map[string]track.Standing{}, receipts: map[string]track.Receipt{}, verdicts: map[string]track.Verdict{}}
}

// letter adds a letter that was handed over digitally and returns its message id.
func (i *inbox) letter(n int) string {
	id := fmt.Sprint("message ", n)
	i.letters[id] = track.Standing{Letter: post.LetterID(fmt.Sprint("letter ", n)), State: post.LetterHandedOver, Version: 5,
		Channel: post.Digital, On: post.Digital, Generation: 1, Present: true}
	return id
}

func (i *inbox) KeepReceipts(_ context.Context, rs []track.Receipt) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range rs {
		if strings.ContainsRune(r.Code+r.Tracking+r.EventID+r.MessageID, 0) {
			return errors.New("no text")
		}
		if _, ok := i.receipts[r.EventID]; !ok {
			i.receipts[r.EventID], i.order = r, append(i.order, r.EventID)
			i.verdicts[r.EventID] = track.Waiting
		}
	}
	return nil
}

func (i *inbox) WaitingReceipts(_ context.Context, n int) (rs []track.Receipt, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, id := range i.order {
		if i.verdicts[id] == track.Waiting && len(rs) < n {
			rs = append(rs, i.receipts[id])
		}
	}
	return rs, nil
}

func (i *inbox) ReceiptStandings(_ context.Context, ids []string) (map[string]track.Standing, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := map[string]track.Standing{}
	for _, id := range ids {
		if st, ok := i.letters[id]; ok {
			all[id] = st
		}
	}
	return all, nil
}

func (i *inbox) SettleReceipts(_ context.Context, group []track.Settlement) (stale []track.Settlement, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.groups = append(i.groups, len(group))
	if i.before != nil {
		if err := i.before(group); err != nil {
			return nil, err
		}
	}
	for _, s := range group {
		st := i.letters[s.Receipt.MessageID]
		if len(s.Path) > 0 && (st.State != s.Standing.State || st.Version != s.Standing.Version) {
			stale = append(stale, s)
			continue
		}
		if i.verdicts[s.Receipt.EventID] != track.Waiting {
			continue
		}
		i.verdicts[s.Receipt.EventID] = s.Verdict
		for _, to := range s.Path {
			st.State, st.Version = to, st.Version+1
			st.Refused = st.Refused || s.Receipt.Kind == track.RefusedContent
			i.letters[s.Receipt.MessageID] = st
		}
	}
	return stale, nil
}

// source is a carrier with receipts, a page at a time.
type source struct {
	mu      sync.Mutex
	name    string
	waiting []track.Receipt
	page    int
	hear    func() error // runs as it is asked
	forgot  func([]track.Receipt) error
}

func (s *source) Carrier() string { return s.name }

func (s *source) Waiting(context.Context) ([]track.Receipt, error) {
	if s.hear != nil {
		if err := s.hear(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.waiting[:min(s.page, len(s.waiting))]), nil
}

func (s *source) Forget(_ context.Context, r track.Receipt) error {
	if s.forgot != nil {
		if err := s.forgot([]track.Receipt{r}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(w track.Receipt) bool { return w.EventID == r.EventID })
	return nil
}

// crowd is a source that forgets many at a time.
type crowd struct{ *source }

func (c crowd) ForgetAll(ctx context.Context, rs []track.Receipt) error {
	if len(rs) == 1 {
		return errors.New("told of one as of many")
	}
	var errs []error
	for _, r := range rs {
		errs = append(errs, c.Forget(ctx, r))
	}
	return errors.Join(errs...)
}

// failer is a test, or a run of rapid.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func matcher(t failer, i track.Inbox, sources ...track.Source) *track.Matcher {
	t.Helper()
	m, err := track.New(track.Config{Inbox: i, Sources: sources, Log: slog.New(slog.DiscardHandler),
		Seal: func(_ context.Context, raw []byte) ([]byte, error) { return append([]byte("sealed "), raw...), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func receipts(i *inbox, n int) (rs []track.Receipt) {
	for k := range n {
		rs = append(rs, track.Receipt{EventID: fmt.Sprint("event ", k), MessageID: i.letter(k), Kind: track.Delivered, At: time.Unix(int64(k), 0), Raw: []byte("raw")})
	}
	return rs
}

func TestAPageIsSettledInOneGroupAndForgottenOnlyOnceKept(t *testing.T) {
	i := newInbox()
	s := &source{name: "carrier", page: 100, waiting: receipts(i, 250)}
	s.forgot = func(rs []track.Receipt) error {
		if _, ok := i.receipts[rs[0].EventID]; !ok {
			t.Errorf("%s is forgotten and not kept", rs[0].EventID)
		}
		return nil
	}
	if err := matcher(t, i, crowd{s}).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(i.groups, []int{100, 100, 50}) || len(s.waiting) != 0 {
		t.Errorf("groups of %d, %d left at the carrier", i.groups, len(s.waiting))
	}
	for id, st := range i.letters {
		if st.State != post.LetterDelivered {
			t.Errorf("%s is %s", id, st.State)
		}
	}
	if r := i.receipts["event 7"]; string(r.Raw) != "sealed raw" || r.Carrier != "carrier" {
		t.Errorf("kept %+v", r)
	}
}

func TestAStaleSettlementIsDecidedAnewAndHoldsUpNobody(t *testing.T) {
	i := newInbox()
	s := &source{name: "carrier", page: 100, waiting: receipts(i, 5)}
	i.before = func([]track.Settlement) error {
		st := i.letters["message 3"] // somebody else was here
		st.State, st.Version = post.LetterDelivered, st.Version+1
		i.letters["message 3"] = st
		i.before = nil
		return nil
	}
	if err := matcher(t, i, s).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(i.groups, []int{5, 1}) || i.verdicts["event 3"] != track.Noted || i.verdicts["event 4"] != track.Applied {
		t.Errorf("groups of %d, verdicts %v", i.groups, i.verdicts)
	}
}

func TestWhatASecondReceiptSaysOfALetterIsJudgedAfterTheFirst(t *testing.T) {
	i := newInbox()
	rs := receipts(i, 2)
	no := rs[0]
	no.EventID, no.Kind = "no", track.RefusedRecipient
	s := &source{name: "carrier", page: 100, waiting: []track.Receipt{rs[0], no, rs[1]}}
	if err := matcher(t, i, s).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i.verdicts["no"] != track.Parked || i.letters["message 0"].State != post.LetterDelivered || i.verdicts["event 1"] != track.Applied {
		t.Errorf("verdicts %v, letter %s", i.verdicts, i.letters["message 0"].State)
	}
}

func TestOneReceiptThatCannotBeSettledDoesNotHoldUpItsGroup(t *testing.T) {
	i, broken := newInbox(), errors.New("broken")
	s := &source{name: "carrier", page: 100, waiting: receipts(i, 9)}
	i.before = func(group []track.Settlement) error {
		if slices.ContainsFunc(group, func(s track.Settlement) bool { return s.Receipt.EventID == "event 4" }) {
			return broken
		}
		return nil
	}
	m := matcher(t, i, s)
	now := time.Now()
	m.Now = func() time.Time { now = now.Add(time.Minute); return now }
	for range 2 {
		if err := m.Step(t.Context()); !errors.Is(err, broken) || !strings.Contains(err.Error(), "event 4") {
			t.Fatalf("got %v", err)
		}
	}
	for id, v := range i.verdicts {
		if (v == track.Waiting) != (id == "event 4") {
			t.Errorf("%s is %s", id, v)
		}
	}
}

func TestAStoreThatIsDownIsNotAskedForEveryReceipt(t *testing.T) {
	i, down := newInbox(), errors.New("down")
	s := &source{name: "carrier", page: 100, waiting: receipts(i, 90)}
	i.before = func([]track.Settlement) error { return down }
	if err := matcher(t, i, s).Step(t.Context()); !errors.Is(err, down) || len(i.groups) > 5 {
		t.Errorf("asked %d times: %v", len(i.groups), err)
	}
}

func TestWordsThatAreNoTextAreKeptAsUnreadable(t *testing.T) {
	i := newInbox()
	rs := receipts(i, 2)
	rs[0].Tracking, rs[0].Code = "00\x0037", "a\xffb"
	s := &source{name: "carrier", page: 100, waiting: rs}
	if err := matcher(t, i, s).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i.verdicts["event 0"] != track.Parked || i.receipts["event 0"].Kind != track.Unreadable || i.verdicts["event 1"] != track.Applied || len(s.waiting) != 0 {
		t.Errorf("verdicts %v, kept %+v", i.verdicts, i.receipts["event 0"])
	}
}

func TestACarrierThatForgetsNothingIsNotAskedForEver(t *testing.T) {
	i, asked := newInbox(), 0
	s := &source{name: "carrier", page: 100, waiting: receipts(i, 3), hear: func() error { asked++; return nil }}
	if err := matcher(t, i, deaf{s}).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked != 2 || len(i.receipts) != 3 || len(s.waiting) != 3 {
		t.Errorf("asked %d times, kept %d, %d wait", asked, len(i.receipts), len(s.waiting))
	}
}

// deaf is a source that says it forgets, and does not.
type deaf struct{ *source }

func (deaf) Forget(context.Context, track.Receipt) error { return nil }

func TestASilentCarrierKeepsNobodyWaiting(t *testing.T) {
	i, hang := newInbox(), make(chan struct{})
	silent := &source{name: "silent", page: 100, hear: func() error { <-hang; return nil }}
	s := &source{name: "carrier", page: 3, waiting: receipts(i, 9)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	settled := make(chan struct{}, 100)
	i.before = func([]track.Settlement) error { settled <- struct{}{}; return nil }
	go func() { matcher(t, i, silent, s).Run(ctx, time.Hour); close(done) }()
	for all := false; !all; {
		<-settled
		i.mu.Lock()
		all = true
		for n := range 9 {
			all = all && (i.verdicts[fmt.Sprint("event ", n)] == track.Applied || n > 5) // the last group is being settled
		}
		i.mu.Unlock()
	}
	cancel()
	close(hang)
	<-done
}

func TestASourceThatFailsIsAskedEverLaterAndNoOtherIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInbox()
		begin, broken, fine := time.Now(), []time.Duration{}, 0
		bad := &source{name: "bad", page: 100, hear: func() error {
			broken = append(broken, time.Since(begin))
			if len(broken) == 9 {
				return nil // back again
			}
			return errors.New("away")
		}}
		good := &source{name: "good", page: 100, hear: func() error { fine++; return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { matcher(t, i, bad, good).Run(ctx, 5*time.Second); close(done) }()
		time.Sleep(12*time.Minute + time.Second)
		cancel()
		<-done
		want := "[0s 10s 30s 1m10s 2m30s 4m30s 6m30s 8m30s 10m30s 10m35s 10m45s 11m5s 11m45s]"
		if got := fmt.Sprint(broken); got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		if fine != 145 {
			t.Errorf("the other one was asked %d times", fine)
		}
	})
}

func TestASourceThatHangsDelaysNoneOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, asked := newInbox(), make([]int, 98)
		var all []track.Source
		for n := range asked {
			all = append(all, &source{name: fmt.Sprint("tenant ", n), page: 100, hear: func() error {
				asked[n]++
				if n == 7 {
					time.Sleep(30 * time.Second) // until its time is over
					return errors.New("timeout")
				}
				return nil
			}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { matcher(t, i, all...).Run(ctx, 5*time.Second); close(done) }()
		time.Sleep(time.Minute + time.Second)
		cancel()
		<-done
		for n, times := range asked {
			if n != 7 && times != 13 || n == 7 && times > 3 {
				t.Errorf("tenant %d was asked %d times in a minute", n, times)
			}
		}
	})
}

// TestTheRulesHoldUnderAnyFault lets anything fail at any time: no receipt is
// lost, none is forgotten before it is kept, and each letter ends where the
// receipts, taken one by one, would have brought it.
func TestTheRulesHoldUnderAnyFault(t *testing.T) {
	kinds := []track.Kind{track.Received, track.Delivered, track.RefusedContent, track.Unreadable}
	rapid.Check(t, func(t *rapid.T) {
		i, down := newInbox(), errors.New("down")
		n := rapid.IntRange(1, 6).Draw(t, "letters")
		for k := range n {
			i.letter(k)
		}
		s := &source{name: "carrier", page: rapid.IntRange(1, 7).Draw(t, "page")}
		for k, of := range rapid.SliceOfN(rapid.IntRange(0, n), 1, 30).Draw(t, "of") { // n is nobody's
			s.waiting = append(s.waiting, track.Receipt{EventID: fmt.Sprint("event ", k), MessageID: fmt.Sprint("message ", of),
				Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), At: time.Unix(int64(k), 0)})
		}
		sent := slices.Clone(s.waiting)
		faults := 0
		fail := func(what string) error {
			if faults < 20 && rapid.IntRange(0, 4).Draw(t, what) == 0 {
				faults++
				return down
			}
			return nil
		}
		s.hear = func() error { return fail("ask") }
		s.forgot = func(rs []track.Receipt) error {
			if _, ok := i.receipts[rs[0].EventID]; !ok {
				t.Fatalf("%s is forgotten and not kept", rs[0].EventID)
			}
			return fail("forget")
		}
		i.before = func(group []track.Settlement) error {
			seen := map[post.LetterID]bool{}
			for _, s := range group {
				if id := s.Standing.Letter; id != "" && seen[id] {
					t.Fatalf("two receipts of %s are settled at once", id)
				} else {
					seen[id] = true
				}
			}
			if rapid.IntRange(0, 5).Draw(t, "move") == 0 { // somebody else touches a letter
				id := fmt.Sprint("message ", rapid.IntRange(0, n-1).Draw(t, "whose"))
				st := i.letters[id]
				st.Version++
				i.letters[id] = st
			}
			return fail("settle")
		}
		m := matcher(t, i, s)
		now := time.Now()
		m.Now = func() time.Time { now = now.Add(time.Hour); return now }
		for range 100 {
			if err := m.Step(context.Background()); err == nil && len(s.waiting) == 0 {
				break
			}
		}
		for k, r := range sent {
			if v := i.verdicts[r.EventID]; v == track.Waiting || v == "" {
				t.Fatalf("receipt %d is %q", k, v)
			}
		}
		for k := range n {
			end := post.LetterHandedOver
			for _, id := range i.order { // in the order in which they were kept
				r := i.receipts[id]
				if r.MessageID != fmt.Sprint("message ", k) || end != post.LetterHandedOver {
					continue
				}
				switch r.Kind {
				case track.Delivered:
					end = post.LetterDelivered
				case track.RefusedContent:
					end = post.LetterNeedsPerson
				}
			}
			if got := i.letters[fmt.Sprint("message ", k)].State; got != end {
				t.Fatalf("letter %d is %s, want %s", k, got, end)
			}
		}
	})
}
