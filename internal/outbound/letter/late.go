package letter

import (
	"context"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	// latePage is how many letters are looked at in one reading.
	latePage = 1000
	// latePages bounds one call; what is left is on the next page.
	latePages = 20
	// digitalSilence is how long Digital Post may say nothing of a letter that it
	// took: what the dispatcher waits before it reports one as overdue.
	digitalSilence = 24 * time.Hour
	// mostAtWork is for how long a letter that may go may be at work: after it
	// something is wrong with it, or with its carrier.
	mostAtWork = 24 * time.Hour
)

// Codes of letters that people keep back.
const (
	CodePaused = "paused"     // its channel is
	CodeHeld   = "batch-held" // its batch is paused
)

// atWork returns since when v has been at work in this house without getting on: in its
// state, or, since one that is tried again and again keeps changing that, since its
// hand-over was decided. It is false for letters that people keep back, and for those
// that are in somebody else's hands.
func atWork(v View) (since time.Time, ok bool) {
	if v.Code == CodePaused || v.Code == CodeHeld {
		return time.Time{}, false
	}
	switch v.State {
	case post.LetterAccepted: // in a batch it waits for its approval, or its turn
		return v.Since, v.Batch == ""
	case post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterRefused:
		if v.NotBefore.After(v.Since) {
			return v.NotBefore, true
		}
		return v.Since, true
	case post.LetterHandingOver, post.LetterNotTaken, post.LetterOutcomeUnknown:
		return v.SentAt, true
	default:
		return time.Time{}, false
	}
}

// Late reports whether somebody should look at a letter now: it waits for a person
// longer than its municipality allows; its latest day of arrival is in danger or
// over; its carrier has been silent for longer than agreed; or it has been at work for a
// day and nobody keeps it back.
func (d *Desk) Late(v View) bool {
	t, now := d.tenants[v.Tenant], d.Now()
	if d.timed(v).Timing.Urges() {
		return true
	}
	times := t.TimesBy(v.paperBy()).Filled()
	switch v.State {
	case post.LetterNeedsPerson, post.LetterReturned:
		return now.After(calendar.After(v.Since, times.Person))
	case post.LetterHandedOver, post.LetterPrinting, post.LetterPosted:
		if v.Channel == post.Physical {
			return now.After(calendar.After(v.Since, times.Silence))
		}
		return now.Sub(v.Since) > digitalSilence
	default:
		since, ok := atWork(v)
		return ok && now.Sub(since) > mostAtWork
	}
}

// ListLate returns a page of the letters of f that are late, and after which letter
// the next page begins, "" when there is none. A page may hold fewer than f.Limit
// and have a next one all the same.
func (d *Desk) ListLate(ctx context.Context, f Filter) (late []View, next post.LetterID, err error) {
	limit := min(max(f.Limit, 1), latePage)
	f.Limit, f.Open, f.AtWork = latePage, true, d.Now().Add(-mostAtWork)
	for range latePages {
		vs, err := d.Records.LetterList(ctx, f)
		if err != nil {
			return nil, "", fmt.Errorf("list late letters: %w", err)
		}
		for _, v := range vs {
			f.After = v.ID
			if !d.Late(v) {
				continue
			}
			late = append(late, d.timed(v))
			if len(late) == limit {
				return late, f.After, nil
			}
		}
		if len(vs) < latePage {
			return late, "", nil
		}
	}
	return late, f.After, nil
}
