// Package track takes what carriers say of letters and matches it to
// hand-overs. A receipt is stored first (one row for each event id of a
// carrier), forgotten at the carrier only after that commit, and believed
// later.
//
// A receipt never moves a letter backwards. One that repeats or trails what is
// known is noted; one for an unknown hand-over, for a channel the letter has
// left, or against what is known (delivered, then refused) is parked and
// reported for a person; none is dropped.
//
// On failure nothing is forgotten at the carrier, so it comes again.
package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"sikkerpost.dk/gateway/internal/post"
)

// A Verdict is what became of a receipt.
type Verdict string

// Verdicts.
const (
	Waiting Verdict = "waiting"
	Applied Verdict = "applied" // it moved the letter
	Noted   Verdict = "noted"   // known already, or overtaken
	Parked  Verdict = "parked"  // for a person: unknown, contradictory or unreadable
)

// A Standing is how a letter stands when a receipt about it is matched.
type Standing struct {
	Letter     post.LetterID
	Tenant     post.TenantID
	State      post.LetterState
	Version    int64
	Channel    post.Channel
	Generation int
	// Present: the receipt speaks of the letter's present (channel, generation).
	Present bool
	// On is the channel of the hand-over that the receipt speaks of.
	On post.Channel
	// Refused: the carrier has refused that hand-over for good.
	Refused bool
}

// A Settlement is a decision about one receipt, applied as one compare-and-swap
// on (State, Version) of the letter.
type Settlement struct {
	Receipt  Receipt
	Standing Standing // empty when the hand-over is unknown
	Verdict  Verdict
	Reason   string
	// Path lists the states that the letter passes, the last one where it
	// ends; empty when it stays.
	Path []post.LetterState
	// Due says that the letter's next step is due at once; else none is due
	// when the path ends in a final state or one for a person.
	Due bool
}

// Inbox keeps receipts. Each method is one transaction.
type Inbox interface {
	// KeepReceipts stores receipts; one that is stored already is left as it
	// is. Raw is sealed already.
	KeepReceipts(ctx context.Context, rs []Receipt) error
	// WaitingReceipts returns up to n stored receipts that wait to be matched,
	// oldest first.
	WaitingReceipts(ctx context.Context, n int) ([]Receipt, error)
	// ReceiptStanding finds the hand-over by message id, or answers [post.ErrNotFound].
	ReceiptStanding(ctx context.Context, messageID string) (Standing, error)
	// SettleReceipt applies s, or answers [post.ErrStale] and changes nothing.
	SettleReceipt(ctx context.Context, s Settlement) error
}

// Config is what a [Matcher] needs.
type Config struct {
	Inbox   Inbox
	Sources []Source
	// Seal seals a raw receipt: it may name a person.
	Seal func(ctx context.Context, raw []byte) ([]byte, error)
	// Moved is told of each letter whose next step is due at once; may be nil.
	Moved func(ctx context.Context, id post.LetterID)
	Log   *slog.Logger
}

// Matcher pulls and matches receipts.
type Matcher struct{ Config }

// New returns a matcher, or an error that names every gap of c.
func New(c Config) (*Matcher, error) {
	var gaps []error
	if c.Inbox == nil {
		gaps = append(gaps, errors.New("track: Inbox is required"))
	}
	if c.Seal == nil {
		gaps = append(gaps, errors.New("track: Seal is required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("track: Log is required"))
	}
	return &Matcher{c}, errors.Join(gaps...)
}

// Step pulls once from every source and matches all that waits. One source's
// failure does not keep the others waiting; all failures are returned joined.
func (m *Matcher) Step(ctx context.Context) error {
	var errs []error
	for _, s := range m.Sources {
		if err := m.pull(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("pull receipts of %s: %w", s.Carrier(), err))
		}
	}
	return errors.Join(append(errs, m.match(ctx))...)
}

// pull stores what waits at s, then lets s forget it.
//
// Crash before commit: it waits at the carrier still. Between commit and
// forget: it is pulled again, and stored already.
func (m *Matcher) pull(ctx context.Context, s Source) error {
	for range 100 { // leaves time for matching when a carrier has very many
		rs, err := s.Waiting(ctx)
		if err != nil || len(rs) == 0 {
			return err
		}
		kept := make([]Receipt, len(rs))
		for i, r := range rs {
			kept[i] = r
			kept[i].Carrier = s.Carrier()
			if kept[i].Raw, err = m.Seal(ctx, r.Raw); err != nil {
				return fmt.Errorf("seal receipt: %w", err)
			}
		}
		if err := m.Inbox.KeepReceipts(ctx, kept); err != nil {
			return err
		}
		for _, r := range rs {
			if err := s.Forget(ctx, r); err != nil {
				return fmt.Errorf("forget receipt %s: %w", r.EventID, err)
			}
		}
	}
	return nil
}

// match settles every waiting receipt.
func (m *Matcher) match(ctx context.Context) error {
	for {
		rs, err := m.Inbox.WaitingReceipts(ctx, 100)
		if err != nil || len(rs) == 0 {
			return err
		}
		for _, r := range rs {
			if err := m.settle(ctx, r); err != nil {
				return fmt.Errorf("match receipt %s of %s: %w", r.EventID, r.Carrier, err)
			}
		}
	}
}

// settle decides about one receipt and commits the decision; when the letter
// moved meanwhile it decides anew.
func (m *Matcher) settle(ctx context.Context, r Receipt) error {
	for {
		st, err := m.Inbox.ReceiptStanding(ctx, r.MessageID)
		if err != nil && !errors.Is(err, post.ErrNotFound) {
			return err
		}
		s := decide(r, st, err == nil)
		err = m.Inbox.SettleReceipt(ctx, s)
		if errors.Is(err, post.ErrStale) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		m.tell(ctx, s)
		return nil
	}
}

func (m *Matcher) tell(ctx context.Context, s Settlement) {
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
