package dispatcherapp

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// someOf makes every third line Poul's, who is exempt; the last one of them has no
// address.
func someOf(ls []batch.Line) {
	last := 0
	for i := range ls {
		if i%3 == 1 {
			ls[i].Recipient, last = *recipient("poul"), i
		}
	}
	ls[last].Recipient.Address = nil
}

// planHouse is a house that looks up for plans by real clients of simulated carriers.
type planHouse struct {
	*house
	plans *lookup.Desk
	steps *lookup.Answerer
	log   bytes.Buffer
}

func newPlanHouse(h *house, cfg config.Dispatcher, by carriers) *planHouse {
	p := &planHouse{house: h, plans: &lookup.Desk{Drawer: h.store}}
	a := &App{store: h.store, log: slog.New(slog.NewTextHandler(&p.log, nil))}
	cfg.Tenants = h.tenants
	p.steps = a.lookUps(cfg, keys{identity: h.identity}, by)
	p.steps.Rest = time.Nanosecond
	return p
}

func (p *planHouse) look(id post.BatchID) lookup.View {
	p.t.Helper()
	if _, err := p.plans.Ask(p.t.Context(), "engdal", id, "case"); err != nil {
		p.t.Fatal(err)
	}
	if err := p.steps.Step(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	v, err := p.plans.Show(p.t.Context(), "engdal", id)
	if err != nil || !v.Done() {
		p.t.Fatalf("%+v, %v", v, err)
	}
	return v
}

// foretold checks that each line is told as someOf made it.
func (p *planHouse) foretold(v lookup.View, lines int) {
	p.t.Helper()
	if v.Ended != "" || len(v.Answers) != lines {
		p.t.Fatalf("%d of %d lines, ended %q", len(v.Answers), lines, v.Ended)
	}
	last := (lines+1)/3*3 - 2
	for i, a := range v.Answers {
		want := lookup.Digital
		if i%3 == 1 {
			want = lookup.Paper
		}
		if i == last {
			want = lookup.NoAddress
		}
		if a.Expect() != want {
			p.t.Errorf("line %d: %s, want %s", i+1, a.Expect(), want)
		}
	}
	for _, who := range []string{"nancy", "poul"} {
		if r := recipient(who); strings.Contains(p.log.String(), r.ID) || strings.Contains(p.log.String(), r.Name) {
			p.t.Error("a person is in the log")
		}
	}
}

func byDigitalPost(t *testing.T) (*mailHouse, *planHouse) {
	t.Helper()
	m := newMailHouse(t)
	cfg := config.Dispatcher{DigitalPost: config.DigitalPost{Systems: map[post.TenantID]config.System{"engdal": {}}}}
	return m, newPlanHouse(m.house, cfg, carriers{digital: m.client})
}

// TestAPlanIsLookedUpManyAtATimeInDigitalPost also shows that the hand-over asks
// anew, whatever the plan was told.
func TestAPlanIsLookedUpManyAtATimeInDigitalPost(t *testing.T) {
	t.Parallel()
	_, p := byDigitalPost(t)
	id := p.closed("b", 121, batch.Options{}, someOf)
	p.foretold(p.look(id), 121)
	p.dir.answer = reach(dispatch.Unreachable, "EXEMPT") // since then
	p.approve(id)
	first := p.letters(id)[0]
	p.advance(first)
	if v := p.want(first, post.LetterHandedOver); v.Channel != post.Physical {
		t.Errorf("the hand-over went by what the plan was told: %s", v.Channel)
	}
	p.conserved()
}

// TestADirectoryThatIsAwayEndsThePlanInWords and does not count anybody as
// unreachable; asked again once it is back, all is told.
func TestADirectoryThatIsAwayEndsThePlanInWords(t *testing.T) {
	t.Parallel()
	m, p := byDigitalPost(t)
	id := p.closed("b", 3, batch.Options{}, someOf)
	ask := p.steps.Road
	calls := 0
	p.steps.Road = func(tenant post.TenantID) (lookup.Road, bool) {
		r, ok := ask(tenant)
		r.Every = time.Nanosecond
		inner := r.Ask
		r.Ask = func(ctx context.Context, t post.Tenant, all []post.PartyRecord) []lookup.Told {
			calls++
			return inner(ctx, t, all)
		}
		return r, ok
	}
	f := m.sim.Faults()
	f.FailedLookups = 1000
	m.sim.SetFaults(f)
	v := p.look(id)
	if v.Ended != lookup.EndedNoAnswer || len(v.Answers) != 0 || calls != lookup.MaxTries || v.Ended.Says() == "" {
		t.Errorf("%+v after %d questions", v, calls)
	}
	f.FailedLookups = 0
	m.sim.SetFaults(f)
	p.foretold(p.look(id), 3)
}

// TestAPlanIsLookedUpOneByOneWithinTheRateInKombiPost also breaks off in the middle.
func TestAPlanIsLookedUpOneByOneWithinTheRateInKombiPost(t *testing.T) {
	t.Parallel()
	h, dir := newHouse(t), t.TempDir()
	tenant, ca := h.tenants[0], newIssuer(t, dir)
	serverCert, clientCert := ca.leaf(t, "server"), ca.leaf(t, "gateway")
	c := kombiposttest.Config{Log: slog.New(slog.DiscardHandler),
		Agreements: []kombiposttest.Agreement{{CVR: tenant.CVR, Fingerprint: kombiposttest.Fingerprint(clientCert.Certificate[0])}}}
	for _, p := range persona.All() {
		c.Parties = append(c.Parties, kombiposttest.Party{ID: p.CPR + p.CVR, Digital: p.Registration == "REGISTERED"})
	}
	sim, err := kombiposttest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var asked, down atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "PostForespoerg") {
			if down.Load() > 0 && asked.Load() >= down.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			asked.Add(1)
		}
		sim.ServeHTTP(w, r)
	}))
	server.TLS = kombiposttest.TLS(serverCert, ca.pool)
	server.StartTLS()
	t.Cleanup(server.Close)
	path := func(name string) string { return filepath.Join(dir, name) }
	cfg := config.Dispatcher{Common: config.Common{Tenants: []post.Tenant{tenant}},
		KombiPost: config.KombiPost{TokenURL: server.URL, ServiceURL: server.URL, CAFile: path("ca.pem"),
			Systems: map[post.TenantID]config.KombiSystem{tenant.ID: {CertFile: path("gateway.pem"), KeyFile: path("gateway-key.pem")}}},
		Roads: map[post.TenantID]config.Road{tenant.ID: {Digital: post.KombiPost, Physical: post.KombiPost}}}
	by, err := openCarriers(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = by.kombi.Close() })
	p := newPlanHouse(h, cfg, by)
	id := p.closed("b", 26, batch.Options{}, someOf)
	down.Store(7) // then it is away: the seven stand, and nobody is asked about twice
	v := p.look(id)
	if v.Ended != lookup.EndedNoAnswer || len(v.Answers) != 7 || asked.Load() != 7 {
		t.Fatalf("%d answers, %d asked, ended %q", len(v.Answers), asked.Load(), v.Ended)
	}
	down.Store(0)
	asked.Store(0)
	begun := time.Now()
	p.foretold(p.look(id), 26)
	if took := time.Since(begun); asked.Load() != 26 || took < 25*oneEvery {
		t.Errorf("%d questions in %s", asked.Load(), took)
	}
	// Within the hour the same answers are found, and nobody is asked.
	p.foretold(p.look(id), 26)
	if asked.Load() != 26 {
		t.Errorf("asked again: %d", asked.Load())
	}
	if gently(4, oneEvery) != 500*time.Millisecond {
		t.Error("a plan takes more than half the rate")
	}
}

// TestALookUpThatMayNotGoOnIsEnded asks nobody.
func TestALookUpThatMayNotGoOnIsEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend func(*planHouse, post.BatchID)
		want lookup.Ended
	}{
		"people halted the channel": {func(p *planHouse, _ post.BatchID) {
			if err := p.store.PauseChannel(p.t.Context(), letter.Pause{Tenant: "engdal", Channel: post.Digital, Actor: "op"}); err != nil {
				p.t.Fatal(err)
			}
		}, lookup.EndedPaused},
		"the batch was approved meanwhile": {func(p *planHouse, id post.BatchID) { p.approve(id) }, lookup.EndedMoved},
		"no carrier can be asked": {func(p *planHouse, _ post.BatchID) {
			p.steps.Road = func(t post.TenantID) (lookup.Road, bool) { return carriers{}.lookUpRoad(config.Dispatcher{}, t) }
		}, lookup.EndedNoRoad},
		"one by one it would take too long": {func(p *planHouse, _ post.BatchID) {
			p.steps.Road = func(post.TenantID) (lookup.Road, bool) { return lookup.Road{Most: 1, Every: time.Hour}, true }
		}, lookup.EndedTooMany},
		"it lay too long": {func(p *planHouse, _ post.BatchID) {
			p.steps.Now = func() time.Time { return time.Now().Add(45 * time.Minute) }
		}, lookup.EndedLate},
		"a recipient cannot be opened": {func(p *planHouse, _ post.BatchID) {
			p.steps.Open = func([]byte) ([]byte, error) { return []byte("{"), nil }
		}, lookup.EndedUnreadable},
	} {
		_, p := byDigitalPost(t)
		id := p.closed("b", 3, batch.Options{})
		ctx := t.Context()
		if _, err := p.plans.Ask(ctx, "engdal", id, "case"); err != nil {
			t.Fatal(err)
		}
		c.bend(p, id)
		if err := p.steps.Step(ctx); err != nil {
			t.Fatal(err)
		}
		v, err := p.plans.Show(ctx, "engdal", id)
		if err != nil || v.Ended != c.want || len(v.Answers) != 0 || v.Ended.Says() == "" {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	if slices.Contains(aboutOne, "timeout") {
		t.Error("a directory that is away says something about people")
	}
}
