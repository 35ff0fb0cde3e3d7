package deskapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
)

// lookUpOperations tell who of a batch could be reached; a dispatcher asks.
func (s *Server) lookUpOperations() {
	ask := huma.Operation{OperationID: "ask-look-up", Method: http.MethodPost, Path: "/v1/batches/{id}/look-up",
		Summary: "Look up who of a batch that waits for approval could be reached digitally; within an hour the same answers are found", Tags: []string{"batches"}, DefaultStatus: http.StatusAccepted}
	handle(s, ask, s.askLookUp)
	handle(s, huma.Operation{OperationID: "show-look-up", Method: http.MethodGet, Path: "/v1/batches/{id}/look-up",
		Summary: "Show what the look-up of a batch found, as far as it is", Tags: []string{"batches"}}, s.showLookUp)
}

func (s *Server) askLookUp(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Body struct{}
}) (*answer[wire.LookUp], error) {
	id, err := in.batch()
	if err != nil {
		return nil, err
	}
	v, err := s.c.LookUps.Ask(ctx, c.client.Tenant, id, c.client.ID)
	if err != nil {
		return nil, err
	}
	return &answer[wire.LookUp]{lookUpOf(v, nil, 0)}, nil
}

func (s *Server) showLookUp(ctx context.Context, c *call, in *struct {
	Target
	After int `query:"after" minimum:"0" doc:"the last line of the page before"`
	Limit int `query:"limit" minimum:"0" maximum:"1000" doc:"lines of the page; 0: the counts alone"`
}) (*answer[wire.LookUp], error) {
	id, err := in.batch()
	if err != nil {
		return nil, err
	}
	v, err := s.c.LookUps.Show(ctx, c.client.Tenant, id)
	if err != nil {
		return nil, err
	}
	var items []lookup.Item
	if in.Limit > 0 && in.After < len(v.Answers) {
		if items, err = s.c.LookUps.Drawer.LookUpItems(ctx, c.client.Tenant, id, in.After, in.Limit); err != nil {
			return nil, err
		}
	}
	return &answer[wire.LookUp]{lookUpOf(v, items, in.Limit)}, nil
}

func lookUpOf(v lookup.View, items []lookup.Item, limit int) wire.LookUp {
	out := wire.LookUp{Batch: string(v.Batch), AskedAt: v.AskedAt, GoneAt: v.AskedAt.Add(lookup.Life), Lines: v.Lines, Looked: len(v.Answers),
		Done: v.Done(), Ended: string(v.Ended), Says: v.Ended.Says(), Items: []wire.LookedLine{}}
	count := map[lookup.Expected]*int{lookup.Digital: &out.Digital, lookup.Paper: &out.Paper, lookup.NoAddress: &out.NoAddress, lookup.Open: &out.Unsure}
	for _, a := range v.Answers {
		*count[a.Expect()]++
	}
	for _, i := range items {
		if i.Line > len(v.Answers) {
			break
		}
		a := v.Answers[i.Line-1]
		out.Items = append(out.Items, wire.LookedLine{Line: i.Line, Expected: string(a.Expect()), Address: a.Address, Registered: i.Registered, ArriveBy: string(i.Arrive)})
	}
	if n := len(out.Items); n > 0 && n == limit && out.Items[n-1].Line < len(v.Answers) {
		out.After = out.Items[n-1].Line
	}
	return out
}
