// Package trace asks a letter's carriers what they know of its hand-overs, for an
// operator who holds it against what we know.
//
// Only the dispatcher has the carriers' keys, and nobody reaches it. So desk writes
// down a question, a dispatcher that runs answers it, and desk reads the answer: as
// with parked mail, no program gets a right that it does not need.
//
// A carrier that cannot be asked, does not answer or has nothing is said in words;
// nothing of a trace moves a letter. An answer holds times and the carrier's tags,
// nothing that names a person, and is erased when it is [Kept]. More questions at a time than [MaxOpen] are refused with
// [post.FaultTracesMany].
package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	// MaxOpen is how many questions may wait for their answers.
	MaxOpen = 100
	// Kept is how long a question and its answer are there; the dispatcher erases them
	// within an hour more.
	Kept = 24 * time.Hour
	// askTime bounds how long one carrier may take.
	askTime = 20 * time.Second
	// at once, and how many of a letter's hand-overs are asked about.
	mostQuestions, mostHandOvers = 10, 10
	// before is how much earlier than our own hand-over a carrier's clock may put it.
	before = 24 * time.Hour
)

// A Step is one event, by a carrier's own account.
type Step struct {
	At  time.Time `json:"at"`
	Tag string    `json:"tag"` // the carrier's own word
}

// A Told is what one carrier told of one hand-over.
type Told struct {
	MessageID string       `json:"message_id"`
	Carrier   post.Carrier `json:"carrier"`
	Steps     []Step       `json:"steps,omitempty"`
	Says      string       `json:"says"` // in words, whatever came of it
}

// A Question is an operator's, about one letter.
type Question struct {
	ID     string
	Tenant post.TenantID // of the letter
	Letter post.LetterID
	Actor  post.ClientID
}

// A HandOver is one that the letter had.
type HandOver struct {
	MessageID string
	Carrier   post.Carrier
	At        time.Time
}

// Questions keeps questions and answers. Each method is one transaction.
type Questions interface {
	// AskTrace writes a question down. [post.FaultTracesMany] when open of them wait.
	AskTrace(ctx context.Context, q Question, open int) error
	// FindTrace returns the answer of a question about a letter; done is false while
	// it waits, and a question that is unknown is [post.ErrNotFound].
	FindTrace(ctx context.Context, letter post.LetterID, id string) (told []Told, done bool, err error)
	// OpenTraces returns up to n questions that wait, the oldest first.
	OpenTraces(ctx context.Context, n int) ([]Question, error)
	// TraceHandOvers returns the hand-overs of a letter, the oldest first.
	TraceHandOvers(ctx context.Context, id post.LetterID) ([]HandOver, error)
	// AnswerTrace writes an answer down; a second one changes nothing.
	AnswerTrace(ctx context.Context, id string, told []Told) error
}

// Desk is where operators ask.
type Desk struct {
	Questions Questions
	Letters   interface {
		LetterView(ctx context.Context, tenant post.TenantID, id post.LetterID) (letter.View, error)
	}
}

// Ask writes down a question about a letter and returns its id.
func (d *Desk) Ask(ctx context.Context, actor post.ClientID, id post.LetterID) (string, error) {
	v, err := d.Letters.LetterView(ctx, "", id)
	if err == nil {
		q := Question{ID: post.NewID(), Tenant: v.Tenant, Letter: id, Actor: actor}
		if err = d.Questions.AskTrace(ctx, q, MaxOpen); err == nil {
			return q.ID, nil
		}
	}
	return "", fmt.Errorf("trace letter %s: %w", id, err)
}

// Carrier can be asked about one message. What it returns is oldest first.
type Carrier func(ctx context.Context, tenant post.TenantID, messageID string, from time.Time) ([]Step, error)

// Answerer answers questions. One question may be answered by two dispatchers at
// once: the first answer stands, and asking is harmless.
type Answerer struct {
	Questions Questions
	Carriers  map[post.Carrier]Carrier
	Log       *slog.Logger
}

// cannot says why a carrier that is not among [Answerer.Carriers] is not asked.
var cannot = map[post.Carrier]string{
	post.KombiPost:   "KombiPost cannot be asked about a letter: what it reported is all that there is",
	post.PrintHouse:  "the print house cannot be asked: what it reported is all that there is",
	post.DigitalPost: "Digital Post is not configured at this dispatcher",
}

// Step answers the questions that wait.
func (a *Answerer) Step(ctx context.Context) error {
	open, err := a.Questions.OpenTraces(ctx, mostQuestions)
	if err != nil {
		return fmt.Errorf("list questions: %w", err)
	}
	var errs []error
	for _, q := range open {
		if err := a.answer(ctx, q); err != nil {
			errs = append(errs, fmt.Errorf("trace letter %s: %w", q.Letter, err))
		}
	}
	return errors.Join(errs...)
}

func (a *Answerer) answer(ctx context.Context, q Question) error {
	all, err := a.Questions.TraceHandOvers(ctx, q.Letter)
	if err != nil {
		return err
	}
	told := []Told{}
	for _, h := range all[max(0, len(all)-mostHandOvers):] {
		told = append(told, a.ask(ctx, q, h))
	}
	if err := ctx.Err(); err != nil { // our own end is no answer
		return err
	}
	if err := a.Questions.AnswerTrace(ctx, q.ID, told); err != nil {
		return err
	}
	a.Log.InfoContext(ctx, "letter traced", slog.String("letter", string(q.Letter)), slog.String("actor", string(q.Actor)), slog.Int("hand_overs", len(told)))
	return nil
}

func (a *Answerer) ask(ctx context.Context, q Question, h HandOver) Told {
	t := Told{MessageID: h.MessageID, Carrier: h.Carrier}
	ask := a.Carriers[h.Carrier]
	if ask == nil {
		t.Says = cannot[h.Carrier]
		return t
	}
	bounded, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	steps, err := ask(bounded, q.Tenant, h.MessageID, h.At.Add(-before))
	switch {
	case err != nil:
		a.Log.WarnContext(ctx, "carrier did not tell", slog.String("carrier", string(h.Carrier)), slog.String("letter", string(q.Letter)), slog.Any("error", err))
		t.Says = "the carrier did not answer; the dispatcher's log says why"
	case len(steps) == 0:
		t.Says = "the carrier was asked, and knows nothing of this hand-over"
	default:
		t.Steps, t.Says = steps, "by the carrier's own clock"
	}
	return t
}
