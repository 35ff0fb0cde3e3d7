package deskapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// decideOperations are what people decide: about one letter, or about a channel.
func (s *Server) decideOperations() {
	op := func(id, method, path, summary, tag string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag}}
	}
	handle(s, op("decide-letter", http.MethodPost, "/v1/letters/{id}/decisions", "Decide about a letter; what could deliver it twice is refused", "letters"), s.decideLetter)
	handle(s, op("explain-letter", http.MethodGet, "/v1/letters/{id}/explanation", "Explain from stored evidence why a letter is where it is", "letters"), s.explainLetter)
	handle(s, op("pause-channel", http.MethodPost, "/v1/channels/pause", "Halt hand-overs; letters are still taken in", "channels"), s.pauseChannel)
	handle(s, op("resume-channel", http.MethodPost, "/v1/channels/resume", "Let hand-overs go on", "channels"), s.resumeChannel)
	handle(s, op("list-pauses", http.MethodGet, "/v1/channels/pauses", "List what is halted", "channels"), s.listPauses)
}

// caseDecisions are what a case system may decide by itself: neither can put a
// letter on another channel or end its road.
var caseDecisions = map[letter.Decision]bool{letter.Cancel: true, letter.Retry: true}

func (s *Server) decideLetter(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Body wire.Decide
}) (*answer[wire.Decided], error) {
	l, err := s.named(ctx, c, in.Target)
	if err != nil {
		return nil, err
	}
	d := letter.Decision(in.Body.Decision)
	if c.client.Role == config.RoleCase && !caseDecisions[d] {
		return nil, wrongRole(c.client.Role, config.RoleApprover)
	}
	to, err := s.c.Letters.Decide(ctx, letter.Decided{Tenant: c.client.Tenant, Letter: l, Actor: c.client.ID, Decision: d})
	if err != nil {
		return nil, err
	}
	return &answer[wire.Decided]{wire.Decided{ID: string(l), State: string(to)}}, nil
}

func (s *Server) explainLetter(ctx context.Context, c *call, in *Target) (*answer[wire.Explanation], error) {
	l, err := s.named(ctx, c, *in)
	if err != nil {
		return nil, err
	}
	e, err := s.c.Letters.Explain(ctx, c.sees(), l)
	if err != nil {
		return nil, err
	}
	out := wire.Explanation{ID: string(e.ID), State: string(e.State), Since: e.Since, Code: e.Code, Channel: string(e.Channel), Why: e.Why, Next: e.Next, Facts: []wire.Reason{}}
	for _, f := range e.Facts {
		out.Facts = append(out.Facts, wire.Reason(f))
	}
	if d := e.Deadline; d != nil {
		out.Deadline = &wire.Deadline{ArriveBy: string(d.Arrive), Timing: string(d.Timing), DigitalBefore: d.DigitalBefore, PaperBy: d.PaperBy, AskAt: d.AskAt, Says: d.Says}
	}
	return &answer[wire.Explanation]{out}, nil
}

type pauseInput struct {
	WriteKey
	Body wire.PauseSet
}

// pause names what the client may halt: its own municipality, or for an
// operator any or all.
func (s *Server) pause(c *call, in wire.PauseSet) (letter.Pause, error) {
	p := letter.Pause{Tenant: c.client.Tenant, Channel: post.Channel(in.Channel), Actor: c.client.ID}
	if c.client.Role != config.RoleOperator {
		var err error
		p.Tenant, err = c.tenant(in.Tenant)
		return p, err
	}
	if p.Tenant = post.TenantID(in.Tenant); p.Tenant != "" && !s.tenants[p.Tenant] {
		return p, post.FaultTenant
	}
	return p, nil
}

func (s *Server) pauseChannel(ctx context.Context, c *call, in *pauseInput) (*answer[wire.Pauses], error) {
	p, err := s.pause(c, in.Body)
	if err == nil {
		err = s.c.Pauses.PauseChannel(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return s.listPauses(ctx, c, nil)
}

func (s *Server) resumeChannel(ctx context.Context, c *call, in *pauseInput) (*answer[wire.Pauses], error) {
	p, err := s.pause(c, in.Body)
	if err == nil {
		err = s.c.Pauses.ResumeChannel(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return s.listPauses(ctx, c, nil)
}

func (s *Server) listPauses(ctx context.Context, c *call, _ *struct{}) (*answer[wire.Pauses], error) {
	all, err := s.c.Pauses.Paused(ctx)
	if err != nil {
		return nil, err
	}
	out := wire.Pauses{Items: []wire.Pause{}}
	for _, p := range all {
		if sees := c.sees(); sees == "" || p.Tenant == "" || p.Tenant == sees {
			out.Items = append(out.Items, wire.Pause{Tenant: string(p.Tenant), Channel: string(p.Channel), Actor: string(p.Actor), At: p.At})
		}
	}
	return &answer[wire.Pauses]{out}, nil
}
