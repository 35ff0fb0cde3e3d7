package deskapi

import (
	"context"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// listLetters pages through the letters that the client may see. It knows ids,
// states and times only.
func (s *Server) listLetters(ctx context.Context, c *call, in *struct {
	State       string `query:"state" maxLength:"40"`
	NeedsPerson bool   `query:"needs_person" doc:"only letters that wait for somebody: needs-person and returned"`
	Held        bool   `query:"held" doc:"only letters on hold"`
	Oldest      bool   `query:"oldest" doc:"in the order in which they came to their state; else by id"`
	After       string `query:"after" maxLength:"64"`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" doc:"100 when absent"`
}) (*answer[wire.Letters], error) {
	f := letter.Filter{Tenant: c.sees(), State: post.LetterState(in.State), Waiting: in.NeedsPerson, Held: in.Held, Oldest: in.Oldest, Limit: in.Limit}
	if in.After != "" {
		if !post.ValidUUID(in.After) {
			return nil, post.FaultNotFound
		}
		f.After = post.LetterID(strings.ToLower(in.After))
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	page, err := s.c.Letters.List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := wire.Letters{Items: []wire.LetterView{}}
	for _, v := range page {
		out.Items = append(out.Items, letterOf(v))
	}
	if len(page) == f.Limit {
		out.Next = string(page[len(page)-1].ID)
	}
	return &answer[wire.Letters]{out}, nil
}

type holdInput struct {
	Target
	WriteKey
	Body wire.HoldSet
}

func (in *holdInput) hold(c *call) (letter.Hold, error) {
	l, err := in.letter()
	return letter.Hold{Tenant: c.sees(), Letter: l, Actor: c.client.ID, Reason: post.HoldReason(in.Body.Reason)}, err
}

func (s *Server) holdLetter(ctx context.Context, c *call, in *holdInput) (*answer[wire.Held], error) {
	h, err := in.hold(c)
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
	h, err := in.hold(c)
	if err != nil {
		return nil, err
	}
	if err := s.c.Letters.Unhold(ctx, h); err != nil {
		return nil, err
	}
	return &answer[wire.Held]{wire.Held{ID: string(h.Letter), Reason: in.Body.Reason}}, nil
}
