package deskapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

// timesOperations say by which rules days and costs are reckoned.
func (s *Server) timesOperations() {
	handle(s, huma.Operation{
		OperationID: "show-times", Method: http.MethodGet, Path: "/v1/times",
		Summary: "Show the cut-off, days and costs that a municipality's letters are reckoned by", Tags: []string{"letters"},
	}, s.showTimes)
}

func (s *Server) showTimes(_ context.Context, c *call, in *struct {
	Tenant string `query:"tenant" maxLength:"60" doc:"the municipality; your own when absent, an operator has none"`
}) (*answer[wire.Times], error) {
	id, err := post.TenantID(in.Tenant), error(nil)
	if c.client.Role != config.RoleOperator {
		if id, err = c.tenant(in.Tenant); err != nil {
			return nil, err
		}
	}
	for _, t := range s.c.Tenants {
		if t.ID == id {
			out := timesOf(t)
			out.Preflight = string(s.c.Preflight.Depth(t.ID))
			return &answer[wire.Times]{out}, nil
		}
	}
	return nil, post.FaultTenant
}

func timesOf(t post.Tenant) wire.Times {
	by := t.PaperBy
	if by == "" {
		by = post.UsualCarrier(post.Physical)
	}
	f := t.TimesBy("").Filled()
	return wire.Times{Tenant: string(t.ID), Carrier: string(by), Cutoff: f.Cutoff, ProduceDays: f.Produce, PaperDays: f.Paper,
		DigitalDays: f.Digital, PersonDays: f.Person, Registered: t.Registered,
		Digital: t.Costs.Digital, Paper: t.Costs.Paper, ByRegistered: t.Costs.Registered}
}
