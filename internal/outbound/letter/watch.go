package letter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// A Group is letters that stand alike.
type Group struct {
	Tenant  post.TenantID
	State   post.LetterState
	Channel post.Channel
	Arrive  post.Day
	Count   int
	Oldest  time.Time // when the first of them came to its state
}

// Groups counts letters without reading them all.
type Groups interface {
	// WaitingGroups returns the letters that wait for somebody (needs-person and
	// returned), by tenant and state.
	WaitingGroups(ctx context.Context) ([]Group, error)
	// TimedGroups returns the letters with a latest day of arrival whose road has
	// not ended, by tenant, state, channel and day.
	TimedGroups(ctx context.Context) ([]Group, error)
	// LetterList is that of [Records].
	LetterList(ctx context.Context, f Filter) ([]View, error)
}

// A Gauge shows a number under a municipality and one more word.
type Gauge interface {
	Set(tenant post.TenantID, word string, v float64)
	// Reset forgets every number: what is no longer there must not stand.
	Reset()
}

// WatchConfig is what a [Watch] needs.
type WatchConfig struct {
	Groups  Groups
	Tenants []post.Tenant
	Log     *slog.Logger
	// Waiting counts the letters that wait for somebody, by state, and Oldest says
	// for how many seconds the first of them has; Timing counts those whose latest
	// day is in danger; Stalled those that have been at work for more than a day, by
	// state, up to a thousand of each. Each may be nil.
	Waiting, Oldest, Timing, Stalled Gauge
	// Remind is how often the same is reported again; 1 hour when 0.
	Remind time.Duration
	Now    func() time.Time // nil is [time.Now]
}

// A Watch reports letters that wait for somebody for longer than their
// municipality allows, letters whose latest day of arrival is in danger, and letters
// that are at work and do not get on: a carrier that proves again and again that it
// has not taken one would otherwise be heard of by nobody. It changes nothing. It is
// for one goroutine.
type Watch struct {
	WatchConfig
	tenants map[post.TenantID]post.Tenant
	said    map[string]said
	stallAt time.Time // when it looks again for letters that do not get on
}

// stallEvery is how often letters that do not get on are looked for: of a month-end
// that look reads every letter that waits for its turn.
const stallEvery = 10 * time.Minute

// said is what was reported last, and when.
type said struct {
	at    time.Time
	count int
}

// NewWatch returns a watch, or an error that names every gap of c.
func NewWatch(c WatchConfig) (*Watch, error) {
	var gaps []error
	if c.Groups == nil {
		gaps = append(gaps, errors.New("letter: the watch needs Groups"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("letter: the watch needs a Log"))
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	if c.Remind == 0 {
		c.Remind = time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	w := &Watch{WatchConfig: c, tenants: map[post.TenantID]post.Tenant{}, said: map[string]said{}}
	for _, t := range c.Tenants {
		w.tenants[t.ID] = t
	}
	return w, nil
}

// Step looks once. On failure the numbers of the step before stand.
func (w *Watch) Step(ctx context.Context) error {
	waiting, err := w.Groups.WaitingGroups(ctx)
	if err != nil {
		return fmt.Errorf("watch letters: %w", err)
	}
	timed, err := w.Groups.TimedGroups(ctx)
	if err != nil {
		return fmt.Errorf("watch letters: %w", err)
	}
	w.waiting(ctx, waiting)
	w.timed(ctx, timed)
	if w.Now().Before(w.stallAt) {
		return nil
	}
	stalled, err := w.stall(ctx)
	if err != nil {
		return fmt.Errorf("watch letters: %w", err)
	}
	w.stallAt = w.Now().Add(stallEvery)
	w.stalled(ctx, stalled)
	return nil
}

// stall counts the letters that do not get on.
func (w *Watch) stall(ctx context.Context) (all []Group, err error) {
	for _, state := range post.LetterStates() {
		if _, ok := atWork(View{State: state}); !ok {
			continue
		}
		vs, err := w.Groups.LetterList(ctx, Filter{State: state, AtWork: w.Now().Add(-mostAtWork), Limit: latePage})
		if err != nil {
			return nil, err
		}
		groups := map[post.TenantID]Group{}
		for _, v := range vs {
			g := groups[v.Tenant]
			if since, _ := atWork(v); g.Count == 0 || since.Before(g.Oldest) {
				g.Oldest = since
			}
			groups[v.Tenant] = Group{Tenant: v.Tenant, State: state, Count: g.Count + 1, Oldest: g.Oldest}
		}
		all = slices.AppendSeq(all, maps.Values(groups))
	}
	return all, nil
}

// stalled reports what does not get on.
func (w *Watch) stalled(ctx context.Context, groups []Group) {
	reset(w.Stalled)
	for _, g := range groups {
		set(w.Stalled, g.Tenant, string(g.State), float64(g.Count))
		if w.news("stalled "+string(g.Tenant)+" "+string(g.State), g.Count) {
			w.Log.WarnContext(ctx, "letters do not get on", slog.String("tenant", string(g.Tenant)), slog.String("state", string(g.State)),
				slog.Int("letters", g.Count), slog.Duration("oldest", w.Now().Sub(g.Oldest).Round(time.Minute)))
		}
	}
}

// waiting reports what has waited for longer than the time to decide.
func (w *Watch) waiting(ctx context.Context, groups []Group) {
	reset(w.Waiting)
	reset(w.Oldest)
	for _, g := range groups {
		age := w.Now().Sub(g.Oldest)
		set(w.Waiting, g.Tenant, string(g.State), float64(g.Count))
		set(w.Oldest, g.Tenant, string(g.State), age.Seconds())
		days := w.tenants[g.Tenant].Times.Filled().Person
		if w.Now().After(calendar.After(g.Oldest, days)) && w.news("waiting "+string(g.Tenant)+" "+string(g.State), g.Count) {
			w.Log.WarnContext(ctx, "letters wait for a person", slog.String("tenant", string(g.Tenant)), slog.String("state", string(g.State)),
				slog.Int("letters", g.Count), slog.Duration("oldest", age.Round(time.Minute)))
		}
	}
}

// timed reports what is in danger of coming too late.
func (w *Watch) timed(ctx context.Context, groups []Group) {
	reset(w.Timing)
	type key struct {
		tenant post.TenantID
		timing Timing
	}
	counts, first := map[key]int{}, map[key]post.Day{}
	var order []key
	for _, g := range groups {
		b, ok := BudgetOf(g.Arrive, w.tenants[g.Tenant].TimesBy("")) // what a carrier has is in nobody's hands any more
		if !ok {
			continue
		}
		k := key{g.Tenant, b.Timing(View{State: g.State, Channel: g.Channel}, w.Now())}
		if !k.timing.Urges() {
			continue
		}
		if counts[k] == 0 {
			order = append(order, k)
			first[k] = g.Arrive
		}
		counts[k] += g.Count
		first[k] = min(first[k], g.Arrive)
	}
	for _, k := range order {
		set(w.Timing, k.tenant, string(k.timing), float64(counts[k]))
		if w.news("timing "+string(k.tenant)+" "+string(k.timing), counts[k]) {
			w.Log.WarnContext(ctx, "letters run out of time", slog.String("tenant", string(k.tenant)), slog.String("timing", string(k.timing)),
				slog.Int("letters", counts[k]), slog.String("first_day", string(first[k])))
		}
	}
}

// news reports whether what is to be said was not said lately, or has grown.
func (w *Watch) news(what string, count int) bool {
	before, now := w.said[what], w.Now()
	if count <= before.count && now.Sub(before.at) < w.Remind {
		return false
	}
	w.said[what] = said{now, count}
	return true
}

func set(g Gauge, tenant post.TenantID, word string, v float64) {
	if g != nil {
		g.Set(tenant, word, v)
	}
}

func reset(g Gauge) {
	if g != nil {
		g.Reset()
	}
}
