package letter_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

type groups struct {
	waiting, timed []letter.Group
	err            error
}

func (g *groups) WaitingGroups(context.Context) ([]letter.Group, error) { return g.waiting, g.err }
func (g *groups) TimedGroups(context.Context) ([]letter.Group, error)   { return g.timed, g.err }

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
