// Package lookup tells, before a batch is approved, which of its lines would go
// digitally and which on paper, were they handed over now.
//
// Only the dispatcher can open recipients and ask carriers, and nobody reaches it.
// So desk writes down that a closed batch is to be looked up, a dispatcher that
// runs answers slice by slice, and desk reads how far it is: as with letter traces,
// no program gets a right that it does not need.
//
// It is a forecast and nothing more. The hand-over asks anew, for an answer is out
// of date by the time a letter leaves; nothing here moves a letter or is read by
// who moves one. What is kept of a line is whether its recipient could be reached
// and whether it bears an address: no name, no number, no code of the directory. An
// hour after it was asked for ([Life]) all of it is gone, and no answer is shown
// after that.
//
// A batch has one look-up at a time. Asking again within the hour finds the same
// one, so nobody is asked about twice; one that was ended may be asked for again.
//
// It refuses a batch that is not closed, or is approved already
// ([post.FaultLookUpState]), and more than [MaxOpen] look-ups that are not finished
// ([post.FaultLookUpsMany]). A look-up that cannot go on is ended with one of the
// reasons of [Says], and what was answered stays. A slice that a crash interrupts
// is asked again; what was kept is not.
package lookup

import (
	"context"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const (
	// MaxOpen is how many look-ups of the house may be unfinished.
	MaxOpen = 8
	// Life is how long a look-up is there, from when it was asked for.
	Life = time.Hour
	// mostTime is how long a look-up may take: its answers should be there a while.
	mostTime = 40 * time.Minute
)

// Reach is whether the recipient of a line could be reached digitally.
type Reach string

// What a directory may answer.
const (
	Reachable   Reach = "reachable"
	Unreachable Reach = "unreachable" // definite
	Unsure      Reach = "unsure"      // not known: the hand-over asks until it is, then a person
)

// An Answer is what is kept of one line.
type Answer struct {
	Reach   Reach
	Address bool // the line bears an address
}

// Expected is what an answer lets expect of its line.
type Expected string

// What may be expected.
const (
	Digital Expected = "digital"
	Paper   Expected = "paper"
	// NoAddress cannot be reached and bears no address: the register of addresses
	// is asked at the hand-over where there is one, else a person.
	NoAddress Expected = "no-address"
	Open      Expected = "unsure"
)

// Expect says what to expect of a line.
func (a Answer) Expect() Expected {
	switch {
	case a.Reach == Reachable:
		return Digital
	case a.Reach == Unreachable && a.Address:
		return Paper
	case a.Reach == Unreachable:
		return NoAddress
	}
	return Open // in doubt nothing is printed
}

// Ended is why a look-up went no further; "" is that it did not end so.
type Ended string

// Why a look-up is ended.
const (
	EndedTooMany    Ended = "too-many"
	EndedLate       Ended = "took-too-long"
	EndedPaused     Ended = "paused"
	EndedMoved      Ended = "batch-moved"
	EndedNoRoad     Ended = "no-road"
	EndedNoAnswer   Ended = "no-answer"
	EndedUnreadable Ended = "unreadable"
)

// Says says in words why a look-up was ended.
func (e Ended) Says() string {
	return map[Ended]string{
		EndedTooMany:    "the municipality's carrier can be asked about one recipient at a time only, and so many would take longer than the answers last",
		EndedLate:       "it took too long: no dispatcher ran, or the carrier was slow",
		EndedPaused:     "hand-overs to the municipality's digital carrier are halted, so it is not asked either",
		EndedMoved:      "the batch is not waiting for approval any more; its letters say what becomes of them",
		EndedNoRoad:     "the municipality's digital carrier cannot be asked by this dispatcher",
		EndedNoAnswer:   "the carrier did not answer; the dispatcher's log says why",
		EndedUnreadable: "a recipient could not be opened; the dispatcher's log says why",
	}[e]
}

// A View is how far a look-up is. Answer i is about line i+1.
type View struct {
	Batch   post.BatchID
	AskedAt time.Time
	Lines   int
	Ended   Ended
	Answers []Answer
}

// Done reports whether nothing more will come.
func (v View) Done() bool { return v.Ended != "" || len(v.Answers) == v.Lines }

// An Item is one line of a [View], with what the sender asked of it.
type Item struct {
	Line       int
	Arrive     post.Day
	Registered bool
}

// A Request asks for a look-up.
type Request struct {
	Tenant post.TenantID
	Batch  post.BatchID
	Actor  post.ClientID
	At     time.Time
}

// Drawer keeps look-ups for those who ask. Each method is one transaction.
type Drawer interface {
	// AskLookUp writes r down, or finds the one that is there and was not ended. It
	// forgets those that are older than [Life]. [post.ErrNotFound] when the tenant
	// has no such batch, [post.FaultLookUpState] when it does not wait for approval,
	// [post.FaultLookUpsMany] when open of them are unfinished.
	AskLookUp(ctx context.Context, r Request, open int) error
	// FindLookUp returns what there is since a moment, or [post.FaultLookUpNone].
	FindLookUp(ctx context.Context, tenant post.TenantID, batch post.BatchID, since time.Time) (View, error)
	// LookUpItems returns up to n lines of a tenant's batch after a line.
	LookUpItems(ctx context.Context, tenant post.TenantID, batch post.BatchID, after, n int) ([]Item, error)
}

// Desk is where look-ups are asked for.
type Desk struct {
	Drawer Drawer
	Now    func() time.Time // nil is [time.Now]
}

func (d *Desk) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// Ask asks for a look-up and returns how far it is.
func (d *Desk) Ask(ctx context.Context, tenant post.TenantID, batch post.BatchID, actor post.ClientID) (View, error) {
	if err := d.Drawer.AskLookUp(ctx, Request{Tenant: tenant, Batch: batch, Actor: actor, At: d.now()}, MaxOpen); err != nil {
		return View{}, fmt.Errorf("look up batch %s: %w", batch, err)
	}
	return d.Show(ctx, tenant, batch)
}

// Show returns how far a look-up is.
func (d *Desk) Show(ctx context.Context, tenant post.TenantID, batch post.BatchID) (View, error) {
	return d.Drawer.FindLookUp(ctx, tenant, batch, d.now().Add(-Life))
}
