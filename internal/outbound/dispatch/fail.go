package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// fail counts a failed step. What cannot be cured, or fails again and again while
// other letters get through, needs a person, where the table allows it; else it
// waits and is tried again. An end of the caller's context is no failure of the letter.
func (a *Advancer) fail(ctx context.Context, l queue.Lease, r Record, cause error) error {
	ended := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookTimeout)
	defer cancel()
	if !ended {
		r.Failures++
	}
	a.Log.ErrorContext(ctx, "step failed", slog.String("letter", string(r.ID)), slog.String("state", string(r.State)),
		slog.Int("failures", r.Failures), slog.Any("error", toldOf(cause)))
	if !ended {
		a.noteFailed(r.State, cause)
	}
	var err error
	if reason := failureCode(cause); r.State.May(post.LetterNeedsPerson, r.Channel) && (incurable(cause) || a.poisoned(r, cause)) {
		err = a.askPerson(ctx, l, r, reason)
	} else {
		err = a.wait(ctx, l, r, reason, a.Now().Add(a.pause(r.Failures)))
	}
	if err != nil && !errors.Is(err, post.ErrStale) {
		return fmt.Errorf("record failure of letter %s: %w", r.ID, err)
	}
	return nil
}

// incurable reports whether a failure is a letter's own and no time cures it. A letter
// that bears the signature of another certificate is not: while dispatchers change
// theirs, one that was not told of it meets each letter of the others.
func incurable(err error) bool {
	return errors.Is(err, post.ErrPermanent) || errors.Is(err, verify.ErrNotProven) && !verify.SignerUnknown(err)
}

// toldOf adds what to do to a failure that the log would otherwise only name.
func toldOf(err error) error {
	if verify.SignerUnknown(err) {
		return fmt.Errorf("%w; name the certificate in other_letter_cert_file of each dispatcher and restart them", err)
	}
	return err
}

// errForm says that a form would differ from its committed intent.
var errForm = fmt.Errorf("%w: the rendered form differs from the committed one", post.ErrPermanent)

func failureCode(err error) string {
	var f *post.Fault
	switch {
	case errors.Is(err, errForm):
		return "form-changed"
	case verify.SignerUnknown(err):
		return "signer-unknown"
	case errors.Is(err, verify.ErrNotProven):
		return "not-proven"
	case errors.Is(err, post.ErrPermanent) && errors.As(err, &f): // the person who decides may look it up
		return code("refused-by-rule", f.Code)
	case errors.Is(err, post.ErrPermanent):
		return "refused-by-rule"
	}
	return "step-failed"
}

// mostPause bounds every back-off: an outage that ends is noticed this soon.
const mostPause = 15 * time.Minute

// pause returns a jittered back-off for the n-th failure in a row.
func (a *Advancer) pause(n int) time.Duration {
	d := a.leastPause(n)
	return d + a.Rand(d+1)
}

// leastPause is the shortest that [Advancer.pause] may be.
func (a *Advancer) leastPause(n int) time.Duration {
	d := a.Backoff << min(max(n-1, 0), 20)
	if d <= 0 || d > mostPause {
		d = mostPause
	}
	return d / 2
}

// code joins our prefix and a carrier's own word, kept short and plain.
func code(prefix, word string) string {
	clean := make([]byte, 0, 64)
	for i := 0; i < len(word) && len(clean) < 64; i++ {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ' ':
			clean = append(clean, c)
		}
	}
	switch {
	case len(clean) == 0:
		return prefix
	case prefix == "":
		return string(clean)
	}
	return prefix + ": " + string(clean)
}
