package dispatch

import (
	"context"
	"errors"
	"fmt"

	"sikkerpost.dk/gateway/internal/post"
)

// A Carrier is one who carries letters, and what it can do for us.
type Carrier struct {
	Name     post.Carrier
	Channels map[post.Channel]Channel // those it carries
	// Directory answers who can receive Digital Post; nil: this carrier cannot
	// be asked.
	Directory Directory
	// Serves reports whether it works for a tenant; nil: for every one.
	Serves func(post.TenantID) bool
}

// A Way names who carries a tenant's letters; "" is [post.UsualCarrier].
type Way struct{ Digital, Physical post.Carrier }

// Roads knows the carriers and which of them each tenant has chosen. The choice
// holds for hand-overs whose intent is not committed yet; a committed one stays
// with the carrier that it names, whatever is chosen later, for the same letter
// by two carriers is two letters. It is safe for concurrent use.
type Roads struct {
	carriers map[post.Carrier]Carrier
	ways     map[post.TenantID]Way
}

var _ Directory = (*Roads)(nil)

// NewRoads returns the roads, or an error that names every gap: a carrier given
// twice or without channels, a way by a carrier that is missing, does not serve
// that tenant, or does not carry that channel.
func NewRoads(carriers []Carrier, ways map[post.TenantID]Way) (*Roads, error) {
	r := &Roads{carriers: map[post.Carrier]Carrier{}, ways: ways}
	var gaps []error
	for _, c := range carriers {
		if _, twice := r.carriers[c.Name]; twice || c.Name == "" || len(c.Channels) == 0 {
			gaps = append(gaps, fmt.Errorf("dispatch: carrier %q is given twice or carries nothing", c.Name))
		}
		r.carriers[c.Name] = c
	}
	for tenant := range ways {
		for _, ch := range []post.Channel{post.Digital, post.Physical} {
			if r.Channel(tenant, ch, r.Chosen(tenant, ch)) == nil {
				gaps = append(gaps, fmt.Errorf("dispatch: %s does not carry %s for tenant %s", r.Chosen(tenant, ch), ch, tenant))
			}
		}
		if r.carriers[r.Chosen(tenant, post.Digital)].Directory == nil {
			gaps = append(gaps, fmt.Errorf("dispatch: %s cannot be asked who is reachable for tenant %s", r.Chosen(tenant, post.Digital), tenant))
		}
	}
	return r, errors.Join(gaps...)
}

// Straight returns the roads of a house where each channel has one carrier, the
// usual one, for every tenant.
func Straight(channels map[post.Channel]Channel) *Roads {
	r := &Roads{carriers: map[post.Carrier]Carrier{}}
	for ch, c := range channels {
		name := post.UsualCarrier(ch)
		r.carriers[name] = Carrier{Name: name, Channels: map[post.Channel]Channel{ch: c}}
	}
	return r
}

// Chosen returns who carries letters of tenant on ch from now on.
func (r *Roads) Chosen(tenant post.TenantID, ch post.Channel) post.Carrier {
	w, name := r.ways[tenant], post.Carrier("")
	switch ch {
	case post.Digital:
		name = w.Digital
	case post.Physical:
		name = w.Physical
	}
	if name == "" {
		return post.UsualCarrier(ch)
	}
	return name
}

// Channel returns the carrier of that name for letters of tenant on ch; nil when
// it is gone, no longer carries ch, or no longer serves tenant.
func (r *Roads) Channel(tenant post.TenantID, ch post.Channel, name post.Carrier) Channel {
	c := r.carriers[name]
	if c.Serves != nil && !c.Serves(tenant) {
		return nil
	}
	return c.Channels[ch]
}

// Look implements [Directory]: it asks the carrier that would carry the letter
// digitally, for nobody else's answer says whether that one delivers.
func (r *Roads) Look(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) Reach {
	c := r.carriers[r.Chosen(tenant.ID, post.Digital)]
	if c.Directory == nil || c.Serves != nil && !c.Serves(tenant.ID) {
		return Reach{Answer: Unsure, Code: codeCarrierGone}
	}
	return c.Directory.Look(ctx, tenant, recipient)
}

// codeCarrierGone says that a hand-over's carrier is not here any more. Another
// one would deliver a second letter, so a person is asked.
const codeCarrierGone = "carrier-gone"
