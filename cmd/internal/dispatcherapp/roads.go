package dispatcherapp

import (
	"context"
	"log/slog"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/cmd/internal/papercheck"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// carriers are those that are configured, whether or not a tenant's road goes by
// them now: what was begun with one is ended with it. Others are nil.
type carriers struct {
	digital *digitalpost.Client
	house   *printhouse.House
	kombi   *kombipost.Client
}

func openCarriers(cfg config.Dispatcher, log *slog.Logger) (c carriers, err error) {
	papercheck.Say(context.Background(), log, cfg.Paper, cfg.Tenants)
	if cfg.DigitalPost.BaseURL != "" {
		if c.digital, err = digitalClient(cfg.DigitalPost, log); err != nil {
			return c, err
		}
	}
	if cfg.PrintHouse != (config.PrintHouse{}) {
		if c.house, err = printHouse(cfg.PrintHouse, cfg.Paper, log); err != nil {
			return c, err
		}
	}
	if cfg.KombiPost.ServiceURL != "" {
		c.kombi, err = kombiClient(cfg, log)
	}
	return c, err
}

// roads returns the way of each tenant by the carriers that are here.
func (c carriers) roads(cfg config.Dispatcher) (*dispatch.Roads, error) {
	var all []dispatch.Carrier
	if c.digital != nil {
		all = append(all, dispatch.Carrier{Name: post.DigitalPost, Directory: c.digital,
			Channels: map[post.Channel]dispatch.Channel{post.Digital: c.digital},
			Serves:   func(t post.TenantID) bool { _, ok := cfg.DigitalPost.Systems[t]; return ok }})
	}
	if c.house != nil {
		all = append(all, dispatch.Carrier{Name: post.PrintHouse, Channels: map[post.Channel]dispatch.Channel{post.Physical: c.house}})
	}
	if c.kombi != nil {
		all = append(all, dispatch.Carrier{Name: post.KombiPost, Directory: c.kombi, Serves: c.kombi.Serves,
			Channels: map[post.Channel]dispatch.Channel{post.Digital: c.kombi, post.Physical: c.kombi}})
	}
	ways := map[post.TenantID]dispatch.Way{}
	for _, t := range cfg.Tenants {
		ways[t.ID] = dispatch.Way(cfg.Road(t.ID))
	}
	return dispatch.NewRoads(all, ways)
}

// rates are how many hand-overs a second each carrier is given.
func rates(cfg config.Dispatcher) map[post.Carrier]float64 {
	return map[post.Carrier]float64{
		post.DigitalPost: float64(cfg.DigitalPost.Rate), post.PrintHouse: float64(cfg.PrintHouse.Rate), post.KombiPost: float64(cfg.KombiPost.Rate),
	}
}

// sources are where receipts are fetched; KombiPost's come by roads of their own.
func (c carriers) sources() []track.Source {
	var all []track.Source
	if c.digital != nil {
		all = append(all, c.digital.Sources()...) // a municipality's that hangs delays no other's
	}
	if c.house != nil {
		all = append(all, c.house)
	}
	return all
}
