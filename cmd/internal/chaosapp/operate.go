package chaosapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

// pauseTime is how long a pause lasts: enough for many hand-overs.
const pauseTime = 1500 * time.Millisecond

// canary is how many letters of the batch that is stopped go out first.
const canary = 3

// notBegun are the states of letters of which no hand-over has begun, or of which
// the last one certainly brought nothing to the carrier.
var notBegun = map[post.LetterState]bool{
	post.LetterAccepted: true, post.LetterHeld: true, post.LetterReady: true, post.LetterSigned: true, post.LetterAwaitingLookup: true,
	post.LetterRouted: true, post.LetterNotTaken: true, post.LetterRefused: true, post.LetterCancelled: true,
}

// halted is what was on its way, or gone, when a pause or a stop was answered.
type halted struct {
	batch string
	begun map[string]bool // by letter; each letter is named
	most  int             // how many of them, by the answer's own counts
}

// operate is what an operator does while things break: one batch of her own
// stopped. Batches that are counted
// are paused by those who send them ([run.pauseBatch]).
func (r *run) operate(ctx context.Context) error {
	if err := r.stopBatch(ctx); err != nil {
		return fmt.Errorf("stop a batch: %w", err)
	}
	return nil
}

// asAnswered learns what was on its way when desk gave that answer.
func (r *run) asAnswered(ctx context.Context, b wire.Batch) (h halted, err error) {
	h = halted{batch: b.ID, begun: map[string]bool{}}
	for state, n := range b.Letters {
		if !notBegun[post.LetterState(state)] {
			h.most += n
		}
	}
	err = r.eachOf(ctx, r.operator, b.ID, func(l wire.LetterView) { h.begun[l.ID] = !notBegun[post.LetterState(l.State)] })
	return h, err
}

// against counts letters of a halted batch that a carrier has and should not: each
// that was not on its way, and whatever is more than the answer's count of those.
func (h halted) against(digital, paper map[string]bool) int {
	has, wrong := 0, 0
	for id, begun := range h.begun {
		if holds(digital, id, post.Digital) || holds(paper, id, post.Physical) {
			has++
			if !begun {
				wrong++
			}
		}
	}
	return max(wrong, has-h.most)
}

func holds(held map[string]bool, id string, c post.Channel) bool {
	return held[post.DerivedID(post.LetterID(id), c, 1)]
}

// carriers lists what Digital Post and the print house hold.
func (r *run) carriers() (digital, paper map[string]bool, err error) {
	if digital, err = entries(r.path("simulator", "digitalpost"), ".xml"); err != nil {
		return nil, nil, err
	}
	paper, err = entries(r.path("simulator", "printhouse"), "")
	return digital, paper, err
}

// pauseBatch pauses a batch that was approved just now, looks what the carriers get of it, and resumes it.
func (r *run) pauseBatch(ctx context.Context, id string) error {
	var b wire.Batch
	err := r.insist(ctx, "pause-"+id, func(ctx context.Context) (err error) {
		b, err = r.operator.PauseBatch(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	h, err := r.asAnswered(ctx, b)
	if err != nil {
		return err
	}
	r.pauses.Add(1)
	if err := pause(ctx, pauseTime); err != nil {
		return err
	}
	digital, paper, err := r.carriers()
	if err != nil {
		return err
	}
	r.whilePaused.Add(int64(h.against(digital, paper)))
	fmt.Fprintf(r.out, "batch paused: %d of %d letters were kept back\n", len(h.begun)-h.most, len(h.begun))
	return r.insist(ctx, "resume-"+id, func(ctx context.Context) error {
		_, err := r.operator.ResumeBatch(ctx, id)
		return err
	})
}

// stopBatch sends a batch beside the counted letters and stops it when its first
// letters are out and the rest was let go.
func (r *run) stopBatch(ctx context.Context) error {
	as, from := hands{r.caller, r.approver}, r.o.Letters
	to := from + max(20, r.o.Letters/20)
	id, err := r.submit(ctx, as, wire.BatchOpen{Key: "chaos-stopped", Canary: canary}, from, to)
	if err != nil {
		return err
	}
	if err := r.readBatch(ctx, as.caller, id, from, r.own); err != nil {
		return err
	}
	err = until(ctx, time.Minute, "the first letters to be out", func() bool {
		digital, paper, err := r.carriers()
		out := 0
		for _, id := range r.own {
			if holds(digital, id, post.Digital) || holds(paper, id, post.Physical) {
				out++
			}
		}
		return err == nil && out > 0
	})
	if err != nil {
		return err
	}
	if err := r.insist(ctx, "continue-"+id, func(ctx context.Context) error {
		_, err := as.approver.ContinueBatch(ctx, id)
		return err
	}); err != nil {
		return err
	}
	var b wire.Batch
	if err := r.insist(ctx, "stop-"+id, func(ctx context.Context) (err error) {
		b, err = r.operator.StopBatch(ctx, id)
		return err
	}); err != nil {
		return err
	}
	if r.stopped, err = r.asAnswered(ctx, b); err == nil {
		r.stops.Add(1)
	}
	return err
}

// judgeStopped holds what desk says of the stopped batch against the carriers,
// and returns how many of its letters they have, each once.
func (r *run) judgeStopped(ctx context.Context, res *Result, digital, paper map[string]bool) (has int, err error) {
	res.AfterStop = r.stopped.against(digital, paper)
	said := map[post.LetterState]int{}
	err = r.eachOf(ctx, r.operator, r.stopped.batch, func(l wire.LetterView) {
		s := post.LetterState(l.State)
		said[s]++
		d, p := holds(digital, l.ID, post.Digital), holds(paper, l.ID, post.Physical)
		if d && p {
			res.BothChannels++
			has++
		}
		switch there := d || p; {
		case there && notBegun[s]: // desk says that it was not sent
			res.AfterStop++
			has++
		case there:
			has++
		case !notBegun[s] && s != post.LetterNeedsPerson: // desk says that it was
			res.Lost++
		}
	})
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(r.out, "stopped batch: %d letters, %d of them at the carriers; desk says %v\n", len(r.own), has, said)
	if sum := len(r.own); len(r.stopped.begun) != sum {
		return has, errors.New("the stopped batch does not name all its letters")
	}
	return has, nil
}
