package sqlstore_test

import (
	"errors"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// TestALetterThatIsMovedAloneMindsAHaltToo: an intent that was taken out of its group
// is not committed during a pause, and is after it.
func TestALetterThatIsMovedAloneMindsAHaltToo(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t, ctx := c.T, c.Context()
		ls, rs := c.leased(1)
		p := letter.Pause{Channel: post.Digital, Actor: "anne"}
		if err := c.s.PauseChannel(ctx, p); err != nil {
			t.Fatal(err)
		}
		before := c.seen(rs[0].ID)
		if err := c.s.MoveAlone(ctx, ls[0], intentOf(rs[0])); !errors.Is(err, dispatch.ErrRoadHalted) {
			t.Errorf("during a pause: %v", err)
		}
		if now := c.seen(rs[0].ID); now != before {
			t.Errorf("%s became %s during a pause", before, now)
		}
		if err := errors.Join(c.s.ResumeChannel(ctx, p), c.s.MoveAlone(ctx, ls[0], intentOf(rs[0]))); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}
