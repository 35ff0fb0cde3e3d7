package dispatcherapp

import (
	"context"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// A clear answer that comes while we are being shut down is an answer: it is
// recorded, and nothing is sent again to find out.
func TestAnAnswerCountsThoughOurOwnTimeIsUp(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[dispatch.Verdict]post.LetterState{
		dispatch.Taken: post.LetterHandedOver, dispatch.RefusedContent: post.LetterNeedsPerson, dispatch.Unknown: post.LetterOutcomeUnknown,
	} {
		h := newHouse(t)
		id := h.submit("k1")
		ctx, end := context.WithCancel(t.Context())
		h.digital.answer = func(int, dispatch.Job) dispatch.Verdict {
			end()
			return verdict
		}
		if err := h.advancer(h.store).Advance(ctx, id); err != nil {
			t.Errorf("%s: %v", verdict, err)
		}
		h.want(id, want)
		if h.digital.calls != 1 {
			t.Errorf("%s: %d hand-overs", verdict, h.digital.calls)
		}
	}
}
