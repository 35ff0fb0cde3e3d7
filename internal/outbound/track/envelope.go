package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// mailroom is the carrier of receipts that people bring: envelopes that came
// back to the town hall. The client that entered one follows the colon.
const mailroom = "mailroom:"

// ReturnReasons are why a letter comes back, in the words of a postal company's
// own label.
var ReturnReasons = []string{
	"address-inadequate", "name-not-on-box", "moved", "recipient-unknown", "place-not-found", "mailbox", "vacant",
	"no-access", "other-distributor", "refused", "deceased", "other",
}

// An Envelope names the hand-over whose envelope lies before somebody.
type Envelope struct {
	MessageID  string
	Letter     post.LetterID
	Reference  string
	Generation int
}

// A Code is what is printed on an envelope or a letter: exactly one of
// Reference, Tracking and MessageID is set.
type Code struct {
	Reference  string
	Generation int // of Reference; 0 when the code does not say
	Tracking   string
	MessageID  string
}

var trackingForm = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{4,34}$`)

// ParseCode reads a code as a scanner or a person gives it: a reference such as
// SP-7K3Q-92MD, from the second generation on followed by its number (SP-7K3Q-92MD/2);
// a tracking number; or a print job's id.
func ParseCode(s string) (Code, error) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if post.ValidUUID(s) {
		return Code{MessageID: strings.ToLower(s)}, nil
	}
	text, number, more := strings.Cut(s, "/")
	if reference, ok := post.ParseReference(text); ok {
		c := Code{Reference: reference}
		if more {
			n, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil || n < 1 || n > 99 {
				return Code{}, post.FaultReturnCode
			}
			c.Generation = n
		}
		return c, nil
	}
	if s = strings.ReplaceAll(s, " ", ""); trackingForm.MatchString(s) {
		return Code{Tracking: s}, nil
	}
	return Code{}, post.FaultReturnCode
}

// alsoTracking reads text that has the form of a reference as a tracking number:
// of those that only a carrier knows the rule of, one in 32 with eight characters
// fits the check character by chance.
func alsoTracking(c Code, text string) (Code, bool) {
	text = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(text), " ", ""))
	return Code{Tracking: text}, c.Reference != "" && c.Generation == 0 && trackingForm.MatchString(text)
}

var referenceForm = regexp.MustCompile(`^SP-?[0-9A-Z]{4}-?[0-9A-Z]{4}$`)

// mistyped reports whether what can only be looked up as a tracking number was
// meant as a reference, whose check character tells a slip of the hand from a
// stranger's letter.
func mistyped(c Code) bool { return referenceForm.MatchString(c.Tracking) }

// Envelopes finds hand-overs on paper.
type Envelopes interface {
	Inbox
	// FindEnvelopes returns every hand-over on paper that was begun, of the
	// tenant's letters ("" is every tenant), that c may mean.
	FindEnvelopes(ctx context.Context, tenant post.TenantID, c Code) ([]Envelope, error)
}

// A Return is an envelope that came back.
type Return struct {
	Tenant post.TenantID // "" is every one
	Actor  post.ClientID
	Code   string // as scanned
	Reason string // one of [ReturnReasons]
}

// CameBack is what became of it.
type CameBack struct {
	Envelope
	State    post.LetterState
	Repeated bool // it was known already; nothing has changed
}

// Mailroom takes envelopes that came back. What it is told is a receipt like a
// carrier's, with the same rules: it never moves a letter backwards, and the
// envelope of a former generation moves nothing.
type Mailroom struct {
	Store Envelopes
	Log   *slog.Logger
	Now   func() time.Time // nil is [time.Now]
}

// Enter takes one envelope. A code that nobody knows is [post.FaultReturnUnknown];
// one that may mean several envelopes is [post.FaultReturnWhich]; a letter that
// cannot come back as it stands is [post.FaultReturnState]. Then nothing has
// changed. The same envelope again is answered as the first time.
func (m *Mailroom) Enter(ctx context.Context, in Return) (CameBack, error) {
	if !slices.Contains(ReturnReasons, in.Reason) {
		return CameBack{}, post.FaultReturnReason
	}
	code, err := ParseCode(in.Code)
	if err != nil {
		return CameBack{}, err
	}
	found, err := m.Store.FindEnvelopes(ctx, in.Tenant, code)
	if other, may := alsoTracking(code, in.Code); err == nil && len(found) == 0 && may {
		found, err = m.Store.FindEnvelopes(ctx, in.Tenant, other)
	}
	if err != nil {
		return CameBack{}, fmt.Errorf("find envelope: %w", err)
	}
	switch {
	case len(found) == 0 && mistyped(code):
		return CameBack{}, post.FaultReturnCode.At("the check character does not fit")
	case len(found) == 0:
		return CameBack{}, post.FaultReturnUnknown
	case len(found) > 1:
		return CameBack{}, post.FaultReturnWhich
	}
	now := m.Now
	if now == nil {
		now = time.Now
	}
	return m.enter(ctx, found[0], Receipt{
		Carrier: mailroom + string(in.Actor), EventID: found[0].MessageID + "-returned", MessageID: found[0].MessageID,
		Kind: Returned, At: now().UTC().Truncate(time.Millisecond), Code: in.Reason,
	})
}

// tries bounds how often an envelope is decided anew while its letter moves.
const tries = 10

func (m *Mailroom) enter(ctx context.Context, e Envelope, r Receipt) (CameBack, error) {
	for range tries {
		all, err := m.Store.ReceiptStandings(ctx, []string{e.MessageID})
		if err != nil {
			return CameBack{}, fmt.Errorf("enter envelope of letter %s: %w", e.Letter, err)
		}
		st, known := all[e.MessageID]
		s := decide(r, st, known)
		switch s.Verdict {
		case Parked: // a carrier's word would wait for a person; a person is here
			return CameBack{}, post.FaultReturnState.At("%s", st.State)
		case Noted:
			return CameBack{Envelope: e, State: st.State, Repeated: true}, nil
		case Applied, Waiting, Again, Closed: // the first moves the letter; the others are nothing that is decided
		}
		if err := m.Store.KeepReceipts(ctx, []Receipt{r}); err != nil {
			return CameBack{}, fmt.Errorf("enter envelope of letter %s: %w", e.Letter, err)
		}
		stale, err := m.Store.SettleReceipts(ctx, []Settlement{s})
		if err != nil {
			return CameBack{}, fmt.Errorf("enter envelope of letter %s: %w", e.Letter, err)
		}
		if len(stale) == 0 {
			m.Log.InfoContext(ctx, "envelope came back", slog.String("letter", string(e.Letter)),
				slog.Int("generation", e.Generation), slog.String("reason", r.Code))
			return CameBack{Envelope: e, State: post.LetterReturned}, nil
		}
		// The letter moved meanwhile; the receipt is kept, and decided anew here or
		// by the dispatcher's matcher.
	}
	return CameBack{}, errors.Join(post.FaultUnavailable, fmt.Errorf("envelope of letter %s: it moves all the time", e.Letter))
}
