package login

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Record is a session as the database keeps it.
type Record struct {
	ID       string
	Cookie   []byte // SHA-256 of the cookie value
	Tenant   post.TenantID
	Name     []byte // SHA-256 of issuer, audience and NameID
	Index    []byte // SHA-256 of the session index
	Sealed   []byte
	SeenAt   time.Time
	EndsAt   time.Time
	Replaces []byte // cookie hash of the browser's earlier session, ended in the same step; may be nil
}

// Used marks an assertion or a log-out message as used: it must not work again
// before Until, when it no longer could.
type Used struct {
	Key   []byte // SHA-256 of issuer and id
	Until time.Time
}

// Ending says which sessions end.
type Ending struct {
	Cookie  []byte   // this one, or:
	Name    []byte   // those of this name,
	Indexes [][]byte // with one of these indexes; none means all
	Used    *Used    // the message that asks for it; nil for our own button
	// Late is until when an assertion of what Name and Indexes name may still come: the
	// provider has ended that session, and it must make none here any more (SAML core
	// 3.7.3.1). Without Indexes nothing is barred: the person may log in anew.
	Late time.Time
}

// Store keeps pending log-ins, sessions and what was used. Every method is one
// transaction, and every failure leaves nothing half-done.
type Store interface {
	// StartLogin writes p, and forgets what expired before p.StartedAt.
	StartLogin(ctx context.Context, p Pending) error
	// TryLogin returns the pending log-in of a browser that is not expired and
	// has been tried less than max times, and counts this try. None such:
	// [post.ErrNotFound].
	TryLogin(ctx context.Context, browser []byte, now time.Time, max int) (Pending, error)
	// FinishLogin consumes p, marks u, writes r with its event and ends
	// r.Replaces. [post.ErrStale] when p is gone, u was marked before, or a message
	// ended r's name and index and r.SeenAt is before that [Ending]'s Late.
	FinishLogin(ctx context.Context, p Pending, u Used, r Record, event ledger.Event) error
	// TouchSession returns the session of cookie when it has not ended and was
	// seen within idle, and notes that it was seen. None such: [post.ErrNotFound].
	TouchSession(ctx context.Context, cookie []byte, now time.Time, idle time.Duration) (Record, error)
	// PeekSession is TouchSession without the note: the session gets no older and
	// no younger by it.
	PeekSession(ctx context.Context, cookie []byte, now time.Time, idle time.Duration) (Record, error)
	// RewriteSession replaces what is sealed in the session of cookie and writes
	// event. [post.ErrStale] when the session is gone; then nothing is written.
	RewriteSession(ctx context.Context, cookie, sealed []byte, event ledger.Event) error
	// EndSessions ends what e names and returns it; ending nothing is no error.
	// [post.ErrStale] when e.Used was marked before; then nothing ends.
	EndSessions(ctx context.Context, e Ending, now time.Time) ([]Record, error)
}
