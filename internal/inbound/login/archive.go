package login

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// KeepMessages is how long the federation wants requests and responses, with the
// proof of their signature, to be kept (180 days). Not longer either: they hold
// personal data.
const KeepMessages = 180 * 24 * time.Hour

// maxRefused is how much of a message that we refused is kept: anybody can send
// any number of them.
const maxRefused = 16 << 10

// Exchange is one message between the provider and us, as the federation's log
// duty wants it.
type Exchange struct {
	Out     bool   // from us
	Kind    string // AuthnRequest, Response, LogoutRequest, LogoutResponse; "" when it could not be told
	Request string // id of the log-in or of the message that this belongs to; may be ""
	Session string // of ours; may be ""
	Outcome string // sent, accepted, or the reason code of the refusal
	Remote  string // the browser's address
	Agent   string // the browser
	Message string // as it went over the wire: the query, or the form's value
}

// An Archive keeps what was said. A message that cannot be kept must have no
// effect.
type Archive interface {
	Keep(ctx context.Context, e Exchange) error
}

// Sealed is an exchange as the database has it: what the owner of the archive
// key needs to find it, and the rest sealed.
type Sealed struct {
	ID        string // UUIDv7
	At        time.Time
	Out       bool
	Kind      string
	Request   string
	Outcome   string
	Body      []byte
	ExpiresAt time.Time
}

// ArchiveStore keeps sealed exchanges. Every method is one transaction.
type ArchiveStore interface {
	KeepMessage(ctx context.Context, s Sealed) error
	// PurgeMessages forgets up to n exchanges that expired at or before now and
	// returns how many.
	PurgeMessages(ctx context.Context, now time.Time, n int) (int, error)
}

// SealedArchive seals each exchange to keys that this program does not hold.
type SealedArchive struct {
	store ArchiveStore
	seal  func([]byte) ([]byte, error)
	log   *slog.Logger
	now   func() time.Time
}

var _ Archive = (*SealedArchive)(nil)

// NewArchive returns an archive that seals with seal. now may be nil.
func NewArchive(store ArchiveStore, seal func([]byte) ([]byte, error), log *slog.Logger, now func() time.Time) (*SealedArchive, error) {
	if store == nil || seal == nil || log == nil {
		return nil, errors.New("login: an archive needs a store, a seal and a log")
	}
	if now == nil {
		now = time.Now
	}
	return &SealedArchive{store, seal, log, now}, nil
}

// archived is what stands inside the seal.
type archived struct {
	V       int       `json:"v"`
	At      time.Time `json:"at"`
	Out     bool      `json:"out"`
	Kind    string    `json:"kind,omitempty"`
	Request string    `json:"request,omitempty"`
	Session string    `json:"session,omitempty"`
	Outcome string    `json:"outcome"`
	Remote  string    `json:"remote,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	Message string    `json:"message"`
	Digest  []byte    `json:"sha256,omitempty"` // of the whole, where Message is only its beginning
}

// Keep implements [Archive].
func (a *SealedArchive) Keep(ctx context.Context, e Exchange) error {
	at := a.now().UTC().Truncate(time.Microsecond)
	v := archived{
		V: 1, At: at, Out: e.Out, Kind: e.Kind, Request: e.Request, Session: e.Session, Outcome: e.Outcome,
		Remote: e.Remote, Agent: e.Agent, Message: e.Message,
	}
	if !e.Out && e.Outcome != Accepted && len(e.Message) > maxRefused {
		sum := sha256.Sum256([]byte(e.Message))
		v.Message, v.Digest = e.Message[:maxRefused], sum[:]
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message for the archive: %w", err)
	}
	body, err := a.seal(plain)
	if err != nil {
		return fmt.Errorf("seal message for the archive: %w", err)
	}
	return a.store.KeepMessage(ctx, Sealed{
		ID: post.NewID(), At: at, Out: e.Out, Kind: e.Kind, Request: e.Request, Outcome: e.Outcome,
		Body: body, ExpiresAt: at.Add(KeepMessages),
	})
}

// Outcomes of an [Exchange] that is no refusal.
const (
	Accepted = "accepted"
	Sent     = "sent"
)

// purgeEvery is how often the archive lets go of what is over.
const purgeEvery = time.Hour

// Run purges what is over until ctx ends. A failure is logged and tried again.
func (a *SealedArchive) Run(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if n, err := a.Purge(ctx); err != nil {
			a.log.ErrorContext(ctx, "log-in messages not purged", slog.Any("error", err))
		} else if n > 0 {
			a.log.InfoContext(ctx, "log-in messages purged", slog.Int("count", n))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Purge forgets everything that is over and returns how many exchanges.
func (a *SealedArchive) Purge(ctx context.Context) (total int, err error) {
	const batch = 500
	for {
		n, err := a.store.PurgeMessages(ctx, a.now(), batch)
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}
