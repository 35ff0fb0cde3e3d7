package sim

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var peerSeeds = flag.Int("peers", 600, "how many worlds each sender's policy is run in")

// A policy is how a known sender retries and falls back, and nothing else of
// it: its texts, screens and speed are not judged here.
type policy struct {
	name string
	// fresh: each attempt goes out under an id of its own.
	fresh bool
	// reply says what the sender does with a carrier's answer on the digital
	// channel and on paper.
	reply func(on post.Channel, v dispatch.Verdict) act
	// refused is what it does when a receipt refuses the recipient.
	refused act
	// adopts: a letter found half sent after a crash is sent again; else it stays.
	adopts bool
	// sweeps: waiting letters are found in the database; else the queue is all
	// that remembers them.
	sweeps bool
	// tries bounds attempts on one channel; then it fails, and says so.
	tries int
	// overdue is when a letter without a receipt is reported; zero is never.
	overdue time.Duration
	// unsure is what it does when the look-up fails.
	unsure act
}

type act string

const (
	done  act = "done"
	again act = "again"
	paper act = "paper"
	fail  act = "fail" // and say so
)

// The known senders, by what they do. Ours is the house's own code.
var policies = []policy{
	{name: "new id on time-out", fresh: true, sweeps: true, tries: 10, refused: fail, unsure: again,
		reply: func(_ post.Channel, v dispatch.Verdict) act {
			return map[dispatch.Verdict]act{dispatch.Taken: done, dispatch.RefusedRecipient: paper, dispatch.RefusedContent: fail}[v]
		}},
	{name: "any exception to paper", fresh: true, adopts: true, tries: 10, refused: paper, unsure: paper,
		reply: func(on post.Channel, v dispatch.Verdict) act {
			switch {
			case v == dispatch.Taken:
				return done
			case on == post.Digital:
				return paper
			case v == dispatch.NotTaken || v == dispatch.Unknown:
				return again
			}
			return fail
		}},
	{name: "stable id, 409 is success", adopts: true, sweeps: true, tries: 10, refused: paper, unsure: again, overdue: 72 * time.Hour,
		reply: func(_ post.Channel, v dispatch.Verdict) act {
			return map[dispatch.Verdict]act{dispatch.Taken: done, dispatch.RefusedRecipient: paper, dispatch.RefusedContent: fail}[v]
		}},
}

// A slip is a peer's row about one letter.
type slip struct {
	id       post.LetterID
	who      *person
	on       post.Channel // "" until looked up
	busy     bool         // an attempt was begun and not recorded
	sent     bool
	failed   bool
	tries    int
	due      time.Time
	since    time.Time
	detected time.Time // when its own records showed that something is wrong
	heard    map[string]bool
}

func (s *slip) open() bool { return !s.sent && !s.failed }

// sender plays one peer in a world.
type sender struct {
	policy
	w     *world
	slips []*slip
}

func (p *sender) accept(who *person) {
	s := &slip{id: post.LetterID(p.w.newID()), who: who, due: p.w.now, since: p.w.now, heard: map[string]bool{}}
	p.slips = append(p.slips, s)
	p.ring(s)
}

// ring puts the letter into the queue, which may lose it.
func (p *sender) ring(s *slip) {
	w, era := p.w, p.w.queue.era
	if w.chance(w.plan.ringLost) && p.sweeps {
		return // a durable queue behind it loses nothing without a trace
	}
	w.after(max(s.due.Sub(w.now), 0)+w.between(0, 20*time.Second), func() {
		if era != w.queue.era {
			return
		}
		p.run(w.nodes[w.luck.IntN(2)], s)
	})
}

func (p *sender) run(n *node, s *slip) {
	w := p.w
	w.spawn(n, func(context.Context) {
		w.point("claim", time.Millisecond, 40*time.Millisecond)
		if !s.open() || s.busy || w.now.Before(s.due) {
			return
		}
		s.busy = true
		w.point("claimed", 0, 5*time.Millisecond)
		p.attempt(n, s)
		s.busy = false
		w.point("recorded", 0, 5*time.Millisecond)
	}, func(whole bool) {
		if s.busy && p.adopts && !whole {
			w.after(90*time.Second, func() { s.busy = false; p.ring(s) })
		}
	})
}

// attempt is one try on the present channel, up to its record.
func (p *sender) attempt(n *node, s *slip) {
	w, what := p.w, done
	if s.on == "" {
		switch (register{n}).Look(context.Background(), post.Tenant{}, s.who.record).Answer {
		case dispatch.Reachable:
			s.on = post.Digital
		case dispatch.Unreachable:
			s.on = post.Physical
		default:
			what = p.unsure
		}
	}
	if s.on != "" {
		id := post.DerivedID(s.id, s.on, 1)
		if p.fresh {
			id = w.newID()
		}
		c := w.digital
		if s.on == post.Physical {
			c = w.paper
		}
		luck := c.fate(s.who.key, "hand-over")
		w.point("hand over", 10*time.Millisecond, 3*time.Second)
		out := c.take(id, s.id, 1, sha256.Sum256([]byte(s.id)), s.who, luck)
		w.point("answer", time.Millisecond, 2*time.Second)
		if what = p.reply(s.on, out.Verdict); what == "" {
			what = again
		}
		w.say("peer hands over on %s: %s -> %s", s.on, out.Verdict, what)
	}
	w.point("record", time.Millisecond, 40*time.Millisecond)
	p.follow(s, what)
}

func (p *sender) follow(s *slip, what act) {
	s.tries++
	switch {
	case what == done:
		s.sent = true
	case what == fail, what == again && s.tries >= p.tries, what == paper && s.on == post.Physical:
		p.alarm(s)
	case what == paper:
		s.on, s.tries, s.sent, s.due = post.Physical, 0, false, p.w.now
		p.ring(s)
	default:
		s.due = p.w.now.Add(time.Minute << min(s.tries, 6))
		p.ring(s)
	}
}

func (p *sender) alarm(s *slip) {
	s.failed = true
	if s.detected.IsZero() {
		s.detected = p.w.now
	}
}

// duties is what the peer does again and again: find due letters, hear receipts.
func (p *sender) duties(n *node) {
	w := p.w
	for _, s := range p.slips {
		if p.sweeps && s.open() && !s.busy && !w.now.Before(s.due) {
			p.run(n, s)
		}
		if p.overdue > 0 && !s.heard["delivered"] && w.now.Sub(s.since) > p.overdue && s.detected.IsZero() {
			s.detected = w.now
		}
	}
	for _, c := range []*carrier{w.digital, w.paper} {
		for _, d := range c.said {
			if d.gone || d.from.After(w.now) {
				continue
			}
			d.gone = true
			p.hear(c, d.Receipt)
		}
	}
}

func (p *sender) hear(c *carrier, r track.Receipt) {
	i := slices.IndexFunc(p.slips, func(s *slip) bool { return c.has[r.MessageID].letter == s.id })
	s := p.slips[i]
	switch r.Kind {
	case track.Delivered, track.Proven:
		s.heard["delivered"] = true
	case track.RefusedContent:
		p.alarm(s)
	case track.RefusedRecipient:
		if s.on == post.Digital && !s.heard["delivered"] {
			p.follow(s, p.refused)
		}
	}
}

// A score counts what became of letters.
type score struct {
	letters, once, twice, both, person, lost, stranded int
	unseen                                             int // of the harmed: nothing in the sender's records says so
	seen                                               []time.Duration
}

func (s *score) add(o score) {
	s.letters += o.letters
	s.once += o.once
	s.twice += o.twice
	s.both += o.both
	s.person += o.person
	s.lost += o.lost
	s.stranded += o.stranded
	s.unseen += o.unseen
	s.seen = append(s.seen, o.seen...)
}

// harm counts a letter that came to harm at, and whether the sender knows.
func (s *score) harm(at, detected time.Time) {
	if detected.IsZero() {
		s.unseen++
		return
	}
	s.seen = append(s.seen, max(detected.Sub(at), 0))
}

// arrivals returns how often a letter reached its recipient on each channel,
// by generation, and when for the first two times.
func (w *world) arrivals(id post.LetterID) (digital, paper map[int]int, times []time.Time) {
	digital, paper = map[int]int{}, map[int]int{}
	for _, c := range []*carrier{w.digital, w.paper} {
		for _, m := range c.order {
			p := c.has[m]
			if p.letter != id || p.refused || p.arrived.IsZero() {
				continue
			}
			times = append(times, p.arrived)
			if c.channel == post.Digital {
				digital[p.generation]++
			} else {
				paper[p.generation]++
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return digital, paper, times
}

// judge counts one letter: believed says that the sender counts it as sent,
// known that a person was told.
func (s *score) judge(w *world, id post.LetterID, believed, known bool, since, detected time.Time) {
	s.letters++
	digital, paper, times := w.arrivals(id)
	twice, both := false, false
	for g := 1; g <= 4; g++ {
		twice = twice || digital[g] > 1 || paper[g] > 1
		both = both || digital[g] > 0 && paper[g] > 0
	}
	switch {
	case both:
		s.both++
		s.harm(times[1], detected)
	case twice:
		s.twice++
		s.harm(times[1], detected)
	case len(times) > 0:
		s.once++
	case known:
		s.person++
	case believed:
		s.lost++
		s.harm(since, detected)
	default:
		s.stranded++
		s.harm(since, detected)
	}
}

// score of a finished world.
func (w *world) score() (s score) {
	if w.peer != nil {
		for _, l := range w.peer.slips {
			s.judge(w, l.id, l.sent, l.failed, l.since, l.detected)
		}
		return s
	}
	rows, _ := w.db.Rows()
	for _, r := range rows {
		known := r.State == post.LetterNeedsPerson || r.State == post.LetterClosed || r.State == post.LetterReturned
		var detected time.Time
		if w.alarms["letter needs a person "+string(r.ID)]+w.alarms["receipt overdue "+string(r.ID)]+w.alarms["receipt matched "+string(r.ID)] > 0 {
			detected = w.now
		}
		s.judge(w, r.ID, r.State.Final(), known, start, detected)
	}
	return s
}

// small keeps a world to one letter and to what every sender has to bear.
func small(p *plan) {
	p.letters, p.trouble, p.horizon = 1, min(p.trouble, 40*time.Minute), 12*24*time.Hour
	p.cancel, p.returned, p.contradict, p.never = 0, 0, 0, 0
	p.clocks, p.lots, p.trials, p.strains = clocks{}, lots{}, trials{}, strains{} // the others know neither rules about time nor batches, nor have they disks
}

// TestPeers runs each sender's policy over the same seeds. The others must come
// to harm, or the worlds are too kind; ours must not.
func TestPeers(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "\n| policy | letters | once | twice | both channels | lost | stranded | told to a person | harm not noticed | time to notice, median |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, p := range append(slices.Clone(policies), policy{name: "ours"}) {
		var total score
		var mu sync.Mutex
		begin := time.Now()
		each(*peerSeeds, func(seed uint64) {
			hz := hazard{plan: small}
			if p.reply != nil {
				hz.peer = &p
			}
			s := play(seed, hz, false).score()
			mu.Lock()
			defer mu.Unlock()
			total.add(s)
		})
		harm := total.twice + total.both + total.lost + total.stranded
		noticed := "–"
		if slices.Sort(total.seen); len(total.seen) > 0 {
			noticed = total.seen[len(total.seen)/2].Round(time.Minute).String()
		}
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %d | %d | %d | %d | %d of %d | %s |\n", p.name, total.letters, total.once, total.twice, total.both,
			total.lost, total.stranded, total.person, total.unseen, harm, noticed)
		t.Logf("%s: %.0f worlds/s", p.name, float64(*peerSeeds)/time.Since(begin).Seconds())
		if p.reply == nil && (harm > 0 || total.letters != *peerSeeds) {
			t.Errorf("ours: %d letters of %d, %d came to harm", total.letters, *peerSeeds, harm)
		}
		if p.reply != nil && harm == 0 {
			t.Errorf("%s comes to no harm: the worlds are too kind", p.name)
		}
	}
	t.Log(table.String())
}
