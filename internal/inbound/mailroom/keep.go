package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

const (
	// answerPause is how long a carrier that could not be told is left alone.
	answerPause = 30 * time.Second
	// tenantsAtOnce is how many tenants' systems are asked at a time.
	tenantsAtOnce = 8
	// atOnce is how many messages are looked at in one go.
	atOnce = 50
)

// Pull fetches what waits at every source, for some tenants at a time. A system
// that does not answer is reported and keeps few others waiting.
func (r *Room) Pull(ctx context.Context) error {
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed []error
	)
	slots := make(chan struct{}, tenantsAtOnce)
	for _, s := range r.Sources {
		for _, t := range r.Tenants {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				if err := r.pullOf(ctx, s, t.ID); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, err)
				}
			})
		}
	}
	all.Wait()
	return errors.Join(failed...)
}

// pull keeps what waits for one tenant.
//
// Crash before the commit of a message: it waits at the carrier still. Between
// commit and answer: it is listed again, known, and answered then.
func (r *Room) pull(ctx context.Context, s Source, tenant post.TenantID) error {
	ids, err := s.Waiting(ctx, tenant)
	if errors.Is(err, post.ErrNotFound) {
		return nil // this tenant has no recipient system here
	}
	if err != nil && len(ids) == 0 {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	failed := []error{err}
	if err := r.Heard(ctx, s.Carrier(), tenant); err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.fetch(ctx, s, tenant, strings.ToLower(id)); err != nil {
			failed = append(failed, fmt.Errorf("message %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func (r *Room) fetch(ctx context.Context, s Source, tenant post.TenantID, id string) error {
	known, err := r.Shelf.KnownMail(ctx, s.Carrier(), tenant, id)
	switch {
	case err == nil && known.Cut:
		return nil // reported; the whole stays where it is
	case err != nil && !errors.Is(err, post.ErrNotFound):
		return err
	case err == nil && r.twice.rests(known.ID, r.Now()):
		return nil
	}
	// One that is known is read once more, each time, before the carrier is told
	// that it may go: what waits there may be another message than the one that
	// we have, and nothing is ever deleted unread.
	a, keepErr := r.keep(ctx, s.Carrier(), tenant, id, func(w io.Writer) error { return s.Fetch(ctx, tenant, id, w) })
	if keepErr != nil || a.Cut {
		return keepErr
	}
	if err == nil {
		r.twice.rest(known.ID, r.Now())
		return r.answer(ctx, s, known, true)
	}
	return r.answer(ctx, s, a, false)
}

// relook is how long a message that is listed although it is known is left alone
// once it was read again: the carrier may list it for ever, and it may be large.
const relook = 10 * time.Minute

// twice remembers when messages were read again that were listed although they
// were known.
type twice struct {
	mu  sync.Mutex
	ids map[string]time.Time
}

// maxTwice bounds what is remembered; what is forgotten is fetched once more.
const maxTwice = 10_000

func (t *twice) rests(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.ids[id]
	return ok && now.Sub(at) < relook
}

func (t *twice) rest(id string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil || len(t.ids) >= maxTwice {
		t.ids = map[string]time.Time{}
	}
	t.ids[id] = now
}

// Take keeps a message that the carrier pushed. It returns once the message is
// durable; the carrier may be told then. The business receipt follows by
// [Room.Run]. A message that broke off is not kept.
func (r *Room) Take(ctx context.Context, carrier string, tenant post.TenantID, id string, message io.Reader) error {
	_, err := r.keep(ctx, carrier, tenant, strings.ToLower(id), func(w io.Writer) error {
		_, err := io.Copy(w, message)
		return err
	})
	if err == nil {
		err = r.Heard(ctx, carrier, tenant)
	}
	return err
}

// Heard records that a carrier reached us about tenant: it pushed a message or a
// receipt, which is durable, or answered.
func (r *Room) Heard(ctx context.Context, carrier string, tenant post.TenantID) error {
	_, err := r.Shelf.MailContact(ctx, carrier, tenant, r.Now())
	return err
}

// errCut ends the copy of a message that is beyond the limit.
var errCut = errors.New("beyond the limit")

// bounded passes on the first left bytes, and digests them.
type bounded struct {
	w    io.Writer
	left int64
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	n, err := b.w.Write(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == nil && n < len(p) {
		err = errCut
	}
	return n, err
}

// keep seals a message as it comes and stores it.
func (r *Room) keep(ctx context.Context, carrier string, tenant post.TenantID, id string, write func(io.Writer) error) (Arrival, error) {
	a := Arrival{ID: post.NewID(), Carrier: carrier, Tenant: tenant, MessageID: id, At: r.Now().UTC().Truncate(time.Microsecond)}
	sum := sha256.New()
	var err error
	a.Object, err = seal.Stream(ctx, r.Blobs, []age.Recipient{r.Dispatcher}, func(w io.Writer) error {
		err := write(&bounded{w: io.MultiWriter(w, sum), left: MaxMessage})
		if errors.Is(err, errCut) {
			a.Cut, err = true, nil
		}
		return err
	})
	if err != nil {
		return a, fmt.Errorf("keep: %w", err)
	}
	a.Digest = seal.Index(r.IndexKey, tenant, "mail", hex.EncodeToString(sum.Sum(nil)))
	e := ledger.New("mail.kept", tenant, id)
	e.Actor = carrier
	fresh, err := r.Shelf.KeepMail(ctx, a, e)
	if err != nil {
		// The commit may have succeeded although its answer was lost: the blob
		// stays, and retention removes it if no row names it.
		return a, fmt.Errorf("keep: %w", err)
	}
	if !fresh {
		r.drop(ctx, a.Object.Blob)
		return r.Shelf.KnownMail(ctx, carrier, tenant, id)
	}
	r.Log.InfoContext(ctx, "mail kept", slog.String("mail", a.ID), slog.String("message", id), slog.String("tenant", string(tenant)))
	first, err := r.Shelf.KnownMail(ctx, carrier, tenant, id)
	switch {
	case a.Cut:
		r.park(ctx, a, "too-large")
	case err == nil && first.ID != a.ID:
		r.Log.ErrorContext(ctx, "mail parked for a person", slog.String("mail", a.ID), slog.String("tenant", string(tenant)),
			slog.String("code", "other-content"), slog.String("beside", first.ID))
	}
	r.ring()
	return a, nil
}

// ring wakes [Room.Run].
func (r *Room) ring() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// drop removes sealed bytes that no record names. What it cannot remove nobody
// can read; retention removes it later.
func (r *Room) drop(ctx context.Context, blob string) {
	if err := r.Blobs.Delete(context.WithoutCancel(ctx), blob); err != nil {
		r.Log.WarnContext(ctx, "blob left behind", slog.String("blob", blob), slog.Any("error", err))
	}
}

func (r *Room) answer(ctx context.Context, s Source, a Arrival, listed bool) error {
	if err := s.Answer(ctx, a.Tenant, a.MessageID, listed && a.Answered); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if a.Answered {
		return nil
	}
	// Who looked for mail while this was written passed the row over as another's,
	// and is told of nothing else.
	defer r.ring()
	return r.Shelf.MailAnswered(ctx, a.ID)
}

// Answer tells the carriers what they do not know yet, one tenant after the other.
func (r *Room) Answer(ctx context.Context) error {
	var failed []error
	for _, s := range r.Sources {
		for _, t := range r.Tenants {
			failed = append(failed, r.answerOf(ctx, s, t.ID))
		}
	}
	return errors.Join(failed...)
}

// Push returns [Room.Take] for one carrier.
func (r *Room) Push(carrier string) func(ctx context.Context, tenant post.TenantID, id string, message io.Reader) error {
	return func(ctx context.Context, tenant post.TenantID, id string, message io.Reader) error {
		return r.Take(ctx, carrier, tenant, id, message)
	}
}
