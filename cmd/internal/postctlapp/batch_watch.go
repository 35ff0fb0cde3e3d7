package postctlapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

type batchWatch struct {
	ID    string        `arg:"" help:"Id of the batch."`
	Wait  time.Duration `help:"Stop watching after this long; 0 is never."`
	Every time.Duration `default:"1s" help:"How often to ask, at most; a large batch is asked less often, up to every 30s."`
}

// Run follows the batch until nothing of it moves by itself any more.
func (c *batchWatch) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	ctx := r.ctx
	if c.Wait > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.Wait)
		defer stop()
	}
	p := ctl.NewProgress(r.Env)
	b, err := c.follow(ctx, d.Batch, func(b wire.Batch) { p.Show(settled(b), b.Lines, stands(b)) })
	p.End()
	if err != nil {
		if ctx.Err() != nil {
			return c.left(r, b)
		}
		return err
	}
	err = r.Print(b, func(w io.Writer) {
		fmt.Fprintf(w, "batch %s %s: %s\n", b.ID, b.State, counts(b))
		if b.Waiting > 0 {
			r.Say("%s", verdictAwaited(b))
		}
	})
	if err != nil {
		return err
	}
	if n := b.Letters[string(post.LetterNeedsPerson)]; n > 0 {
		return &ctl.Hint{Err: errors.New(needs(n)), Hint: "see them: postctl batch show " + b.ID + " -state needs-person", Exit: ctl.NeedsPerson}
	}
	return nil
}

// follow asks for the batch until nothing of it moves by itself any more, and
// shows each answer. It fails with the first answer that is none, with what was
// seen last, and when ctx ends.
func (c *batchWatch) follow(ctx context.Context, ask func(context.Context, string) (wire.Batch, error), show func(wire.Batch)) (wire.Batch, error) {
	var b wire.Batch
	for {
		asked := time.Now()
		seen, err := ask(ctx, c.ID)
		if err != nil {
			return b, err
		}
		b = seen
		show(b)
		if at(b, settled(b)+b.Letters[string(post.LetterNeedsPerson)]) {
			return b, nil
		}
		select {
		case <-ctx.Done():
			return b, ctx.Err()
		case <-time.After(c.pause(time.Since(asked))):
		}
	}
}

// Desk counts the letters of the batch for each answer, which takes the longer the
// more they are. Watching leaves it a rest of restTimes what the answer took, so
// that one who watches costs less than a twentieth of a core, yet asks at least
// each restMost, or each Every where that is longer.
const (
	restTimes = 20
	restMost  = 30 * time.Second
)

// pause is how long to wait after an answer that took so long.
func (c *batchWatch) pause(took time.Duration) time.Duration {
	least := max(c.Every, 50*time.Millisecond)
	return max(least, min(restTimes*took, restMost))
}

// verdictAwaited says what is next after the canary.
func verdictAwaited(b wire.Batch) string {
	wait := "letters wait"
	if b.Waiting == 1 {
		wait = "letter waits"
	}
	return fmt.Sprintf("%d %s for the canary's verdict: postctl batch continue %s", b.Waiting, wait, b.ID)
}

// stands writes the letters by state, and why none of them moves.
func stands(b wire.Batch) string {
	switch {
	case b.State == "receiving" || b.State == "open" || b.State == "closing":
		return counts(b) + " (not sent completely)"
	case b.State == "closed":
		return counts(b) + " (waits for approval)"
	case b.Paused && b.State != "stopped" && b.State != "stopping":
		return counts(b) + " (paused)"
	}
	return counts(b)
}

func needs(n int) string {
	if n == 1 {
		return "1 letter needs a person"
	}
	return fmt.Sprintf("%d letters need a person", n)
}

// left answers a watch that ended before the batch did.
func (c *batchWatch) left(r *run, b wire.Batch) error {
	again := "the batch goes on; watch it again: postctl batch watch " + c.ID
	if r.ctx.Err() != nil {
		r.Say("%s", again)
		return r.ctx.Err()
	}
	return &ctl.Hint{Err: fmt.Errorf("batch %s is still running: %s", c.ID, stands(b)), Hint: again, Exit: ctl.Running}
}

// at reports whether n letters are all of the batch that moves by itself.
func at(b wire.Batch, n int) bool {
	switch {
	case b.State == "stopped":
		return true
	case b.State == "approved" && b.Waiting > 0: // the canary is at its end
		return n == b.Lines-b.Waiting
	}
	return b.State == "released" && n == b.Lines
}

// settled counts letters in final states.
func settled(b wire.Batch) int {
	n := 0
	for s, k := range b.Letters {
		if post.LetterState(s).Final() {
			n += k
		}
	}
	return n
}

// counts writes the letters by state, in the order of their road.
func counts(b wire.Batch) string {
	var words []string
	for _, s := range states(b) {
		words = append(words, fmt.Sprintf("%s %d", s, b.Letters[s]))
	}
	if len(words) == 0 {
		return ctl.Count(b.Lines, "letter")
	}
	return strings.Join(words, ", ")
}

func states(b wire.Batch) []string {
	var out []string
	for _, s := range post.LetterStates() {
		if b.Letters[string(s)] > 0 {
			out = append(out, string(s))
		}
	}
	return out
}
