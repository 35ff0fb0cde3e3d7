// Package papercheck makes the preflight of paper from a configuration: the
// rules of each tenant, and poppler where somebody demands that pages are looked
// at. Without that demand poppler need not be installed; with it, and without
// poppler, no program starts ([post.FaultNoRenderer]).
package papercheck

import (
	"context"
	"log/slog"

	"sikkerpost.dk/gateway/adapters/poppler"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

// New returns a checker of the tenants named, or nil when none is.
func New(paper map[post.TenantID]config.Paper) (*preflight.Checker, error) {
	if len(paper) == 0 {
		return nil, nil
	}
	c := preflight.Config{Rules: map[post.TenantID]preflight.Rules{}}
	render := false
	for id, p := range paper {
		c.Rules[id] = preflight.Rules{Render: p.Render, Window: preflight.Window(p.Window), MaxPages: p.MaxPages, Margin: p.Margin}
		render = render || p.Render
	}
	if render {
		eyes, err := poppler.Open(poppler.Config{})
		if err != nil {
			return nil, post.FaultNoRenderer.Because(err)
		}
		c.Eyes = eyes
	}
	return preflight.New(c)
}

// Say reports the tenants whose letters go on paper and are not looked at, or of
// which nobody looks at the pages: that is the operator's choice, and never a
// silent one.
func Say(ctx context.Context, log *slog.Logger, paper map[post.TenantID]config.Paper, tenants []post.Tenant) {
	var off, structure []string
	for _, t := range tenants {
		switch p, named := paper[t.ID]; {
		case !named:
			off = append(off, string(t.ID))
		case !p.Render:
			structure = append(structure, string(t.ID))
		}
	}
	_, err := poppler.Open(poppler.Config{})
	installed := slog.Bool("poppler", err == nil)
	if len(off) > 0 {
		log.WarnContext(ctx, "paper not checked", slog.Any("tenants", off), installed, slog.String("cure", "docs/paper.md: name them under paper"))
	}
	if len(structure) > 0 {
		log.WarnContext(ctx, "pages on paper not looked at", slog.Any("tenants", structure), installed, slog.String("cure", "docs/paper.md: render"))
	}
}
