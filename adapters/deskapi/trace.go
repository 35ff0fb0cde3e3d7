package deskapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

// traceOperations ask carriers about a letter; a dispatcher carries it out.
func (s *Server) traceOperations() {
	ask := huma.Operation{OperationID: "ask-trace", Method: http.MethodPost, Path: "/v1/letters/{id}/traces",
		Summary: "Ask a letter's carriers what they know of it", Tags: []string{"letters"}, DefaultStatus: http.StatusAccepted}
	handle(s, ask, s.askTrace)
	handle(s, huma.Operation{OperationID: "show-trace", Method: http.MethodGet, Path: "/v1/letters/{id}/traces/{trace}",
		Summary: "Show what carriers told of a letter", Tags: []string{"letters"}}, s.showTrace)
}

func (s *Server) askTrace(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Body struct{}
}) (*answer[wire.TraceAsked], error) {
	l, err := s.named(ctx, c, in.Target)
	if err != nil {
		return nil, err
	}
	id, err := s.c.Traces.Ask(ctx, c.client.ID, l)
	if err != nil {
		return nil, err
	}
	return &answer[wire.TraceAsked]{wire.TraceAsked{ID: id, Letter: string(l)}}, nil
}

func (s *Server) showTrace(ctx context.Context, c *call, in *struct {
	Target
	Trace string `path:"trace" maxLength:"64"`
}) (*answer[wire.Trace], error) {
	l, err := s.named(ctx, c, in.Target)
	if err == nil && !post.ValidUUID(in.Trace) {
		err = post.FaultNotFound
	}
	if err != nil {
		return nil, err
	}
	told, done, err := s.c.Traces.Questions.FindTrace(ctx, l, strings.ToLower(in.Trace))
	if err != nil {
		return nil, err
	}
	out := wire.Trace{Letter: string(l), Done: done, Told: []wire.TraceTold{}}
	for _, t := range told {
		w := wire.TraceTold{MessageID: t.MessageID, Carrier: string(t.Carrier), Says: t.Says, Steps: []wire.TraceStep{}}
		for _, step := range t.Steps {
			w.Steps = append(w.Steps, wire.TraceStep(step))
		}
		out.Told = append(out.Told, w)
	}
	return &answer[wire.Trace]{out}, nil
}
