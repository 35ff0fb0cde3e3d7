package letter

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// An Explanation says why a letter is where it is, from stored evidence alone:
// ledger entries and carriers' receipts. Nothing in it is worked out anew.
type Explanation struct {
	ID    post.LetterID    `json:"id"`
	State post.LetterState `json:"state"`
	// Since is when it came to that state, and Code why; "" when nothing is to be said.
	Since   time.Time    `json:"since"`
	Code    string       `json:"code,omitempty"`
	Channel post.Channel `json:"channel,omitempty"`
	// Why is the reason for the present channel; "" before there is one.
	Why string `json:"why,omitempty"`
	// Next is what happens now, or who must act.
	Next string `json:"next"`
	// Deadline is what the latest day of arrival leaves; nil without one.
	Deadline *Deadline `json:"deadline,omitempty"`
	Facts    []Reason  `json:"facts"`
}

// A Deadline is a letter's budget in words. It is worked out from the latest day
// and the tenant's lead times as they are now.
type Deadline struct {
	Arrive post.Day `json:"arrive_by"`
	Timing Timing   `json:"timing,omitempty"`
	// DigitalBefore and PaperBy are the last moments of a hand-over in time, and
	// AskAt when a person is asked if the channel is not known by then.
	DigitalBefore time.Time `json:"digital_before"`
	PaperBy       time.Time `json:"paper_by"`
	AskAt         time.Time `json:"ask_at"`
	Says          string    `json:"says"`
}

// timings says what each timing means.
var timings = map[Timing]string{
	TimingOpen:    "every road that it may take still brings it in time",
	TimingSent:    "it was handed over early enough",
	TimingClosing: "somebody decides now: soon paper would come too late",
	TimingDigital: "paper would come too late; Digital Post still brings it in time",
	TimingLate:    "it has not arrived in time, or no road can bring it in time any more",
	TimingArrived: "it arrived in time, as far as is known",
	TimingBehind:  "it arrived too late",
	"":            "it no longer matters",
}

// A Reason is one fact with where it is written down.
type Reason struct {
	At     time.Time `json:"at"`
	Fact   string    `json:"fact"`
	Code   string    `json:"code,omitempty"` // the directory's, the carrier's or the person's word
	Source string    `json:"source"`         // "ledger ID" or "receipt CARRIER/ID"
}

// Explain returns the explanation of one letter.
func (d *Desk) Explain(ctx context.Context, tenant post.TenantID, id post.LetterID) (Explanation, error) {
	p, err := d.Records.LetterProof(ctx, tenant, id)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain letter %s: %w", id, err)
	}
	e := explain(p)
	if b, ok := BudgetOf(p.View.Arrive, d.tenants[p.View.Tenant].TimesBy(p.View.paperBy())); ok {
		t := b.Timing(p.View, d.Now())
		e.Deadline = &Deadline{Arrive: b.Arrive, Timing: t, DigitalBefore: b.Digital, PaperBy: b.Paper, AskAt: b.Ask, Says: timings[t]}
	}
	return e, nil
}

// facts says what an entry of the ledger means for the choice of channel.
var facts = map[post.LetterState]string{
	post.LetterAccepted:       "accepted",
	post.LetterHeld:           "held",
	post.LetterRouted:         "channel chosen",
	post.LetterHandingOver:    "form fixed, hand-over begun",
	post.LetterHandedOver:     "the carrier took charge",
	post.LetterOutcomeUnknown: "no clear answer: the carrier may have it",
	post.LetterNotTaken:       "the carrier certainly has nothing",
	post.LetterRefused:        "the carrier refused the recipient for good",
	post.LetterDelivered:      "available in the mailbox",
	post.LetterPosted:         "handed to the postal company",
	post.LetterPresumed:       "counts as delivered: nothing was heard since it was posted",
	post.LetterReturned:       "came back",
	post.LetterNeedsPerson:    "a person must decide",
	post.LetterCancelled:      "cancelled",
	post.LetterClosed:         "closed",
}

// holds says what the events of a hold mean.
var holds = map[string]string{
	EventHeld:   "put on hold: nothing of it is purged",
	EventLifted: "the hold was lifted",
}

func explain(p Proof) Explanation {
	e := Explanation{ID: p.View.ID, State: p.View.State, Since: p.View.Since, Code: p.View.Code, Channel: p.View.Channel, Facts: []Reason{}, Next: next(p.View)}
	var before post.LetterState
	for _, ev := range p.View.Events {
		name, moved := strings.CutPrefix(ev.Kind, "letter.")
		if !moved {
			if fact, ok := holds[ev.Kind]; ok {
				e.Facts = append(e.Facts, Reason{At: ev.At, Fact: fact, Code: ev.Outcome, Source: "ledger " + ev.ID})
			}
			continue
		}
		state := post.LetterState(name)
		code := outcomeCode(ev.Outcome)
		if fact, ok := facts[state]; ok {
			e.Facts = append(e.Facts, Reason{At: ev.At, Fact: fact, Code: code, Source: "ledger " + ev.ID})
		}
		if state == post.LetterRouted && (e.Why == "" || code != "decided: "+string(Retry)) { // a retry keeps the channel, and its reason
			e.Why = why(ev, code, before)
		}
		before = state
	}
	for _, r := range p.Receipts {
		e.Facts = append(e.Facts, Reason{At: r.At, Fact: "receipt: " + r.Kind + " (" + r.Verdict + ")", Code: r.Code, Source: "receipt " + r.Carrier + "/" + r.EventID})
	}
	slices.SortStableFunc(e.Facts, func(a, b Reason) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	return e
}

// outcomeCode takes the reason out of an outcome such as "digital/1 EXEMPT".
func outcomeCode(outcome string) string {
	first, rest, _ := strings.Cut(outcome, " ")
	if strings.HasPrefix(first, string(post.Digital)+"/") || strings.HasPrefix(first, string(post.Physical)+"/") {
		return rest
	}
	return outcome
}

// why says what led to a channel: the entry that chose it, and the state in
// which the letter stood.
func why(ev Event, code string, before post.LetterState) string {
	channel, _, _ := strings.Cut(ev.Outcome, "/")
	switch {
	case strings.HasPrefix(code, "decided: "):
		return fmt.Sprintf("%s, because %s decided it (%s)", channel, ev.Actor, strings.TrimPrefix(code, "decided: "))
	case before == post.LetterRefused:
		return fmt.Sprintf("%s, because the digital carrier refused the recipient for good (%s)", channel, code)
	case channel == string(post.Physical):
		return fmt.Sprintf("%s, because the look-up answered that the recipient cannot receive Digital Post (%s)", channel, code)
	case code != "":
		return fmt.Sprintf("%s, because the look-up answered that the recipient can receive Digital Post (%s)", channel, code)
	}
	return channel + ", because it goes to an authority's own contact point, or the look-up found the recipient reachable"
}

// next says what the house does now, or who must act.
func next(v View) string {
	if v.Code == "signer-unknown" && v.State != post.LetterNeedsPerson && !v.State.Final() {
		return "a dispatcher that does not know the certificate that it was signed with leaves it as it is: name that in other_letter_cert_file of each dispatcher and restart them, and it goes on by itself within 15 minutes"
	}
	switch v.State {
	case post.LetterHeld:
		if v.Batch != "" && v.Code == "" {
			return "its batch waits for approval by a second person"
		}
		return "it waits for its date, or for the approval of its batch"
	case post.LetterOutcomeUnknown:
		return "a receipt settles it, or the same is sent again under the same id; never on another channel"
	case post.LetterNotTaken:
		return "the same is sent again under the same id"
	case post.LetterAwaitingLookup:
		return "the directory is asked again; without a definite answer a person is asked, early enough for paper if it has a latest day"
	case post.LetterPosted:
		if v.Registered {
			return "it waits for the carrier's proof, however long: it went by registered post"
		}
		return "it waits for the carrier's next receipt; where the municipality has set a quiet time, it counts as delivered after it"
	case post.LetterPresumed:
		return "nothing: its road has ended, unless it comes back"
	case post.LetterHandedOver, post.LetterPrinting:
		return "it waits for the carrier's next receipt"
	case post.LetterNeedsPerson:
		says := "somebody decides: " + decisions(v)
		if a := Advice(v.Code); a != "" {
			says += ". " + strings.ToUpper(a[:1]) + a[1:]
		}
		return says
	case post.LetterReturned:
		if v.Batch != "" {
			return "somebody decides: reissue, unless its batch was stopped, or close"
		}
		return "somebody decides: reissue or close"
	default:
		if v.State.Final() {
			return "nothing: its road has ended"
		}
		return "the dispatcher takes its next step"
	}
}
