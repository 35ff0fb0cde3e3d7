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
// Receipts move in groups, because each costs little and a transaction much: a
// page is stored in one, and up to 100 are settled in one. Within it each
// settlement keeps its own compare-and-swap; a stale one is decided anew by
// itself and does not hold up the others. One that cannot be settled is tried
// after all others, and parked when it goes on failing while they do not.
//
// On failure nothing is forgotten at the carrier, so it comes again.
package track

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

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
	// By is the carrier of that hand-over.
	By post.Carrier
	// Begun is when it was decided.
	Begun time.Time
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
	// At is the time of the event as far as it is believed; zero is the receipt's.
	// Odd says that the receipt's is not to be trusted.
	At  time.Time
	Odd bool
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
	// those first of which the carrier says that they happened first.
	WaitingReceipts(ctx context.Context, n int) ([]Receipt, error)
	// ReceiptStandings finds hand-overs by message id, all as of one moment. An
	// id that is unknown is not in the answer.
	ReceiptStandings(ctx context.Context, messageIDs []string) (map[string]Standing, error)
	// SettleReceipts applies settlements, and returns those that it left as they
	// were because their letter no longer stands so, or is in another's hands:
	// they are to be decided anew. Of several settlements that move one letter
	// only the first is applied. One whose receipt is settled already changes
	// nothing and is not returned. A single settlement waits for its letter. On
	// an error none was applied.
	SettleReceipts(ctx context.Context, all []Settlement) (stale []Settlement, err error)
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
	Now   func() time.Time // time.Now when nil
}

// Matcher pulls and matches receipts.
type Matcher struct {
	Config

	one     sync.Mutex   // held while matching
	behind  []*straggler // guarded by one; in the order in which they came
	settled int          // guarded by one; since the start
}

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
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Matcher{Config: c}, errors.Join(gaps...)
}
