package chaosapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
)

// pauseTime is how long a pause lasts: enough for many hand-overs.
const pauseTime = 1500 * time.Millisecond

// canary is how many letters of the operator's batch go out first.
const canary = 3

// ownLines is how many letters the operator's batch has: more than the dispatchers
// have in hand, so that hand-overs are still to begin whenever it is halted.
func (o Options) ownLines() int { return max(500, o.Letters/10) }

// operate is what an operator does while things break: a batch of her own, sent
// beside the counted letters, is halted three times while its hand-overs are under
// way: by a pause of its channel, by one of its own, and for good. Batches that are
// counted are paused by those who send them ([run.pauseBatch]).
func (r *run) operate(ctx context.Context) error {
	id, err := r.sendOwn(ctx)
	if err != nil {
		return fmt.Errorf("send a batch of the operator's own: %w", err)
	}
	out := canary
	for _, one := range []struct {
		name string
		do   func(context.Context, string) (*halt, error)
	}{{"pause a channel", r.pauseRoad}, {"pause a batch", r.pauseBatch}, {"stop a batch", r.stopBatch}} {
		if err := r.untilBegun(ctx, id, out+1); err != nil {
			return err
		}
		h, err := one.do(ctx, id)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		out = h.most
	}
	return nil
}

// sendOwn sends the operator's batch and lets all of it go. Its letters share one
// document.
func (r *run) sendOwn(ctx context.Context) (id string, err error) {
	as, from := hands{r.caller, r.approver}, r.o.Letters
	id, err = r.submit(ctx, as, wire.BatchOpen{Key: "chaos-halted", Canary: canary}, from, from+r.o.ownLines(), func(int) []byte { return decision(from) })
	if err != nil {
		return "", err
	}
	if err := r.readBatch(ctx, as.caller, id, from, r.own); err != nil {
		return "", err
	}
	if err := r.untilBegun(ctx, id, 1); err != nil {
		return "", err
	}
	return id, r.insist(ctx, "continue-"+id, func(ctx context.Context) error {
		_, err := as.approver.ContinueBatch(ctx, id)
		return err
	})
}

// begun counts the letters of a batch whose hand-over has begun, and those whose has
// not.
func begun[S ~string](states map[S]int) (yes, no int) {
	for s, n := range states {
		if notBegun[post.LetterState(s)] {
			no += n
		} else {
			yes += n
		}
	}
	return yes, no
}

// untilBegun waits until so many hand-overs of a batch have begun, or none is left; for
// as long as a carrier may rest.
func (r *run) untilBegun(ctx context.Context, id string, n int) error {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if v, err := r.store.BatchView(ctx, "", post.BatchID(id)); err == nil {
			if yes, no := begun(v.Letters); yes >= n || no == 0 {
				return nil
			}
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: fewer than %d hand-overs of batch %s began", errUnfinished, n, id)
}

// stallTime is how long a dispatcher stands still at most while an operator halts:
// shorter than its leases.
const stallTime = time.Second

// order gives an order while a dispatcher stands still with letters in its hands that
// it read before, and returns when it was answered. Only then does the dispatcher go on;
// or after a while, because whoever halts waits for an intent that is being committed.
func (r *run) order(ctx context.Context, key string, order func(context.Context) error) (answered time.Time, err error) {
	d := r.dispatchers[0]
	d.stall()
	defer d.goOn()
	defer time.AfterFunc(stallTime, d.goOn).Stop()
	err = r.insist(ctx, key, order)
	return time.Now(), err
}

// asAnswered completes h by what was on its way of its batch when desk gave that
// answer, at now.
func (r *run) asAnswered(ctx context.Context, h *halt, b wire.Batch, now time.Time) error {
	h.batch, h.answered, h.begun = b.ID, now, map[string]bool{}
	h.most, _ = begun(b.Letters)
	if err := r.eachOf(ctx, r.operator, b.ID, func(l wire.LetterView) { h.begun[l.ID] = !notBegun[post.LetterState(l.State)] }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.halts = append(r.halts, h)
	return nil
}

// carriers lists what Digital Post and the print house hold.
func (r *run) carriers() (digital, paper map[string]bool, err error) {
	if digital, err = entries(r.path("simulator", "digitalpost"), ".xml"); err != nil {
		return nil, nil, err
	}
	paper, err = entries(r.path("simulator", "printhouse"), "")
	return digital, paper, err
}

// pauseRoad pauses Digital Post for everybody, looks what the carrier gets of a
// batch that is on its way, and resumes it.
func (r *run) pauseRoad(ctx context.Context, id string) (*halt, error) {
	h, road := &halt{what: "channel", whole: true, channel: post.Digital}, wire.PauseSet{Channel: string(post.Digital)}
	answered, err := r.order(ctx, "pause-road-"+id, func(ctx context.Context) error {
		_, err := r.operator.PauseChannel(ctx, road)
		return err
	})
	if err != nil {
		return nil, err
	}
	var b wire.Batch
	if err := r.insist(ctx, "", func(ctx context.Context) (err error) {
		b, err = r.operator.Batch(ctx, id)
		return err
	}); err != nil {
		return nil, err
	}
	if err := r.asAnswered(ctx, h, b, answered); err != nil {
		return nil, err
	}
	r.roads.Add(1)
	return h, r.lift(ctx, h, func(ctx context.Context) error {
		_, err := r.operator.ResumeChannel(ctx, road)
		return err
	})
}

// pauseBatch pauses a batch, looks what the carriers get of it, and resumes it.
func (r *run) pauseBatch(ctx context.Context, id string) (*halt, error) {
	var b wire.Batch
	answered, err := r.order(ctx, "pause-"+id, func(ctx context.Context) (err error) {
		b, err = r.operator.PauseBatch(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	h := &halt{what: "batch"}
	if err := r.asAnswered(ctx, h, b, answered); err != nil {
		return nil, err
	}
	r.pauses.Add(1)
	return h, r.lift(ctx, h, func(ctx context.Context) error {
		_, err := r.operator.ResumeBatch(ctx, id)
		return err
	})
}

// lift looks what a pause kept back once it has lasted for a while, and lifts it.
func (r *run) lift(ctx context.Context, h *halt, resume func(context.Context) error) error {
	if err := pause(ctx, pauseTime); err != nil {
		return err
	}
	digital, paper, err := r.carriers()
	if err != nil {
		return err
	}
	h.atCarriers(digital, paper)
	fmt.Fprintf(r.out, "%s paused: %d of %d letters were kept back\n", h.what, h.keptBack(), len(h.begun))
	h.lifted = time.Now()
	return r.insist(ctx, "resume-"+h.what+"-"+h.batch, resume)
}

// stopBatch stops a batch while its letters are on their way.
func (r *run) stopBatch(ctx context.Context, id string) (*halt, error) {
	var b wire.Batch
	answered, err := r.order(ctx, "stop-"+id, func(ctx context.Context) (err error) {
		b, err = r.operator.StopBatch(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.stopped = &halt{what: "stop"}
	if err := r.asAnswered(ctx, r.stopped, b, answered); err != nil {
		return nil, err
	}
	fmt.Fprintf(r.out, "batch stopped: %d of %d letters were kept back\n", r.stopped.keptBack(), len(r.stopped.begun))
	r.stops.Add(1)
	return r.stopped, nil
}

// keptBack is how many letters halts of batches and of a channel kept back.
func (r *run) keptBack() (n int) {
	for _, h := range r.halts {
		n += h.keptBack()
	}
	return n
}

// halted says whether each kind of halt was given, and any of them came in time to
// keep letters back.
func (r *run) halted() error {
	kept := r.keptBack()
	if r.stops.Load() == 0 || r.roads.Load() == 0 || r.pauses.Load() == 0 || kept == 0 {
		return fmt.Errorf("%w: %d channels and %d batches were paused, %d stopped, %d letters kept back", errUnfinished,
			r.roads.Load(), r.pauses.Load(), r.stops.Load(), kept)
	}
	return nil
}

// judgeHalts counts what went in spite of the halts, once the carriers hold all they
// ever will.
func (r *run) judgeHalts(ctx context.Context, res *Result, digital, paper map[string]bool) error {
	r.stopped.atCarriers(digital, paper)
	if err := r.eachDossier(ctx, func(all []account.Dossier) {
		for _, h := range r.halts {
			h.inBooks(all)
		}
	}); err != nil {
		return err
	}
	for _, h := range r.halts {
		if h == r.stopped {
			res.AfterStop += h.count()
		} else {
			res.WhilePaused += h.count()
		}
	}
	return nil
}

// judgeStopped holds what desk says of the stopped batch against the carriers,
// and returns how many of its letters they have, each once.
func (r *run) judgeStopped(ctx context.Context, res *Result, digital, paper map[string]bool) (has int, err error) {
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
			r.stopped.went(l.ID)
			has++
		case there:
			has++
		case !notBegun[s] && s != post.LetterNeedsPerson && s != post.LetterOutcomeUnknown: // desk says that it was
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
	return has, r.judgeHalts(ctx, res, digital, paper)
}
