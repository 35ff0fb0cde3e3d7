package dispatcherapp

import (
	"context"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// How plans are looked up: beside the letters under way, so with questions that are
// few. Digital Post is asked about many at once, KombiPost about one.
const (
	bulkMost  = 100
	bulkEvery = 500 * time.Millisecond
	oneEvery  = 100 * time.Millisecond
)

// lookUps answers what desk asks about batches that wait for approval.
func (a *App) lookUps(cfg config.Dispatcher, k keys, by carriers) *lookup.Answerer {
	opener := unseal.Opener{k.identity}
	return &lookup.Answerer{Questions: a.store, Tenants: cfg.Tenants, Log: a.log, Open: opener.Small,
		Road: func(t post.TenantID) (lookup.Road, bool) { return by.lookUpRoad(cfg, t) },
		Paused: func(ctx context.Context, t post.TenantID) (bool, error) {
			all, err := a.store.Paused(ctx)
			return slices.ContainsFunc(all, func(p letter.Pause) bool {
				return (p.Tenant == "" || p.Tenant == t) && (p.Channel == "" || p.Channel == post.Digital)
			}), err
		}}
}

// lookUpRoad is how the recipients of a tenant are asked about: by the carrier that
// would have its digital letters, and by no other.
func (c carriers) lookUpRoad(cfg config.Dispatcher, t post.TenantID) (lookup.Road, bool) {
	switch _, served := cfg.DigitalPost.Systems[t]; {
	case cfg.Road(t).Digital == post.KombiPost:
		if c.kombi == nil || !c.kombi.Serves(t) {
			return lookup.Road{}, false
		}
		return lookup.Road{Most: 1, Every: gently(cfg.KombiPost.Rate, oneEvery), Ask: func(ctx context.Context, tenant post.Tenant, recipients []post.PartyRecord) []lookup.Told {
			var all []lookup.Told
			for _, r := range recipients {
				all = append(all, toldOf(c.kombi.Look(ctx, tenant, r)))
			}
			return all
		}}, true
	case c.digital == nil || !served:
		return lookup.Road{}, false
	}
	return lookup.Road{Most: bulkMost, Every: gently(cfg.DigitalPost.Rate, bulkEvery), Ask: func(ctx context.Context, tenant post.Tenant, recipients []post.PartyRecord) []lookup.Told {
		var all []lookup.Told
		for _, r := range c.digital.LookMany(ctx, tenant, recipients) {
			all = append(all, toldOf(r))
		}
		return all
	}}, true
}

// gently is the time between two questions to a carrier that is given rate
// hand-overs a second: plans take half of that at most.
func gently(rate int, least time.Duration) time.Duration {
	if rate == 0 {
		return least
	}
	return max(least, 2*time.Second/time.Duration(rate))
}

// aboutOne are the codes of unsure answers that are about the recipient. With any
// other, the directory was not reached, refused us or made no sense.
var aboutOne = []string{"not-found", "no-number", "no-subscription", "subscription-ended", "waiting-period", "UNKNOWN", "answer.ambiguous", "answer.other-party"}

func toldOf(r dispatch.Reach) lookup.Told {
	switch r.Answer {
	case dispatch.Reachable:
		return lookup.Told{Reach: lookup.Reachable, Code: r.Code}
	case dispatch.Unreachable:
		return lookup.Told{Reach: lookup.Unreachable, Code: r.Code}
	case dispatch.Unsure:
	}
	return lookup.Told{Reach: lookup.Unsure, Code: r.Code, Failed: !slices.Contains(aboutOne, r.Code)}
}
