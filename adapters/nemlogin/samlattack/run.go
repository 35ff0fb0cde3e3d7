package samlattack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Config is what [Run] needs.
type Config struct {
	Target   Target
	Provider Provider
	Client   *http.Client     // without cookies of its own; redirects are not followed
	Now      func() time.Time // time.Now when nil
	Cases    []Case           // [Catalog] when nil
	Cookies  []string         // names of the target's session cookies; learned from a genuine log-in when empty
	// Panics reads the target's own count of panics; nil when it tells none.
	Panics func(ctx context.Context) (int, error)
	// Lenient allows a refusal that is a redirect or a page with status 200.
	Lenient bool
	// Mismatch is told of each case that did not go as wanted.
	Mismatch func(c Case, why string)
	// Done is told of each case played; nil is nobody.
	Done func(c Case, r Reply)
}

// Summary is the outcome of a run. Its JSON is one line of fixed shape.
type Summary struct {
	Cases        int    `json:"cases"`
	Sessions     int    `json:"sessions"` // by answers that should have been refused
	Panics       int    `json:"panics"`
	ServerErrors int    `json:"server_errors"`
	Controls     string `json:"positive_controls"`

	Mismatches int           `json:"-"`
	LeftOut    []string      `json:"-"` // cases for which the target has no key or address
	Slowest    time.Duration `json:"-"` // request
}

// OK reports whether every case went as wanted.
func (s Summary) OK() bool {
	return s.Mismatches == 0 && s.Cases > 0 && s.Sessions == 0 && s.Panics == 0 && s.ServerErrors == 0
}

// Run plays the cases one after another, each with a log-in of its own. An error
// means that the target could not be tried; what a case revealed is no error.
func Run(ctx context.Context, c Config) (Summary, error) {
	if c.Client == nil || c.Mismatch == nil || c.Target.ACS == "" || c.Provider.Key == nil || c.Target.Begin[Plain] == "" {
		return Summary{}, errors.New("samlattack: Client, Mismatch, Target, its address to begin, and Provider are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Cases == nil {
		c.Cases = Catalog()
	}
	client := *c.Client
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	p := &Player{c: c, sessions: map[string]bool{}}
	before, err := p.panics(ctx)
	if err != nil {
		return Summary{}, err
	}
	for _, name := range c.Cookies {
		p.sessions[name] = true
	}
	if len(c.Cookies) == 0 {
		if err := p.learn(ctx); err != nil {
			return Summary{}, err
		}
	}
	var s Summary
	good, controls := 0, 0
	for _, k := range c.Cases {
		if !p.can(k) {
			s.LeftOut = append(s.LeftOut, k.ID)
			continue
		}
		v, err := p.play(ctx, k)
		if err != nil {
			return s, fmt.Errorf("case %s: %w", k.ID, err)
		}
		s.count(k, v)
		if k.Want == Accept {
			controls++
			if v.why == "" {
				good++
			}
		}
		if v.why != "" {
			s.Mismatches++
			c.Mismatch(k, v.why)
		}
		if c.Done != nil {
			c.Done(k, v.reply)
		}
	}
	after, err := p.panics(ctx)
	if err != nil {
		return s, err
	}
	s.Panics = max(s.Panics, after-before)
	s.Controls, s.Slowest = fmt.Sprintf("%d/%d", good, controls), time.Duration(p.slowest.Load())
	return s, nil
}

func (p *Player) panics(ctx context.Context) (int, error) {
	if p.c.Panics == nil {
		return 0, nil
	}
	n, err := p.c.Panics(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the target's count of panics: %w", err)
	}
	return n, nil
}

// can reports whether the target has what the case needs.
func (p *Player) can(c Case) bool {
	_, begins := p.c.Target.Begin[c.Start]
	return begins && (!c.Role || p.c.Target.Role != "") && (!c.Page || p.c.Target.Page != "") && (!c.Second || p.c.Provider.Second != nil) && (!c.Roll || len(p.c.Target.Encryption) > 1)
}

// verdict is what came of one case.
type verdict struct {
	reply   Reply
	session bool   // by cookie or by the protected page
	why     string // it is not as wanted
}

func (s *Summary) count(c Case, v verdict) {
	s.Cases++
	if c.Want == Refuse && v.session {
		s.Sessions++
	}
	if v.reply.Crashed {
		s.Panics++
	}
	if v.reply.Status >= 500 {
		s.ServerErrors++
	}
}

func (p *Player) play(ctx context.Context, c Case) (verdict, error) {
	b, reply, err := p.perform(ctx, c)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{reply: reply, session: reply.Session}
	page := reply.Session
	if p.c.Target.Page != "" {
		if page, err = b.LoggedIn(ctx); err != nil {
			return v, err
		}
		v.session = v.session || page
	}
	switch {
	case reply.Crashed:
		v.why = "the connection ended without a reply"
	case reply.Status >= 500:
		v.why = fmt.Sprintf("answered %d", reply.Status)
	case p.leadsAway(reply.Location):
		v.why = "the reply leads to another site"
	case c.Want == Refuse && v.session:
		v.why = "somebody is logged in"
	case c.Want == Refuse && !p.c.Lenient && (reply.Status < 400 || reply.Status > 499):
		v.why = fmt.Sprintf("refused with %d, want 4xx", reply.Status)
	case c.Want == Accept && !reply.Session:
		v.why = fmt.Sprintf("a genuine answer is refused with %d", reply.Status)
	case c.Want == Accept && !page:
		v.why = "the protected page does not know who just logged in"
	}
	return v, nil
}

func (p *Player) perform(ctx context.Context, c Case) (*Browser, Reply, error) {
	if c.Play != nil {
		return c.Play(ctx, p)
	}
	b := p.Browser()
	d, err := b.Begin(ctx, c.Start)
	if err != nil {
		return nil, Reply{}, err
	}
	reply, err := b.Send(ctx, d, c.Bend)
	return b, reply, err
}
