package dispatch

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// asked is a directory that is never sure.
type asked struct{ times int }

func (d *asked) Look(context.Context, post.Tenant, post.PartyRecord) Reach {
	d.times++
	return Reach{Answer: Unsure, Code: "timeout"}
}

// clearly opens what is not sealed.
type clearly struct{}

func (clearly) Small(b []byte) ([]byte, error)                   { return b, nil }
func (clearly) Payload(_ []byte, r io.Reader) (io.Reader, error) { return r, nil }
func (s *oneLetter) turn(t *testing.T, a *Advancer, ctx context.Context) { //nolint:revive // the context is what is varied
	t.Helper()
	if err := a.AdvanceLeased(ctx, queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.waits); n > 0 { // as the database keeps it
		s.is.Looks, s.is.Code = s.waits[n-1].Looks, s.waits[n-1].Code
	}
}

// lookingFor returns an advancer of a letter that waits for a directory, with a
// clock that goes to each next step, and what is paused.
func lookingFor(t *testing.T) (s *oneLetter, a *Advancer, d *asked, k *clock, paused *[]letter.Pause) {
	t.Helper()
	content, err := json.Marshal(letter.NewContent("", make([]letter.ContentDocument, 1)))
	if err != nil {
		t.Fatal(err)
	}
	nancy, _ := persona.By("nancy")
	recipient, err := json.Marshal(post.PartyRecord{IDType: "CPR", ID: nancy.CPR})
	if err != nil {
		t.Fatal(err)
	}
	s = &oneLetter{is: Record{ID: "a", Tenant: "engdal", State: post.LetterAwaitingLookup, Version: 3, Released: true,
		Content: content, Recipient: recipient, Documents: make([]letter.Sealed, 1)}}
	d, paused = &asked{}, &[]letter.Pause{}
	gate, k := newGate(t, GateConfig{Paused: func(context.Context) ([]letter.Pause, error) { return *paused, nil }, Trip: 1})
	s.is.Since = k.at
	a = &Advancer{Config: Config{Store: s, Opener: clearly{}, Directory: d, Gate: gate, LeaseTime: time.Minute, Poison: 8, Backoff: 5 * time.Second, LookupBudget: 72 * time.Hour,
		Roads: Straight(map[post.Channel]Channel{post.Digital: struct{ Channel }{}, post.Physical: struct{ Channel }{}}),
		Log:   slog.New(slog.DiscardHandler), Now: k.now, Rand: func(n time.Duration) time.Duration { return n / 2 }}}
	return s, a, d, k, paused
}

// until takes steps, each when it is due, until one ends the wait or most is over.
func (s *oneLetter) until(t *testing.T, a *Advancer, k *clock, most time.Duration) (asking time.Duration) {
	t.Helper()
	begin := k.at
	for len(s.moves) == 0 && k.at.Sub(begin) < most {
		waits := len(s.waits)
		s.turn(t, a, t.Context())
		if len(s.waits) > waits {
			k.at = s.waits[waits].Due
		}
	}
	return k.at.Sub(begin)
}

func TestALookUpThatStaysUnsureAsksAPersonAtTheEndOfItsBudget(t *testing.T) {
	s, a, d, k, _ := lookingFor(t)
	took := s.until(t, a, k, 1000*time.Hour)
	if took < 71*time.Hour || took > 73*time.Hour || len(s.moves) != 1 || s.moves[0].To != post.LetterNeedsPerson || s.moves[0].Code != codeUnsure || d.times < 100 {
		t.Errorf("after %s and %d questions: %+v", took, d.times, s.moves)
	}
}

func TestWhatHaltsALetterUsesUpNoLookUp(t *testing.T) {
	for name, halt := range map[string]struct {
		pause letter.Pause
		batch bool
		rests bool
	}{
		"a pause of all":            {},
		"a pause of the tenant":     {pause: letter.Pause{Tenant: "engdal"}},
		"a pause of one channel":    {pause: letter.Pause{Channel: post.Digital}},
		"a pause of its batch":      {batch: true},
		"a carrier that is resting": {rests: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, a, _, k, paused := lookingFor(t)
			switch {
			case halt.batch:
				s.is.Released = false
			case halt.rests:
				a.Gate.Enter(t.Context(), "engdal", post.Digital, post.DigitalPost)
				a.Gate.Leave(post.DigitalPost, NotTaken)
			default:
				*paused = []letter.Pause{halt.pause}
			}
			s.until(t, a, k, 200*time.Hour)
			if len(s.moves) != 0 || s.is.Looks != 0 {
				t.Fatalf("halted: %d answers, %+v", s.is.Looks, s.moves)
			}
			s.is.Released, *paused = true, nil
			a.Gate.Leave(post.DigitalPost, Taken)
			k.at = k.at.Add(pauseAsk)
			if took := s.until(t, a, k, 1000*time.Hour); took < 71*time.Hour || len(s.moves) != 1 || s.moves[0].Code != codeUnsure {
				t.Errorf("let go: %s later %+v", took, s.moves)
			}
		})
	}
}

func TestNobodyIsAskedAboutALetterThatMayGoNowhere(t *testing.T) {
	s, a, d, k, paused := lookingFor(t)
	*paused = []letter.Pause{{Tenant: "engdal", Channel: post.Digital}, {Channel: post.Physical}}
	s.until(t, a, k, time.Hour)
	if d.times != 0 || len(s.waits) == 0 || s.waits[0].Code != codePaused || s.waits[0].Road != "digital digitalpost" {
		t.Errorf("%d questions, %+v", d.times, s.waits)
	}
}

func TestOurOwnEndUsesUpNoLookUp(t *testing.T) {
	s, a, d, _, _ := lookingFor(t)
	ctx, end := context.WithCancel(t.Context())
	end()
	s.turn(t, a, ctx)
	if d.times != 1 || len(s.waits) != 1 || s.waits[0].Looks != 0 || s.waits[0].Failures != 0 {
		t.Errorf("%d questions, %+v", d.times, s.waits)
	}
}

func TestAHandOverThatWeBreakOffSaysNothingOfTheCarrier(t *testing.T) {
	g, _ := newGate(t, GateConfig{Trip: 1})
	for _, v := range []Verdict{"", Taken} {
		if wait, code := enter(t, g, post.Digital); wait != 0 {
			t.Fatal(code)
		}
		g.Leave(post.DigitalPost, v)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	for _, v := range []Verdict{Unknown, NotTaken} {
		if got := ofCarrier(ctx, v); got != "" {
			t.Errorf("%s, broken off by us, counts as %s", v, got)
		}
	}
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, c := range []struct {
		ctx context.Context //nolint:containedctx // a case of the table
		v   Verdict
	}{{t.Context(), Unknown}, {late, Unknown}, {ctx, Taken}, {ctx, RefusedRecipient}} {
		if got := ofCarrier(c.ctx, c.v); got != c.v {
			t.Errorf("%s counts as %q", c.v, got)
		}
	}
}

func TestWhatIsKeptBackIsShutForAsLongAsItsRoadIs(t *testing.T) {
	var pauses []letter.Pause
	g, k := newGate(t, GateConfig{Trip: 1, Rest: time.Minute, Rate: map[post.Carrier]float64{post.PrintHouse: 1},
		Paused: func(context.Context) ([]letter.Pause, error) { return pauses, nil }})
	digital := queue.Share{Tenant: "engdal", Road: roadOf(post.Digital, post.DigitalPost)}
	paper := queue.Share{Tenant: "engdal", Road: roadOf(post.Physical, post.PrintHouse)}
	want := func(what string, s queue.Share, shut bool) {
		t.Helper()
		if got := g.Shut(t.Context())(s); got != shut {
			t.Errorf("%s: shut is %v", what, got)
		}
	}
	want("nothing is wrong", digital, false)
	want("never kept back", queue.Share{Tenant: "engdal"}, false)
	want("a paused batch", queue.Share{Tenant: "engdal", Road: roadBatch}, true)
	pauses = []letter.Pause{{Tenant: "engdal", Channel: post.Digital}}
	want("known a moment ago", digital, false)
	k.at = k.at.Add(pauseAsk)
	want("paused", digital, true)
	want("the other channel", paper, false)
	want("another tenant", queue.Share{Tenant: "fjordby", Road: digital.Road}, false)
	pauses = nil
	k.at = k.at.Add(pauseAsk)
	want("resumed", digital, false)
	enter(t, g, post.Digital)
	g.Leave(post.DigitalPost, Unknown)
	want("resting", digital, true)
	k.at = k.at.Add(time.Hour)
	want("its rest is over, but it is not back", digital, true)
	enter(t, g, post.Digital)
	g.Leave(post.DigitalPost, Taken)
	want("back", digital, false)
	want("within its rate", paper, false)
	enter(t, g, post.Physical)
	want("at its rate", paper, true)
	k.at = k.at.Add(time.Second)
	want("a second later", paper, false)
	if (*Gate)(nil).Shut(t.Context())(digital) {
		t.Error("without a gate something is shut")
	}
}
