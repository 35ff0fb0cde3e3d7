// Package account keeps the house honest about its letters: it goes through
// every letter and everything around it, and names whatever does not add up.
//
// The rules: what was accepted is the sum of all states; each move of a letter
// has its ledger event, and each event could follow another; a hand-over bears
// the id derived from its letter, channel and generation; no generation was
// taken on two channels without a refusal or a person's decision, and none was
// begun without one; each envelope that a carrier of paper took is in one place,
// none was sent again before the former one came back or was rejected, and no two
// bear one tracking number; sealed documents are there and have their digest; every
// letter that something is left to do for has a job, no other has, and no job
// is without its letter; what a carrier holds was handed over by us, and what
// it took from us it holds; each hand-over has its ledger entry and each entry its
// hand-over; what names sealed bytes finds them, and bytes that nothing names do
// not lie for long. Of a carrier that cannot be asked it says so, and on what the
// letters rest that it took.
//
// It opens nothing: states, ids and digests are enough. It changes nothing, and
// is not disturbed by letters that move meanwhile: each is looked at in one
// moment. When a part cannot be read it says so and stops; a report is whole or
// not at all.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// A Dossier is one letter with all that belongs to it, as of one moment.
type Dossier struct {
	ID         post.LetterID
	Tenant     post.TenantID
	State      post.LetterState
	Version    int64
	Channel    post.Channel
	Generation int
	Batch      post.BatchID
	Events     []ledger.Event
	HandOvers  []HandOver
	Documents  []Blob
	Job        bool
}

// A HandOver is a committed intent and what came of it.
type HandOver struct {
	MessageID  string
	Carrier    post.Carrier // "" is the usual one
	Channel    post.Channel
	Generation int
	Taken      bool
	Unsure     bool   // some attempt had no clear answer
	Answer     string // the last verdict
}

// elsewhere reports whether another carrier than the usual one has it: then what
// the usual one holds says nothing against it.
func (h HandOver) elsewhere() bool {
	return h.Carrier != "" && h.Carrier != post.UsualCarrier(h.Channel)
}

// refused reports whether the carrier has certainly not delivered it.
func (h HandOver) refused() bool {
	return h.Answer == "refused-recipient" || h.Answer == "refused-content"
}

// A Blob is a sealed object that a row names.
type Blob struct {
	Name   string
	SHA256 []byte
	Size   int64
}

// A Stray is a row that belongs to nothing, or is wrong for the reason that Why says.
type Stray struct{ What, ID, Why string }

// Receipts says how many carriers' receipts stand where.
type Receipts struct {
	Waiting       int       `json:"waiting"`
	Applied       int       `json:"applied"`
	Noted         int       `json:"noted"`
	Parked        int       `json:"parked"` // for a person
	Closed        int       `json:"closed"` // parked once, and dealt with by a person
	OldestWaiting time.Time `json:"oldest_waiting,omitzero"`
}

// Books is what the database knows.
type Books interface {
	// Dossiers returns up to n letters with ids greater than after, in the
	// order of their ids, as of one moment.
	Dossiers(ctx context.Context, after post.LetterID, n int) ([]Dossier, error)
	// LetterCounts counts accepted letters and states in one moment.
	LetterCounts(ctx context.Context, tenant post.TenantID) ([]letter.Count, error)
	// StrayRows returns rows that belong to no letter.
	StrayRows(ctx context.Context) ([]Stray, error)
	// SharedTracking returns tracking numbers that more than one hand-over bears.
	SharedTracking(ctx context.Context) ([]string, error)
	Names
	// ReceiptTally counts receipts.
	ReceiptTally(ctx context.Context) (Receipts, error)
}

// Blobs yields sealed bytes; a missing one is [post.ErrNotFound].
type Blobs interface {
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
}

// A Carrier lists, by message id, what a carrier holds of ours, once for each
// time it would deliver it.
type Carrier interface {
	Held(ctx context.Context) (map[string]int, error)
}

// A Fault is something that does not add up.
type Fault struct {
	Rule   string `json:"rule"`
	ID     string `json:"id"` // of a letter, a message, a job or a blob
	Detail string `json:"detail"`
}

// A Report is what was found. Faults has at most [MaxFaults]; Found counts all.
type Report struct {
	Letters   int            `json:"letters"`
	HandOvers int            `json:"hand_overs"`
	Events    int            `json:"events"`
	Blobs     int            `json:"blobs"`
	States    map[string]int `json:"states"`
	Receipts  Receipts       `json:"receipts"`
	Paper     Paper          `json:"paper"`
	// Rests says of each carrier that has letters of ours what that rests on.
	Rests []Rest `json:"rests,omitempty"`
	// Loose are sealed bytes that nothing names yet: of uploads under way, or
	// broken off.
	Loose  int            `json:"loose"`
	Ledger *ledger.Report `json:"ledger,omitempty"` // nil: not audited
	Found  int            `json:"found"`
	Faults []Fault        `json:"faults"`
	// NeedPerson are the letters that wait for somebody; no fault, but not done.
	NeedPerson int `json:"need_person"`
}

// MaxFaults bounds the faults that a report names.
const MaxFaults = 1000

// Config says what to look at. Only Books is required; what is nil is left out.
type Config struct {
	Books Books
	Blobs Blobs
	// Shelf lists what Blobs has; it needs Blobs.
	Shelf Shelf
	// Carriers are the usual ones of each channel. What another one delivers may
	// still lie with them, as KombiPost's messages do in Digital Post.
	Carriers map[post.Channel]Carrier
	// Audit checks the ledger against a checkpoint from outside the database.
	Audit func(ctx context.Context) (ledger.Report, error)
	// Late is how long a receipt may wait to be matched; 1 hour when 0.
	Late time.Duration
	Now  func() time.Time // time.Now when nil
}

// page is how many letters are in memory at once.
const page = 200

// Check goes through the books.
func Check(ctx context.Context, c Config) (*Report, error) {
	if c.Books == nil {
		return nil, errors.New("account: Books is required")
	}
	if c.Shelf != nil && c.Blobs == nil {
		return nil, errors.New("account: a Shelf needs Blobs")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Late == 0 {
		c.Late = time.Hour
	}
	k := &check{Config: c, r: &Report{States: map[string]int{}, Faults: []Fault{}}, held: map[post.Channel]map[string]int{},
		missed: map[string]bool{}, rest: map[post.Carrier]*Rest{}}
	for ch, carrier := range c.Carriers {
		held, err := carrier.Held(ctx)
		if err != nil {
			return nil, fmt.Errorf("read what the %s carrier holds: %w", ch, err)
		}
		k.held[ch] = held
	}
	for after := post.LetterID(""); ; {
		some, err := c.Books.Dossiers(ctx, after, page)
		if err != nil {
			return nil, fmt.Errorf("read letters after %q: %w", after, err)
		}
		for _, d := range some {
			if err := k.letter(ctx, d); err != nil {
				return nil, err
			}
		}
		if len(some) < page {
			break
		}
		after = some[len(some)-1].ID
	}
	return k.r, k.whole(ctx)
}

type check struct {
	Config
	r    *Report
	held map[post.Channel]map[string]int // what is left is nobody's
	// missed are the blobs that were found to be gone.
	missed map[string]bool
	rest   map[post.Carrier]*Rest
}

func (k *check) fault(rule, id, format string, args ...any) {
	k.r.Found++
	if len(k.r.Faults) < MaxFaults {
		k.r.Faults = append(k.r.Faults, Fault{rule, id, fmt.Sprintf(format, args...)})
	}
}

// whole checks what concerns no single letter.
func (k *check) whole(ctx context.Context) error {
	counts, err := k.Books.LetterCounts(ctx, "")
	if err != nil {
		return fmt.Errorf("count letters: %w", err)
	}
	for _, c := range counts {
		if c.Accepted != c.Sum() {
			k.fault("conservation", string(c.Tenant), "%d letters were accepted and %d stand in states", c.Accepted, c.Sum())
		}
	}
	strays, err := k.Books.StrayRows(ctx)
	if err != nil {
		return fmt.Errorf("find stray rows: %w", err)
	}
	for _, s := range strays {
		k.fault("stray", s.ID, "a %s %s", s.What, cmp.Or(s.Why, "belongs to no letter"))
	}
	if n := k.r.Paper.lacks(); n != 0 {
		k.fault("paper", "", "%d envelopes were taken, and %d of them are nowhere", k.r.Paper.Taken, n)
	}
	shared, err := k.Books.SharedTracking(ctx)
	if err != nil {
		return fmt.Errorf("find shared tracking numbers: %w", err)
	}
	for _, number := range shared {
		k.fault("tracking", number, "more than one envelope bears this tracking number")
	}
	if k.r.Receipts, err = k.Books.ReceiptTally(ctx); err != nil {
		return fmt.Errorf("count receipts: %w", err)
	}
	if old := k.r.Receipts.OldestWaiting; !old.IsZero() && k.Now().Sub(old) > k.Late {
		k.fault("receipts", "", "%d receipts wait to be matched, the oldest since %s", k.r.Receipts.Waiting, old.Format(time.RFC3339))
	}
	for ch, held := range k.held {
		for id := range held {
			k.fault("carrier", id, "the %s carrier holds what no hand-over of ours explains", ch)
		}
	}
	k.say()
	if k.Shelf != nil {
		if err := k.shelf(ctx); err != nil {
			return err
		}
	}
	if k.Audit == nil {
		return nil
	}
	audit, err := k.Audit(ctx)
	if errors.Is(err, ledger.ErrDiverged) || errors.Is(err, post.FaultInclusion) {
		k.fault("ledger", "", "%v", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit ledger: %w", err)
	}
	k.r.Ledger = &audit
	return nil
}

// settled lists the states in which nothing is left to do by itself.
var settled = []post.LetterState{post.LetterReturned, post.LetterNeedsPerson}

func (k *check) letter(ctx context.Context, d Dossier) error {
	k.r.Letters++
	k.r.States[string(d.State)]++
	if d.State == post.LetterNeedsPerson || d.State == post.LetterReturned {
		k.r.NeedPerson++
	}
	k.events(d)
	k.handOvers(d)
	k.paper(d)
	switch done := d.State.Final() || slices.Contains(settled, d.State); {
	case done && d.Job:
		k.fault("job", string(d.ID), "the letter is %s and still has a job", d.State)
	case !done && !d.Job && !(d.State == post.LetterHeld && d.Batch != ""): // a batch waits for its approval
		k.fault("job", string(d.ID), "the letter is %s and has no job: nothing would move it", d.State)
	}
	if k.Blobs == nil {
		return nil
	}
	for _, b := range d.Documents {
		if err := k.blob(ctx, d, b); err != nil {
			return err
		}
	}
	return nil
}
