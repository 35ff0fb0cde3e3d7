package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const (
	// groupSize is how many receipts are settled in one transaction; beyond it
	// the gain flattens on both engines.
	groupSize = 100
	// pagesAtOnce leaves time for others when a carrier has very many.
	pagesAtOnce = 100
	// askedAtOnce bounds how many sources are asked at a time. One that hangs takes
	// one place for the time of a request, and ever more seldom.
	askedAtOnce = 32
	// mostSilent bounds how seldom a source that fails is asked.
	mostSilent = 2 * time.Minute
	// giveUpAfter failures in a row it is the store that is broken, not a receipt.
	giveUpAfter = 3
	// mostStale is how often a letter may have moved while a receipt was decided.
	mostStale = 100
)

// Run pulls from each source in turns of its own, every so often, and matches
// what was kept at once, until ctx ends. A source that is slow or silent keeps
// nobody else waiting. A failed turn is logged and taken again, ever later while it
// goes on failing.
func (m *Matcher) Run(ctx context.Context, every time.Duration) {
	kept := make(chan struct{}, 1)
	var all sync.WaitGroup
	asking := make(chan struct{}, askedAtOnce)
	for _, s := range m.Sources {
		all.Go(func() {
			m.pulls(ctx, every, asking, func() error {
				return m.pull(ctx, s, func() {
					select {
					case kept <- struct{}{}:
					default: // it is about to look anyhow
					}
				})
			})
		})
	}
	all.Go(func() {
		m.turns(ctx, every, kept, "receipts not matched", func() error { return m.match(ctx) })
	})
	all.Wait()
}

// pulls pulls every so often, one of askedAtOnce at a time. After each failure in a
// row it waits twice as long, up to mostSilent.
func (m *Matcher) pulls(ctx context.Context, every time.Duration, asking chan struct{}, pull func() error) {
	for wait := every; ; {
		select {
		case asking <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := pull()
		<-asking
		wait = min(2*wait, max(every, mostSilent))
		if err == nil {
			wait = every
		} else if ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "receipts turn failed", slog.String("what", "receipts not pulled"), slog.Duration("again", wait), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// turns takes a turn every so often, and when woken.
func (m *Matcher) turns(ctx context.Context, every time.Duration, woken <-chan struct{}, failed string, turn func() error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := turn(); err != nil && ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "receipts turn failed", slog.String("what", failed), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-woken:
		}
	}
}

// Step pulls once from every source and matches all that waits. One source's
// failure does not keep the others waiting; all failures are returned joined.
func (m *Matcher) Step(ctx context.Context) error {
	var errs []error
	for _, s := range m.Sources {
		errs = append(errs, m.pull(ctx, s, func() {}))
	}
	return errors.Join(append(errs, m.match(ctx))...)
}

// pull stores what waits at s, tells kept, then lets s forget it.
//
// Crash before commit: it waits at the carrier still. Between commit and
// forget: it is pulled again, and stored already.
func (m *Matcher) pull(ctx context.Context, s Source, kept func()) error {
	before := map[string]bool{}
	for range pagesAtOnce {
		rs, err := s.Waiting(ctx)
		if err == nil && len(rs) > 0 {
			err = m.keep(ctx, s.Carrier(), rs)
		}
		if err != nil {
			return fmt.Errorf("pull receipts of %s: %w", s.Carrier(), err)
		}
		now, news := make(map[string]bool, len(rs)), false
		for _, r := range rs {
			now[r.EventID] = true
			news = news || !before[r.EventID]
		}
		if !news { // nothing waits, or what the carrier cannot be made to forget
			return nil
		}
		before = now
		kept()
		if err := forget(ctx, s, rs); err != nil {
			return fmt.Errorf("forget receipts at %s: %w", s.Carrier(), err)
		}
	}
	return nil
}

// keep seals a page of receipts and stores it.
func (m *Matcher) keep(ctx context.Context, carrier string, rs []Receipt) error {
	all := make([]Receipt, len(rs))
	for i, r := range rs {
		sealed, err := m.Seal(ctx, r.Raw)
		if err != nil {
			return fmt.Errorf("seal receipt: %w", err)
		}
		r = tidy(r)
		r.Carrier, r.Raw = carrier, sealed
		all[i] = r
	}
	return m.Inbox.KeepReceipts(ctx, all)
}

// tidy makes a receipt whose words no database takes (bytes that are no text)
// unreadable: one of them must not keep a page of others out for ever.
func tidy(r Receipt) Receipt {
	for _, s := range []*string{&r.EventID, &r.MessageID, &r.Code, &r.Tracking} {
		clean := strings.ReplaceAll(strings.ToValidUTF8(*s, "\uFFFD"), "\x00", "\uFFFD")
		if clean != *s {
			*s, r.Kind = clean, Unreadable
		}
	}
	return r
}

func forget(ctx context.Context, s Source, rs []Receipt) error {
	if f, ok := s.(Forgetter); ok {
		return f.ForgetAll(ctx, rs)
	}
	var errs []error
	for _, r := range rs { // one that cannot be forgotten keeps no other there
		if err := s.Forget(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("receipt %s: %w", r.EventID, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// match settles every waiting receipt. Those that cannot be settled go behind the
// others. When nothing at all can be settled it ends, until the next turn. A call
// that comes while another one matches leaves it to that one.
func (m *Matcher) match(ctx context.Context) error {
	if !m.one.TryLock() {
		return nil
	}
	defer m.one.Unlock()
	var errs []error
	for len(m.behind) < mostBehind {
		rs, err := m.Inbox.WaitingReceipts(ctx, groupSize+len(m.behind))
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("match receipts: %w", err))...)
		}
		settled, behind := m.settled, len(m.behind)
		if rs = m.inFront(rs); len(rs) == 0 {
			if len(m.behind) == behind {
				break
			}
			continue
		}
		for len(rs) > 0 {
			if rs, err = m.group(ctx, rs); err != nil {
				errs = append(errs, err)
				break
			}
		}
		if m.settled == settled || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(errs, m.again(ctx))...)
}

// group settles one receipt of each letter in one transaction, the oldest, and
// returns the rest: what those say depends on what this one did. Those that
// turned out stale are decided anew, each by itself.
func (m *Matcher) group(ctx context.Context, rs []Receipt) (rest []Receipt, err error) {
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = r.MessageID
	}
	standings, err := m.Inbox.ReceiptStandings(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("match receipts: %w", err)
	}
	var now []Settlement
	taken := map[post.LetterID]bool{}
	for _, r := range rs {
		st, known := standings[r.MessageID]
		if known && taken[st.Letter] {
			rest = append(rest, r)
			continue
		}
		taken[st.Letter] = true
		now = append(now, m.judge(r, st, known))
	}
	stale, err := m.Inbox.SettleReceipts(ctx, now)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("match receipts: %w", err), m.oneByOne(ctx, receiptsOf(now)))
	}
	left := map[string]bool{}
	for _, s := range stale {
		left[s.Receipt.Carrier+"\x00"+s.Receipt.EventID] = true
	}
	for _, s := range now {
		if !left[s.Receipt.Carrier+"\x00"+s.Receipt.EventID] {
			m.tell(ctx, s)
		}
	}
	return rest, m.oneByOne(ctx, receiptsOf(stale))
}

func receiptsOf(all []Settlement) []Receipt {
	rs := make([]Receipt, len(all))
	for i, s := range all {
		rs[i] = s.Receipt
	}
	return rs
}

// settle decides about one receipt and commits the decision; when the letter
// moved meanwhile it decides anew.
func (m *Matcher) settle(ctx context.Context, r Receipt) error {
	for try := 1; ; try++ {
		standings, err := m.Inbox.ReceiptStandings(ctx, []string{r.MessageID})
		if err != nil {
			return fmt.Errorf("match receipt %s of %s: %w", r.EventID, r.Carrier, err)
		}
		st, known := standings[r.MessageID]
		s := m.judge(r, st, known)
		stale, err := m.Inbox.SettleReceipts(ctx, []Settlement{s})
		if err == nil && len(stale) > 0 {
			if err = ctx.Err(); err == nil && try < mostStale {
				continue
			}
			err = errors.Join(err, post.ErrStale)
		}
		if err != nil {
			return fmt.Errorf("match receipt %s of %s: %w", r.EventID, r.Carrier, err)
		}
		m.tell(ctx, s)
		return nil
	}
}

func (m *Matcher) tell(ctx context.Context, s Settlement) {
	m.settled++
	m.oddTime(ctx, s)
	level := slog.LevelInfo
	if s.Verdict == Parked {
		level = slog.LevelWarn
	}
	m.Log.Log(ctx, level, "receipt matched", slog.String("carrier", s.Receipt.Carrier), slog.String("kind", string(s.Receipt.Kind)),
		slog.String("letter", string(s.Standing.Letter)), slog.String("verdict", string(s.Verdict)), slog.String("reason", s.Reason))
	if s.Due && m.Moved != nil {
		m.Moved(ctx, s.Standing.Letter)
	}
}
