package dispatch

import (
	"context"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// codeQuiet says that a letter was posted and that nothing was heard of it again.
const codeQuiet = "quiet-time"

// mostSilence bounds how seldom the silence about a letter on paper is reported.
const mostSilence = 30 * 24 * time.Hour

// warnLate reports a letter that is sent on its way too late for its day. It
// goes all the same: late is better than never, and no rule may stop it.
func (a *Advancer) warnLate(ctx context.Context, r Record, ch post.Channel) {
	b, ok := letter.BudgetOf(r.Arrive, a.tenants[r.Tenant].TimesBy(""))
	if !ok {
		return
	}
	last := b.Paper
	if ch == post.Digital {
		last = b.Digital
	}
	if now := a.Now(); now.After(last) {
		a.Log.WarnContext(ctx, "letter comes too late", slog.String("letter", string(r.ID)), slog.String("tenant", string(r.Tenant)),
			slog.String("channel", string(ch)), slog.String("arrive_by", string(r.Arrive)), slog.Duration("late", now.Sub(last)))
	}
}

// paperBy returns who has r on paper; "" when nobody is decided on.
func paperBy(r Record) post.Carrier {
	if r.Channel != post.Physical || r.Intent == nil {
		return ""
	}
	return r.Intent.Carrier
}

// overdue looks after a letter that a carrier has. A letter that was posted, and
// of which nothing was heard for as long as its tenant says, counts as delivered;
// a later return re-opens it; a registered one waits for its proof. Else silence is reported, on paper after working
// days, digitally after [Config.Overdue], and the letter stays: no receipt is no
// proof of anything.
//
// Crash before commit: posted still. After: presumed-delivered, without a job.
func (a *Advancer) overdue(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	now, times := a.Now(), a.tenants[r.Tenant].TimesBy(paperBy(r)).Filled()
	next, silent := now.Add(a.Overdue), r.Since.Add(a.Overdue)
	if r.Channel == post.Physical {
		silent = calendar.After(r.Since, times.Silence)
		if long := now.Sub(silent); long > a.Overdue { // a letter without proof is silent for good: ever more seldom
			next = now.Add(min(long, mostSilence))
		}
	}
	if r.State == post.LetterPosted && times.Presume > 0 && !r.Registered {
		presumed := calendar.After(r.Since, times.Presume)
		if !now.Before(presumed) {
			return false, a.move(ctx, l, r, Move{To: post.LetterPresumed, Code: codeQuiet, Free: true})
		}
		if presumed.Before(next) {
			next = presumed
		}
	}
	if now.After(silent) {
		a.Log.WarnContext(ctx, "receipt overdue", slog.String("letter", string(r.ID)), slog.String("state", string(r.State)),
			slog.String("channel", string(r.Channel)), slog.Duration("for", now.Sub(r.Since)))
	}
	return false, a.wait(ctx, l, r, r.Code, next)
}
