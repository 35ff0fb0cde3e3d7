package track

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A Receipt is a carrier's word about one hand-over. It is stored before it is
// believed.
type Receipt struct {
	Carrier string // "digitalpost", "printhouse"
	// EventID is unique with its carrier; a second one with the same id is the
	// same receipt.
	EventID   string
	MessageID string // [post.DerivedID] of the hand-over it speaks of
	Kind      Kind
	At        time.Time // the carrier's time of the event
	Code      string    // the carrier's code, e.g. "exempt.not.allowed"
	Tracking  string    // postal tracking number, if any
	Raw       []byte    // as received
	// Tenant is whose system it came to, where the carrier tells them apart: it is
	// kept, and a receipt never moves another tenant's letter.
	Tenant post.TenantID
}

// Kind is what a receipt says happened.
type Kind string

// Kinds of receipt.
const (
	Received         Kind = "received"          // technical: the carrier has the bytes
	Delivered        Kind = "delivered"         // business: available in the mailbox since At
	RefusedRecipient Kind = "refused-recipient" // business: this recipient cannot receive
	RefusedContent   Kind = "refused-content"   // business: this content is not accepted
	Printing         Kind = "printing"
	Posted           Kind = "posted"
	Proven           Kind = "delivered-proven"
	Returned         Kind = "returned" // Code gives the reason
	Unreadable       Kind = "unreadable"
)

// A Source is where a carrier's receipts wait for us.
type Source interface {
	// Carrier names the carrier, as in [Receipt.Carrier].
	Carrier() string
	// Waiting returns some of the receipts that wait, oldest first; none is an
	// empty slice. What it cannot read it returns as Unreadable, with Raw.
	Waiting(ctx context.Context) ([]Receipt, error)
	// Forget tells the carrier that the receipt is safe with us. It is called
	// only after commit, and may be called again for the same receipt.
	Forget(ctx context.Context, r Receipt) error
}

// A Forgetter is a [Source] that is told of many receipts faster than of one
// after the other.
type Forgetter interface {
	// ForgetAll does for each of rs what [Source.Forget] does, in any order. One
	// that fails does not keep the others; all failures are returned joined.
	ForgetAll(ctx context.Context, rs []Receipt) error
}
