package dispatch

import (
	"context"
	"errors"
	"fmt"

	"sikkerpost.dk/gateway/internal/post"
)

// Threads knows what a reply to an inquiry must give back, when the inquiry came
// as a carrier's message.
type Threads interface {
	// InquiryThread returns the id of that message and the thread that it left,
	// sealed to the dispatcher; or [post.ErrNotFound]. Neither ever changes.
	InquiryThread(ctx context.Context, id post.InquiryID) (messageID string, sealed []byte, err error)
}

// thread returns the thread that r continues, or nil. It is part of the form, so
// that a thread that cannot be read now is not left out.
func (a *Advancer) thread(ctx context.Context, r Record) ([]byte, error) {
	if a.Threads == nil || r.Inquiry == "" || r.DigitalOnly || r.Channel != post.Digital {
		return nil, nil
	}
	_, sealed, err := a.Threads.InquiryThread(ctx, r.Inquiry)
	if errors.Is(err, post.ErrNotFound) || err == nil && len(sealed) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read thread: %w", err)
	}
	clear, err := a.Opener.Small(sealed)
	if err != nil {
		return nil, fmt.Errorf("open thread: %w", err)
	}
	return clear, nil
}
