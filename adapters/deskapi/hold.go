package deskapi

import (
	"context"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// listLetters pages through the letters that the client may see. It knows ids,
// states and times only.
func (s *Server) listLetters(ctx context.Context, c *call, in *struct {
	State       string    `query:"state" maxLength:"40"`
	NeedsPerson bool      `query:"needs_person" doc:"only letters that wait for somebody: needs-person and returned"`
	Held        bool      `query:"held" doc:"only letters on hold"`
	Tenant      string    `query:"tenant" maxLength:"32" doc:"of one municipality; an operator may name any"`
	Carrier     string    `query:"carrier" maxLength:"32" doc:"only letters whose present hand-over this carrier has"`
	Since       time.Time `query:"since" doc:"only letters that came to their state then or later"`
	Late        bool      `query:"late" doc:"only letters that somebody should look at now: they wait for a person, or their carrier is silent, for too long, or their latest day is in danger; a page may be short and have a next one"`
	Oldest      bool      `query:"oldest" doc:"in the order in which they came to their state; else by id"`
	After       string    `query:"after" maxLength:"64"`
	Limit       int       `query:"limit" minimum:"1" maximum:"1000" doc:"100 when absent"`
}) (*answer[wire.Letters], error) {
	f := letter.Filter{Tenant: c.sees(), State: post.LetterState(in.State), Waiting: in.NeedsPerson, Held: in.Held, Oldest: in.Oldest, Limit: in.Limit,
		Carrier: post.Carrier(in.Carrier), Since: in.Since}
	if f.Carrier != "" && !f.Carrier.Known() {
		return nil, post.FaultCarrierUnknown
	}
	if in.Tenant != "" {
		t := post.TenantID(in.Tenant)
		switch {
		case !s.tenants[t]:
			return nil, post.FaultTenant
		case f.Tenant != "" && f.Tenant != t:
			return nil, post.FaultTenantNotYours
		}
		f.Tenant = t
	}
	if in.After != "" {
		if !post.ValidUUID(in.After) {
			return nil, post.FaultNotFound
		}
		f.After = post.LetterID(strings.ToLower(in.After))
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	var page []letter.View
	var next post.LetterID
	var err error
	if in.Late {
		page, next, err = s.c.Letters.ListLate(ctx, f)
	} else if page, err = s.c.Letters.List(ctx, f); len(page) == f.Limit {
		next = page[len(page)-1].ID
	}
	if err != nil {
		return nil, err
	}
	out := wire.Letters{Items: []wire.LetterView{}, Next: string(next)}
	for _, v := range page {
		out.Items = append(out.Items, letterOf(v))
	}
	return &answer[wire.Letters]{out}, nil
}

type holdInput struct {
	Target
	WriteKey
	Body wire.HoldSet
}

func (s *Server) hold(ctx context.Context, c *call, in *holdInput) (letter.Hold, error) {
	l, err := s.named(ctx, c, in.Target)
	return letter.Hold{Tenant: c.sees(), Letter: l, Actor: c.client.ID, Reason: post.HoldReason(in.Body.Reason)}, err
}

func (s *Server) holdLetter(ctx context.Context, c *call, in *holdInput) (*answer[wire.Held], error) {
	h, err := s.hold(ctx, c, in)
	if err != nil {
		return nil, err
	}
	since, err := s.c.Letters.Hold(ctx, h)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Held]{wire.Held{ID: string(h.Letter), Held: true, Since: since, Reason: in.Body.Reason}}, nil
}

func (s *Server) unholdLetter(ctx context.Context, c *call, in *holdInput) (*answer[wire.Held], error) {
	h, err := s.hold(ctx, c, in)
	if err != nil {
		return nil, err
	}
	if err := s.c.Letters.Unhold(ctx, h); err != nil {
		return nil, err
	}
	return &answer[wire.Held]{wire.Held{ID: string(h.Letter), Reason: in.Body.Reason}}, nil
}
