package dispatcherapp

import (
	"context"
	"testing"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
)

// crowdedDesk is one in which the first references that are drawn are another's.
type crowdedDesk struct {
	mailroom.Desk
	taken int
	asked []string
}

func (c *crowdedDesk) TakeMail(ctx context.Context, t mailroom.Taken) error {
	c.asked = append(c.asked, t.Inquiry.Reference)
	if len(c.asked) <= c.taken {
		return intake.ErrReferenceTaken
	}
	return c.Desk.TakeMail(ctx, t)
}

func TestMailWhoseReferenceIsTakenIsTakenUnderAnotherInTheSameRound(t *testing.T) {
	m := newMailHouse(t)
	c := &crowdedDesk{Desk: m.room.Desk, taken: 2}
	m.room.Desk = c
	m.write(t, nil)
	m.round(t)
	all := m.entries(t)
	if len(all) != 1 || len(c.asked) != 3 || all[0].Reference != c.asked[2] || all[0].Reference == c.asked[0] {
		t.Fatalf("%d inquiries after the references %v", len(all), c.asked)
	}
	message, _, _, err := m.opened(t, all[0], m.dpo)
	if err != nil || message.Reference != all[0].Reference {
		t.Errorf("the DPO reads of %s in %s: %v", message.Reference, all[0].Reference, err)
	}
}
