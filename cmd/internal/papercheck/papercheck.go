// Package papercheck makes the preflight of paper from a configuration: the
// rules of each tenant, and poppler where somebody demands that pages are looked
// at. Without that demand poppler need not be installed; with it, and without
// poppler, no program starts ([post.FaultNoRenderer]).
package papercheck

import (
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
