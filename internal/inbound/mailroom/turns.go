package mailroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const (
	// askedAtOnce bounds how many tenants' systems are asked at a time by [Room.Run].
	askedAtOnce = 32
	// mostSilent bounds how seldom a system that is not reached is asked.
	mostSilent = 2 * time.Minute
	// giveUpAfter answers in a row that failed, the others of the turn are left for a
	// later one.
	giveUpAfter = 3
)

// errSilent says that a carrier was not reached for a tenant.
var errSilent = errors.New("not reached")

// turns fetches and answers the mail of one tenant at s every so often, until ctx
// ends, whatever the others do. A system that is not reached is asked ever later.
func (r *Room) turns(ctx context.Context, every time.Duration, asking chan struct{}, s Source, tenant post.TenantID) {
	for wait := every; ; {
		select {
		case asking <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := errors.Join(r.pullOf(ctx, s, tenant), r.answerOf(ctx, s, tenant))
		<-asking
		wait = min(2*wait, max(every, mostSilent))
		if !errors.Is(err, errSilent) {
			wait = every
		}
		if err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "mail round failed", slog.Duration("again", wait), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// pullOf is [Room.pull] that says whose mail it was about.
func (r *Room) pullOf(ctx context.Context, s Source, tenant post.TenantID) error {
	if err := r.pull(ctx, s, tenant); err != nil {
		return fmt.Errorf("fetch mail of %s at %s: %w", tenant, s.Carrier(), err)
	}
	return nil
}

// answerOf tells s what it does not know yet about one tenant's mail.
func (r *Room) answerOf(ctx context.Context, s Source, tenant post.TenantID) error {
	all, err := r.Shelf.UnansweredMail(ctx, s.Carrier(), tenant, r.Now(), answerPause, atOnce)
	if err != nil {
		return fmt.Errorf("find unanswered mail: %w", err)
	}
	var failed []error
	row := 0
	for _, a := range all {
		if err := r.answer(ctx, s, a, false); err != nil {
			failed = append(failed, fmt.Errorf("mail %s: %w", a.ID, err))
			if row++; row == giveUpAfter || ctx.Err() != nil {
				break
			}
			continue
		}
		row = 0
	}
	return errors.Join(failed...)
}
