package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// GateConfig is what a [Gate] needs. Zero values take those of [NewGate].
type GateConfig struct {
	// Paused returns what people have halted; nil: nothing ever is.
	Paused func(ctx context.Context) ([]letter.Pause, error)
	// Rate bounds the hand-overs a second of this process to a carrier; one
	// without a rate is not bounded.
	Rate map[post.Carrier]float64
	// Trip is how many hand-overs in a row must fail to reach a carrier before it
	// is left alone.
	Trip int // 5
	// Rest is how long it is left alone the first time; it doubles up to 5 min
	// while single trials fail.
	Rest time.Duration // 5 s
	Log  *slog.Logger
	Now  func() time.Time
	// Rand returns a duration in [0, n); nil is [rand.N].
	Rand func(n time.Duration) time.Duration
}

// A Gate stands before the carriers: it keeps letters back while people have
// halted them, while a carrier does not answer (a circuit breaker), and while
// the carrier was promised fewer. Letters that are kept back wait at moments
// drawn at random, so that they do not come all at once. It is safe for
// concurrent use.
type Gate struct {
	GateConfig
	mu       sync.Mutex
	carriers map[post.Carrier]*carrier
	paused   []letter.Pause
	asked    time.Time // when Paused was asked last
	known    bool
}

// carrier is what the gate knows of one.
type carrier struct {
	failures int           // in a row
	first    time.Time     // when the first of them was
	last     time.Time     // and the last
	rest     time.Duration // the present or the next one
	until    time.Time     // resting
	trial    bool          // one hand-over finds out whether it is back
	tokens   float64
	filled   time.Time
	waiting  float64 // sent away by the rate since it last had room
}

// Reasons for which a letter is kept back; they stand in its code.
const (
	codePaused  = letter.CodePaused
	codeUnread  = "pauses-unread" // whether anything is paused
	codeResting = "carrier-resting"
	codeRate    = "carrier-rate"
)

const (
	mostRest  = 5 * time.Minute
	pauseWait = 10 * time.Minute // resuming wakes the letters itself
	// pauseAsk is how old the knowledge of pauses may be. Whoever goes or waits by what
	// is old is refused by the store, and then it is asked for anew.
	pauseAsk = 2 * time.Second
)

// NewGate returns a gate, or an error when c lacks a logger.
func NewGate(c GateConfig) (*Gate, error) {
	if c.Log == nil {
		return nil, errors.New("dispatch: the gate needs a Log")
	}
	if c.Trip == 0 {
		c.Trip = 5
	}
	if c.Rest == 0 {
		c.Rest = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.N[time.Duration]
	}
	return &Gate{GateConfig: c, carriers: map[post.Carrier]*carrier{}}, nil
}

// Enter says whether a letter of tenant may go on ch to carrier name now: wait
// is 0, and the caller must call [Gate.Leave]; or it is how long the letter
// waits, and why.
func (g *Gate) Enter(ctx context.Context, tenant post.TenantID, ch post.Channel, name post.Carrier) (wait time.Duration, code string) {
	if g == nil {
		return 0, ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait, code := g.halted(ctx, tenant, ch); wait > 0 {
		return wait, code
	}
	c := g.at(name)
	now := g.Now()
	if c.failures >= g.Trip && (c.trial || now.Before(c.until)) {
		return g.spread(max(c.until.Sub(now), g.Rest)), codeResting
	}
	if rate := g.Rate[name]; rate > 0 {
		c.tokens = min(c.tokens+now.Sub(c.filled).Seconds()*rate, max(rate, 1))
		c.filled = now
		if c.tokens < 1 {
			c.waiting++
			return g.spread(min(time.Duration(c.waiting/rate*float64(time.Second)), time.Minute)), codeRate
		}
		c.tokens--
		c.waiting = max(c.waiting-1, 0)
	}
	c.trial = c.failures >= g.Trip
	return 0, ""
}

// Leave says what came of a hand-over that [Gate.Enter] let through; "" is
// nothing, because it was never begun.
func (g *Gate) Leave(name post.Carrier, v Verdict) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.at(name)
	c.trial = false
	switch v {
	case "":
	case Unknown, NotTaken:
		now := g.Now()
		if c.failures++; c.failures == 1 || c.last.Before(now.Add(-mostQuiet)) {
			c.first = now
		}
		c.last = now
		// What was in hand when it was left alone fails with what failed before: only a
		// failure after the rest, of a trial, says that the carrier is away still.
		if c.failures >= g.Trip && !now.Before(c.until) {
			c.until = now.Add(g.spread(c.rest))
			g.Log.Warn("carrier left alone", slog.String("carrier", string(name)), slog.Int("failures", c.failures), slog.Duration("rest", c.rest))
			c.rest = min(2*c.rest, mostRest)
		}
	default: // any clear answer: it is there
		if c.failures >= g.Trip {
			g.Log.Info("carrier is back", slog.String("carrier", string(name)))
		}
		c.failures, c.rest, c.until = 0, g.Rest, time.Time{}
	}
}

func (g *Gate) at(name post.Carrier) *carrier {
	c := g.carriers[name]
	if c == nil {
		c = &carrier{rest: g.Rest, tokens: max(g.Rate[name], 1), filled: g.Now()}
		g.carriers[name] = c
	}
	return c
}

// halted asks for pauses when what is known is old. What cannot be read stays
// as it was; before the first answer everything waits.
func (g *Gate) halted(ctx context.Context, tenant post.TenantID, ch post.Channel) (wait time.Duration, code string) {
	switch g.askPauses(ctx); {
	case g.Paused == nil:
		return 0, ""
	case !g.known:
		return g.spread(pauseAsk), codeUnread
	case g.pausedFor(tenant, ch):
		return g.spread(pauseWait), codePaused
	}
	return 0, ""
}

func (g *Gate) askPauses(ctx context.Context) {
	if g.Paused == nil {
		return
	}
	if now := g.Now(); now.Sub(g.asked) >= pauseAsk {
		if all, err := g.Paused(ctx); err == nil {
			g.paused, g.known, g.asked = all, true, now
		}
	}
}

func (g *Gate) pausedFor(tenant post.TenantID, ch post.Channel) bool {
	for _, p := range g.paused {
		if (p.Tenant == "" || p.Tenant == tenant) && (p.Channel == "" || p.Channel == ch) {
			return true
		}
	}
	return false
}

// forget lets pauses be asked for anew, because the database knows better.
func (g *Gate) forget() {
	if g == nil { // nobody looks at pauses before the commit
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = time.Time{}
}

// reread forgets, because the database knows of a pause that g does not, and returns
// how long its letters wait.
func (g *Gate) reread() time.Duration {
	if g == nil {
		return pauseWait
	}
	g.forget()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spread(pauseWait)
}

// spread draws a time between half of d and d.
func (g *Gate) spread(d time.Duration) time.Duration { return d/2 + g.Rand(d/2+1) }
