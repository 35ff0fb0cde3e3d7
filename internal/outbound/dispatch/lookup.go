package dispatch

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// Codes of a letter whose look-up has used its time.
const (
	codeUnsure   = "lookup-unsure"   // the look-up stayed unsure for as long as any may
	codeDeadline = "lookup-deadline" // the latest day of arrival needs an answer now
)

// route decides the channel. Paper only on a definite answer; an unsure one
// waits inside the budget, then a person is asked.
//
// Crash before commit: the look-up is done again; nothing has left. After: the
// channel stands, whatever a later look-up would say.
func (a *Advancer) route(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.DigitalOnly {
		return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Digital, Generation: 1}, a.Now())
	}
	if halted, err := a.haltedWhole(ctx, l, r); halted || err != nil {
		return false, err
	}
	o, err := a.open(r)
	if err != nil {
		return false, err
	}
	reach := a.Directory.Look(ctx, a.tenants[r.Tenant], o.recipient)
	switch reach.Answer {
	case Reachable:
		a.warnLate(ctx, r, post.Digital)
		return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Digital, Generation: 1, Code: reach.Code}, a.Now())
	case Unreachable:
		a.warnLate(ctx, r, post.Physical)
		return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Physical, Generation: 1, Code: reach.Code}, a.Now())
	case Unsure: // whatever else it says is not definite either
	}
	return a.unsure(ctx, l, r, reach.Code)
}

// unsure lets a letter whose look-up gave no definite answer wait, inside its
// budget ([Advancer.budget]); then a person is asked. A latest day of arrival ends the budget early
// enough that a person can still decide for paper: nobody else may.
func (a *Advancer) unsure(ctx context.Context, l queue.Lease, r Record, word string) (bool, error) {
	answers, next, over := a.unsureAgain(ctx, r, post.Digital, a.Roads.Chosen(r.Tenant, post.Digital))
	if over {
		return false, a.askPerson(ctx, l, r, codeUnsure)
	}
	if b, ok := letter.BudgetOf(r.Arrive, a.tenants[r.Tenant].TimesBy("")); ok {
		if end, early := b.LookupEnds(r.Since, a.LookupBudget); early {
			if a.Now().After(end) {
				return false, a.askPerson(ctx, l, r, codeDeadline)
			}
			if last := end.Add(time.Second); next.After(last) { // once more right before a person is asked
				next = last
			}
		}
	}
	return false, a.waitFor(ctx, l, r, Wait{Code: code("lookup", word), Due: next, Looks: answers})
}

// unsureAgain is what follows an unsure answer about r from somebody who is asked
// for its sake by carrier name on ch: how many such answers there are, when the
// next question is due, and whether there is none. An answer that our own end cut
// short is none, nor is one while letters may not go there or the carrier rests.
func (a *Advancer) unsureAgain(ctx context.Context, r Record, ch post.Channel, name post.Carrier) (answers int, next time.Time, over bool) {
	counts := ctx.Err() == nil && !a.Gate.closed(r.Tenant, ch, name)
	if answers = r.Looks; counts {
		answers++
	}
	pause, over := a.budget(answers)
	if !counts { // asked ever more seldom all the same
		pause = max(pause, min(a.Now().Sub(r.Since)/2, mostPause))
	}
	return answers, a.Now().Add(pause*3/4 + a.Rand(pause/2+1)), over
}

// budget says how much of the budget of look-ups so many unsure answers have used,
// and how long is waited before the next question; over, when nothing is left. The
// longer the answer has been unsure, the less often it is asked for.
//
// What is counted are answers, not hours: time in which nobody asked, because the
// letter was halted or no dispatcher ran, has used nothing.
func (a *Advancer) budget(answers int) (pause time.Duration, over bool) {
	used := time.Duration(0)
	for n := 1; ; n++ {
		if used >= a.LookupBudget {
			return 0, true
		}
		pause = max(min(max(a.Backoff, min(used/2, mostPause)), a.LookupBudget-used), time.Nanosecond)
		if n >= answers {
			return pause, false
		}
		used += pause
	}
}
