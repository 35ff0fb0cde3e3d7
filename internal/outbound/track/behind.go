package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

const (
	// aloneTime bounds one settlement by itself: its letter may be in the hands of
	// somebody who does not come back.
	aloneTime = 10 * time.Second
	// mostTries is how often a receipt fails by itself, while others are settled,
	// before a person is asked.
	mostTries = 5
	// mostBehind bounds how many are remembered; beyond it nothing new is matched
	// until some of them are.
	mostBehind = 1000
	// mostRest bounds how seldom one of them is tried again.
	mostRest = 15 * time.Minute
)

// unsettled is why a receipt is parked that could not be settled.
const unsettled = "unsettled"

// A straggler is a receipt that could not be settled by itself. It is behind all
// others: a hundred of them must not stand in the way of those that come after.
type straggler struct {
	Receipt
	failed int // times in a row
	tries  int // of these, with others settled in between: it is not the store that fails
	seen   int // how many had been settled at the last of them
	next   time.Time
}

type receiptID struct{ carrier, event string }

func idOf(r Receipt) receiptID { return receiptID{r.Carrier, r.EventID} }

// inFront leaves out the receipts that are behind, and puts there what else is said
// of their hand-overs: what it means depends on what was said before.
func (m *Matcher) inFront(rs []Receipt) (front []Receipt) {
	behind, of := map[receiptID]bool{}, map[string]bool{}
	for _, s := range m.behind {
		behind[idOf(s.Receipt)], of[s.MessageID] = true, true
	}
	for _, r := range rs {
		switch {
		case behind[idOf(r)]:
		case r.MessageID != "" && of[r.MessageID]:
			m.behind = append(m.behind, &straggler{Receipt: r, seen: m.settled})
		default:
			front = append(front, r)
		}
	}
	return front
}

// alone settles one receipt by itself. One that cannot be settled goes behind all
// others, and is tried ever more seldom. When it has failed often enough while
// others were settled, it is parked for a person: neither a store that is away nor
// a fault that all receipts share parks any.
func (m *Matcher) alone(ctx context.Context, r Receipt) error {
	at := slices.IndexFunc(m.behind, func(s *straggler) bool { return idOf(s.Receipt) == idOf(r) })
	s := &straggler{Receipt: r, seen: m.settled}
	if at >= 0 {
		s = m.behind[at]
	}
	done := func() {
		if at >= 0 {
			m.behind = slices.Delete(m.behind, at, at+1)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, aloneTime)
	defer cancel()
	err := m.settle(bounded, r)
	if err == nil {
		done()
		return nil
	}
	if ctx.Err() == nil {
		s.failed++
		s.next = m.Now().Add(min(time.Second<<min(2*(s.failed-1), 20), mostRest))
		if m.settled != s.seen && bounded.Err() == nil {
			s.tries++
		}
		s.seen = m.settled
	}
	if s.tries >= mostTries {
		parked := Settlement{Receipt: r, Verdict: Parked, Reason: unsettled}
		_, e := m.Inbox.SettleReceipts(ctx, []Settlement{parked})
		if e == nil {
			m.Log.ErrorContext(ctx, "receipt parked; it could not be settled", slog.String("carrier", r.Carrier),
				slog.String("event", r.EventID), slog.Any("error", err))
			done()
			return nil
		}
		err = errors.Join(err, fmt.Errorf("park receipt %s of %s: %w", r.EventID, r.Carrier, e))
	}
	if at < 0 {
		m.behind = append(m.behind, s)
	}
	return err
}

// oneByOne settles receipts by themselves and returns what failed. It gives up
// when several in a row did: then it may be the store that is broken.
func (m *Matcher) oneByOne(ctx context.Context, rs []Receipt) error {
	var errs []error
	row := 0
	for _, r := range rs {
		err := m.alone(ctx, r)
		if err == nil {
			row = 0
			continue
		}
		errs = append(errs, err)
		if row++; row == giveUpAfter || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// again tries those behind once more whose time has come, of each hand-over in the
// order in which they were said.
func (m *Matcher) again(ctx context.Context) error {
	var errs []error
	now, row, held := m.Now(), 0, map[string]bool{}
	for _, s := range slices.Clone(m.behind) {
		if s.MessageID != "" && held[s.MessageID] {
			continue
		}
		if now.Before(s.next) {
			held[s.MessageID] = true
			continue
		}
		err := m.alone(ctx, s.Receipt)
		if err == nil {
			row = 0
			continue
		}
		held[s.MessageID] = true
		errs = append(errs, err)
		if row++; row == giveUpAfter || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}
