package letter_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

type groups struct {
	waiting, timed []letter.Group
	letters        []letter.View
	err            error
}

func (g *groups) WaitingGroups(context.Context) ([]letter.Group, error) { return g.waiting, g.err }
func (g *groups) TimedGroups(context.Context) ([]letter.Group, error)   { return g.timed, g.err }

func (g *groups) LetterList(_ context.Context, f letter.Filter) (all []letter.View, err error) {
	for _, v := range g.letters {
		if v.State == f.State && v.Since.Before(f.AtWork) && len(all) < f.Limit { // as far as these tests go
			all = append(all, v)
		}
	}
	return all, g.err
}

type gauge map[string]float64

func (g gauge) Set(tenant post.TenantID, word string, v float64) { g[string(tenant)+" "+word] = v }
func (g gauge) Reset()                                           { clear(g) }

func TestTheWatchReportsWhatWaitsTooLongAndWhatRunsOutOfTime(t *testing.T) {
	var log bytes.Buffer
	now := at("2026-11-24 09:00")
	g := &groups{}
	waiting, oldest, timing := gauge{}, gauge{}, gauge{}
	w, err := letter.NewWatch(letter.WatchConfig{Groups: g, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now },
		Tenants: []post.Tenant{{ID: "engdal", Times: post.LetterTimes{Paper: 5, Person: 2}}}, Waiting: waiting, Oldest: oldest, Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	step := func(want string, not ...string) {
		t.Helper()
		log.Reset()
		if err := w.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if said := log.String(); want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
		for _, n := range not {
			if strings.Contains(log.String(), n) {
				t.Errorf("said %q", n)
			}
		}
	}
	step("")
	g.waiting = []letter.Group{{Tenant: "engdal", State: post.LetterNeedsPerson, Count: 3, Oldest: at("2026-11-23 09:00")}}
	step("") // a day of two
	if waiting["engdal needs-person"] != 3 || oldest["engdal needs-person"] != 24*3600 {
		t.Errorf("gauges %v, %v", waiting, oldest)
	}
	now = at("2026-11-25 13:00")
	step("letters wait for a person")
	step("") // said already
	g.waiting[0].Count = 4
	step("letters=4")
	now = now.Add(61 * time.Minute)
	step("letters wait for a person")

	g.waiting = nil
	g.timed = []letter.Group{
		{Tenant: "engdal", State: post.LetterAwaitingLookup, Arrive: "2026-12-02", Count: 5}, // asked from the 23rd: Closing
		{Tenant: "engdal", State: post.LetterHeld, Arrive: "2026-12-02", Count: 2},
		{Tenant: "engdal", State: post.LetterPosted, Channel: post.Physical, Arrive: "2026-11-25", Count: 9}, // on its way
		{Tenant: "other", State: post.LetterReady, Arrive: "2026-11-23", Count: 1},                           // over
	}
	now = at("2026-11-25 11:00")
	step("timing=paper-closing letters=7 first_day=2026-12-02", "on-its-way")
	if timing["engdal paper-closing"] != 7 || timing["other too-late"] != 1 || len(timing) != 2 {
		t.Errorf("gauge %v", timing)
	}
	g.timed = nil
	step("")
	if len(timing) != 0 || len(waiting) != 0 {
		t.Errorf("what is over still stands: %v, %v", timing, waiting)
	}
	g.err = errors.New("down")
	if err := w.Step(t.Context()); err == nil {
		t.Error("a failure was swallowed")
	}
}

func TestTheWatchReportsLettersThatDoNotGetOn(t *testing.T) {
	var log bytes.Buffer
	now := at("2026-11-24 09:00")
	g, stalled := &groups{}, gauge{}
	w, err := letter.NewWatch(letter.WatchConfig{Groups: g, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }, Stalled: stalled})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		at   string
		vs   []letter.View
		said string
		want map[string]float64
	}{
		{"an hour", "2026-11-24 09:00", []letter.View{{Tenant: "engdal", State: post.LetterRouted, Since: at("2026-11-24 08:00")}}, "", map[string]float64{}},
		{"looked a minute ago", "2026-11-24 09:01", []letter.View{{Tenant: "engdal", State: post.LetterRouted, Since: at("2026-11-20 08:00")}}, "", map[string]float64{}},
		{"days", "2026-11-24 09:10", []letter.View{{Tenant: "engdal", State: post.LetterRouted, Since: at("2026-11-23 08:00")}, {Tenant: "engdal", State: post.LetterRouted, Since: at("2026-11-22 09:10")},
			{Tenant: "other", State: post.LetterReady, Since: at("2026-11-22 09:10")}},
			"tenant=engdal state=routed letters=2 oldest=48h0m0s", map[string]float64{"engdal routed": 2, "other ready": 1}},
		{"said already", "2026-11-24 09:20", []letter.View{{Tenant: "engdal", State: post.LetterRouted, Since: at("2026-11-22 08:00")}}, "", map[string]float64{"engdal routed": 1}},
		{"an hour later", "2026-11-24 10:30", []letter.View{{Tenant: "engdal", State: post.LetterRouted, Since: at("2026-11-22 08:00")}}, "letters do not get on", map[string]float64{"engdal routed": 1}},
		{"they went", "2026-11-24 10:40", nil, "", map[string]float64{}},
	} {
		log.Reset()
		now, g.letters = at(c.at), c.vs
		if err := w.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if said := log.String(); c.said == "" && said != "" || !strings.Contains(said, c.said) {
			t.Errorf("%s: said %q, want %q", c.name, said, c.said)
		}
		if !maps.Equal(map[string]float64(stalled), c.want) {
			t.Errorf("%s: the gauge is %v, want %v", c.name, stalled, c.want)
		}
	}
}
