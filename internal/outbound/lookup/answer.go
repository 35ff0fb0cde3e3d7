package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const (
	// MaxTries is how often the same lines are asked about in vain.
	MaxTries = 3
	// slice is how many lines are kept at once where each is a question of its own.
	slice = 20
	// holds is how long a slice waits whose dispatcher died. One that takes longer
	// may be asked about twice, and is kept once.
	holds = time.Minute
)

// Told is what a directory said of one recipient.
type Told struct {
	Reach Reach
	Code  string // the directory's own word; for our log only
	// Failed: the directory was not reached, refused us or made no sense. It said
	// nothing about this recipient.
	Failed bool
}

// A Road is how the recipients of a tenant are asked about.
type Road struct {
	// Ask asks about up to Most recipients in one question; answer i is about
	// recipient i.
	Ask  func(ctx context.Context, tenant post.Tenant, recipients []post.PartyRecord) []Told
	Most int
	// Every is the least time from one question to the next.
	Every time.Duration
}

// Work is a look-up that one dispatcher has taken for a slice.
type Work struct {
	Request
	Lines, Done, Tries int
	Waits              bool // the batch still waits for approval
}

// A Line is a line to ask about.
type Line struct {
	N         int
	Recipient []byte // sealed [post.PartyRecord]
}

// Questions keeps look-ups for dispatchers. Each method is one transaction.
type Questions interface {
	// TakeLookUp takes the unfinished look-up that is due first for so long, and
	// forgets those asked for before old. ok is false when none is due.
	TakeLookUp(ctx context.Context, now, old time.Time, holds time.Duration) (w Work, ok bool, err error)
	// LinesToLookUp returns up to n lines of a batch after a line, in their order.
	LinesToLookUp(ctx context.Context, batch post.BatchID, after, n int) ([]Line, error)
	// KeepLooked keeps the answers of the lines after w.Done and gives w back, due
	// at once. [post.ErrStale] when w is not as it was taken.
	KeepLooked(ctx context.Context, w Work, answers []Answer) error
	// PutOffLookUp gives w back with one try more, due then; as KeepLooked.
	PutOffLookUp(ctx context.Context, w Work, due time.Time) error
	// EndLookUp ends w; as KeepLooked.
	EndLookUp(ctx context.Context, w Work, why Ended) error
}

// An Answerer answers look-ups, one question at a time, so that one dispatcher
// never asks faster than the road allows, however many batches wait.
type Answerer struct {
	Questions Questions
	Road      func(post.TenantID) (Road, bool)
	Open      func(sealed []byte) ([]byte, error)
	// Paused reports whether people have halted a tenant's digital hand-overs.
	Paused  func(ctx context.Context, tenant post.TenantID) (bool, error)
	Tenants []post.Tenant
	Log     *slog.Logger
	Now     func() time.Time // nil is [time.Now]
	// Rest is the pause after a slice that was asked about in vain; 10 s when 0.
	Rest time.Duration
}

// Step answers what waits, until nothing is due.
func (a *Answerer) Step(ctx context.Context) error {
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.Rest == 0 {
		a.Rest = 10 * time.Second
	}
	for ctx.Err() == nil {
		now := a.Now()
		w, ok, err := a.Questions.TakeLookUp(ctx, now, now.Add(-Life), holds)
		if err != nil || !ok {
			return err
		}
		if err := a.answer(ctx, w); err != nil && !errors.Is(err, post.ErrStale) { // another has it, or its hour is over
			return fmt.Errorf("look up batch %s: %w", w.Batch, err)
		}
	}
	return nil
}

// answer takes one slice of w.
func (a *Answerer) answer(ctx context.Context, w Work) error {
	road, tenant, why, err := a.may(ctx, w)
	if err != nil {
		return err
	}
	if why != "" {
		return a.end(ctx, w, why)
	}
	lines, err := a.Questions.LinesToLookUp(ctx, w.Batch, w.Done, max(road.Most, slice))
	if err != nil {
		return err
	}
	if len(lines) == 0 || lines[0].N != w.Done+1 {
		return a.end(ctx, w, EndedMoved)
	}
	recipients := make([]post.PartyRecord, len(lines))
	for i, l := range lines {
		clear, err := a.Open(l.Recipient)
		if err == nil && json.Unmarshal(clear, &recipients[i]) != nil {
			err = errors.New("the recipient is not readable") // the cause could quote it
		}
		if err != nil {
			a.Log.ErrorContext(ctx, "recipient not opened", slog.String("batch", string(w.Batch)), slog.Int("line", l.N), slog.Any("error", err))
			return a.end(ctx, w, EndedUnreadable)
		}
	}
	told, err := ask(ctx, road, tenant, recipients)
	if err != nil { // our own end is no answer
		return err
	}
	return a.keep(ctx, w, recipients, told)
}

// may says how w's lines may be asked about, or why they may not.
func (a *Answerer) may(ctx context.Context, w Work) (road Road, tenant post.Tenant, why Ended, err error) {
	paused, err := a.Paused(ctx, w.Tenant)
	if err != nil {
		return road, tenant, "", err
	}
	road, ok := a.Road(w.Tenant)
	for _, t := range a.Tenants {
		if t.ID == w.Tenant {
			tenant = t
		}
	}
	switch {
	case !w.Waits:
		why = EndedMoved
	case !ok || tenant.ID == "":
		why = EndedNoRoad
	case paused:
		why = EndedPaused
	case a.Now().Sub(w.At) >= mostTime:
		why = EndedLate
	case w.Done == 0 && time.Duration(w.Lines/road.Most)*road.Every >= mostTime:
		why = EndedTooMany
	}
	return road, tenant, why, nil
}

// ask puts the questions about recipients, each so long after the one before. After
// a failure it asks no more: those that are left have failed as well.
func ask(ctx context.Context, road Road, tenant post.Tenant, recipients []post.PartyRecord) ([]Told, error) {
	var told []Told
	for len(told) < len(recipients) {
		some := recipients[len(told):min(len(told)+road.Most, len(recipients))]
		answers := road.Ask(ctx, tenant, some)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(answers) != len(some) {
			return nil, fmt.Errorf("%d answers about %d recipients", len(answers), len(some))
		}
		told = append(told, answers...)
		for _, t := range answers {
			if !t.Failed {
				continue
			}
			for len(told) < len(recipients) {
				told = append(told, Told{Reach: Unsure, Code: t.Code, Failed: true})
			}
			break
		}
		wait := time.NewTimer(road.Every)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, ctx.Err()
		case <-wait.C:
		}
	}
	return told, nil
}

// keep keeps the answers up to the first that failed. When that is the very first,
// the same lines are asked about again, and at last no more.
func (a *Answerer) keep(ctx context.Context, w Work, recipients []post.PartyRecord, told []Told) error {
	var answers []Answer
	failed := ""
	for i, t := range told {
		if t.Failed {
			failed = t.Code
			break
		}
		answers = append(answers, Answer{Reach: t.Reach, Address: len(recipients[i].Address) > 0})
	}
	log := a.Log.With(slog.String("batch", string(w.Batch)), slog.Int("line", w.Done+1))
	switch {
	case len(answers) > 0:
		if err := a.Questions.KeepLooked(ctx, w, answers); err != nil {
			return err
		}
		if w.Done+len(answers) == w.Lines {
			log.InfoContext(ctx, "batch looked up", slog.Int("lines", w.Lines))
		}
		return nil
	case w.Tries+1 < MaxTries:
		log.WarnContext(ctx, "recipients not looked up", slog.String("code", failed), slog.Int("tries", w.Tries+1))
		return a.Questions.PutOffLookUp(ctx, w, a.Now().Add(a.Rest<<w.Tries))
	}
	log.WarnContext(ctx, "recipients not looked up", slog.String("code", failed), slog.Int("tries", w.Tries+1))
	return a.end(ctx, w, EndedNoAnswer)
}

func (a *Answerer) end(ctx context.Context, w Work, why Ended) error {
	if err := a.Questions.EndLookUp(ctx, w, why); err != nil {
		return err
	}
	a.Log.WarnContext(ctx, "look-up ended", slog.String("batch", string(w.Batch)), slog.String("code", string(why)), slog.Int("done", w.Done), slog.Int("lines", w.Lines))
	return nil
}
