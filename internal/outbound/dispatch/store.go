package dispatch

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// A Record is a letter as the database knows it, sealed.
type Record struct {
	ID          post.LetterID
	Reference   string
	Tenant      post.TenantID
	Inquiry     post.InquiryID
	DigitalOnly bool // to the tenant's own contact point
	Registered  bool // on paper, by registered post
	Released    bool // no batch, or its batch is approved and neither paused nor stopped
	Stopped     bool // its batch was stopped
	Batch       post.BatchID
	Line        int // of the batch, from 1
	Policy      post.SigningPolicy
	State       post.LetterState
	Version     int64
	Channel     post.Channel
	Generation  int
	Code        string
	Failures    int
	Looks       int // unsure answers of the directory, since State was entered
	NotBefore   time.Time
	Arrive      post.Day  // latest day of arrival; "" is none
	Since       time.Time // when State was entered
	Recipient   []byte    // sealed
	Content     []byte    // sealed
	Manifest    []byte    // signed; nil until then
	Documents   []letter.Sealed
	Intent      *Intent // of (Channel, Generation), when committed
	// Former are the sealed addresses of the former generations on paper that
	// came back; an empty one went where the sender said.
	Former [][]byte

	run *run // what this run over the letter has opened; nil: nothing is kept
}

// An Intent is a hand-over that was decided: all that may differ between two
// renderings, and what they must come to.
type Intent struct {
	MessageID string
	// Carrier is who was to carry it, and who alone any retry goes to.
	Carrier   post.Carrier
	CreatedAt time.Time // whole seconds
	Size      int64
	SHA256    [32]byte
	Attempts  int
	Unsure    bool // some attempt had no clear answer
	Spared    int  // of Attempts, those that [Config.Resends] does not count ([Move.Spare])
	// Address is where it goes on paper, sealed, when a register was asked; empty:
	// the letter's own.
	Address string
}

// A Move takes a letter from the state that was read to another, as one
// compare-and-swap on (state, version) under the lease's fence.
type Move struct {
	Letter     post.LetterID
	Tenant     post.TenantID
	Batch      post.BatchID // that the letter came in; "" is none
	From       post.LetterState
	Version    int64
	Through    []Passage // entered on the way to To, in the same commit
	To         post.LetterState
	Channel    post.Channel
	Generation int
	Code       string
	Due        time.Time // when the next step is due; zero when none is
	Free       bool      // give the lease back
	Manifest   []byte    // when To or one of Through is signed
	Intent     *Intent   // kept when To is handing-over
	Answer     *Outcome  // what came of the hand-over of MessageID
	MessageID  string
	Unsure     bool // the hand-over may have been taken; sticks
	Spare      bool // the attempt says nothing of the doubt: it does not count as a repetition
}

// A Wait leaves a letter where it is until Due. A zero Due leaves that too.
// Its job stands with those of Road until it is leased again.
type Wait struct {
	Letter   post.LetterID
	Version  int64
	Code     string
	Failures int
	Looks    int // unsure answers of the directory, since the present state was entered
	Due      time.Time
	Road     string // what keeps the letter back; "" is nothing but time
	While    Halt   // what people have halted, when that keeps the letter back
}

// Store keeps letters and leases. Each method is one transaction, and answers
// [post.ErrStale] when the fence, the state or the version is not the newest;
// then it has changed nothing.
type Store interface {
	Lease(ctx context.Context, kind queue.Kind, id string, d time.Duration) (queue.Lease, bool, error)
	// LeaseDue leases due jobs that nobody holds, as [queue.Turns] deals them out:
	// the preferred one first, then lane by lane, of each tenant those that have been
	// due the longest.
	LeaseDue(ctx context.Context, c queue.Claim) ([]queue.Lease, error)
	// LetterForStep reads what the next step needs.
	LetterForStep(ctx context.Context, l queue.Lease) (Record, error)
	// MoveLetter moves the letter, with its ledger entry and its job. A move with an
	// Intent is refused with [ErrBatchHalted] when at its commit the letter's batch is
	// paused, stopped or not approved, and with [ErrRoadHalted] when its channel is
	// paused for its tenant; then it has changed nothing. Whoever pauses or stops is
	// answered when no commit that has not seen it is under way any more.
	MoveLetter(ctx context.Context, l queue.Lease, m Move) error
	// WaitLetter gives the lease back without moving the letter. A wait for the end of
	// a halt is refused with [ErrNotHalted] when at its commit the halt does not stand;
	// then it has changed nothing. Whoever lifts a halt wakes each letter whose wait was
	// committed before, and whatever commits later sees that it is lifted.
	WaitLetter(ctx context.Context, l queue.Lease, w Wait) error
}
