package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"sikkerpost.dk/gateway/internal/post"
)

// A Reader reads a carrier's word once more from its own form, by the rules of
// today: what could not be read when it came may be readable since.
type Reader interface {
	Carrier() string
	// Reread returns what old.Raw, in clear, says now, at old.At where it names no
	// time; Unreadable when it is no better. Which event it is, old says. An error
	// is ours, not the receipt's: it is tried again later.
	Reread(ctx context.Context, old Receipt) (Receipt, error)
}

// Unread is where receipts lie that are to be read again. Each method is one
// transaction.
type Unread interface {
	// UnreadReceipts returns up to n of them behind the first skip, the first that
	// came first, Raw as it is stored.
	UnreadReceipts(ctx context.Context, skip, n int) ([]Receipt, error)
	// PutReread stores what a receipt says now, and lets it wait to be matched; or
	// parks it again for reason. It does nothing to one that is not to be read
	// again any more.
	PutReread(ctx context.Context, r Receipt, reason string) error
}

// Rereader reads receipts again that a person lets be tried once more. It moves
// no letter: what became readable is matched like any other.
type Rereader struct {
	Unread  Unread
	Open    func(ctx context.Context, sealed []byte) ([]byte, error)
	Readers []Reader
	Log     *slog.Logger
}

// rereadAtOnce is how many are in memory at once.
const rereadAtOnce = 20

// Step reads all that is there. One that fails for a fault of ours stays where it
// is and keeps none of the others waiting.
//
// Crash: it is read again; what was stored for it stays stored.
func (r *Rereader) Step(ctx context.Context) error {
	var errs []error
	for ctx.Err() == nil {
		some, err := r.Unread.UnreadReceipts(ctx, len(errs), rereadAtOnce)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("list receipts to read again: %w", err))...)
		}
		for _, old := range some {
			if err := r.one(ctx, old); err != nil {
				errs = append(errs, fmt.Errorf("read receipt %s of %s again: %w", old.EventID, old.Carrier, err))
			}
		}
		if len(some) < rereadAtOnce {
			break
		}
	}
	return errors.Join(errs...)
}

func (r *Rereader) one(ctx context.Context, old Receipt) error {
	now, err := r.read(ctx, old)
	if err != nil {
		return err
	}
	now = tidy(now)
	now.Carrier, now.EventID, now.Raw = old.Carrier, old.EventID, nil
	reason := ""
	if now.Kind == Unreadable {
		now, reason = old, "unreadable"
	}
	if err := r.Unread.PutReread(ctx, now, reason); err != nil {
		return err
	}
	r.Log.InfoContext(ctx, "receipt read again", slog.String("carrier", old.Carrier), slog.String("event", old.EventID), slog.String("kind", string(now.Kind)))
	return nil
}

// read returns what old says now. One whose carrier is not here any more, or
// whose form was purged, is as unreadable as it was.
func (r *Rereader) read(ctx context.Context, old Receipt) (Receipt, error) {
	for _, reader := range r.Readers {
		if reader.Carrier() != old.Carrier || len(old.Raw) == 0 {
			continue
		}
		clear, err := r.Open(ctx, old.Raw)
		if err != nil {
			return old, fmt.Errorf("open: %w", err)
		}
		in := old
		in.Raw = clear
		now, err := reader.Reread(ctx, in)
		if err == nil && now.Kind != Unreadable && !post.ValidUUID(now.MessageID) {
			now.Kind = Unreadable // it names no hand-over
		}
		return now, err
	}
	return old, nil
}
