package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// A hazard puts a known fault of such systems between the house's code and the
// world, to see that it is caught.
type hazard struct {
	plan      func(*plan)
	store     func(w *world, n *node, s *store) outerStore
	channel   func(w *world, c dispatch.Channel) dispatch.Channel
	source    func(w *world, s track.Source) track.Source
	directory func(w *world, d dispatch.Directory) dispatch.Directory
	steering  func(w *world, s *store) batch.Store
	jobs      func(w *world, j queue.Jobs) queue.Jobs
	roots     func(r dispatch.Roots) dispatch.Roots
	ownKey    bool        // a dispatcher knows the certificate of its own key, and no other
	less      func(*plan) // takes out what shows it; nil: the ordinary faults do
	// releaseOnce: a release that a dispatcher has begun is never begun again.
	releaseOnce bool
	nobody      bool    // decides about letters that need a person
	peer        *policy // plays instead of the house
}

// hasty takes every doubt for a no.
type hasty struct{ dispatch.Directory }

func (h hasty) Look(ctx context.Context, t post.Tenant, to post.PartyRecord) dispatch.Reach {
	r := h.Directory.Look(ctx, t, to)
	if r.Answer == dispatch.Unsure {
		r.Answer = dispatch.Unreachable
	}
	return r
}

// bent is a store with one of its verbs replaced.
type bent struct {
	*store
	move   func(ctx context.Context, l queue.Lease, m dispatch.Move) error
	read   func(ctx context.Context, l queue.Lease) (dispatch.Record, error)
	accept func(ctx context.Context, a letter.Accepted) (letter.First, bool, error)
	settle func(in track.Settlement) track.Settlement
	lease  func(ctx context.Context, k queue.Kind, id string, d time.Duration) (queue.Lease, bool, error)
	due    func(ctx context.Context, c queue.Claim) ([]queue.Lease, error)
	keep   func(ctx context.Context, rs []track.Receipt) error
	// settled is settle, with its answer.
	settled func(ctx context.Context, all []track.Settlement) ([]track.Settlement, error)
}

func (b bent) KeepReceipts(ctx context.Context, rs []track.Receipt) error {
	if b.keep != nil {
		return b.keep(ctx, rs)
	}
	return b.store.KeepReceipts(ctx, rs)
}

func (b bent) LeaseDue(ctx context.Context, c queue.Claim) ([]queue.Lease, error) {
	if b.due != nil {
		return b.due(ctx, c)
	}
	return b.store.LeaseDue(ctx, c)
}

func (b bent) MoveLetter(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	if b.move != nil {
		return b.move(ctx, l, m)
	}
	return b.store.MoveLetter(ctx, l, m)
}

func (b bent) LetterForStep(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
	if b.read != nil {
		return b.read(ctx, l)
	}
	return b.store.LetterForStep(ctx, l)
}

func (b bent) AcceptLetter(ctx context.Context, a letter.Accepted) (letter.First, bool, error) {
	if b.accept != nil {
		return b.accept(ctx, a)
	}
	return b.store.AcceptLetter(ctx, a)
}

func (b bent) SettleReceipts(ctx context.Context, all []track.Settlement) ([]track.Settlement, error) {
	if b.settled != nil {
		return b.settled(ctx, all)
	}
	if b.settle != nil {
		all = slices.Clone(all)
		for i := range all {
			all[i] = b.settle(all[i])
		}
	}
	return b.store.SettleReceipts(ctx, all)
}

func (b bent) Lease(ctx context.Context, k queue.Kind, id string, d time.Duration) (queue.Lease, bool, error) {
	if b.lease != nil {
		return b.lease(ctx, k, id, d)
	}
	return b.store.Lease(ctx, k, id, d)
}

// together lets every ring move all that are due.
func together(p *plan) { p.alone = 0 }

func bend(f func(w *world, s *store) bent) func(*world, *node, *store) outerStore {
	return func(w *world, _ *node, s *store) outerStore {
		b := f(w, s)
		b.store = s
		return b
	}
}

// wrapped is a carrier's door with another way to hand over.
type wrapped struct {
	dispatch.Channel
	over func(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome
}

func (c wrapped) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	return c.over(ctx, j, f)
}

// answering changes what the code hears of a hand-over.
func answering(change func(w *world, j dispatch.Job, o dispatch.Outcome) dispatch.Outcome) func(*world, dispatch.Channel) dispatch.Channel {
	return func(w *world, c dispatch.Channel) dispatch.Channel {
		return wrapped{c, func(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
			return change(w, j, c.HandOver(ctx, j, f))
		}}
	}
}

// ears is a mailbox that loses or holds back.
type ears struct {
	track.Source
	waiting func(ctx context.Context) ([]track.Receipt, error)
	forget  func(ctx context.Context, r track.Receipt) error
}

func (e ears) Waiting(ctx context.Context) ([]track.Receipt, error) {
	if e.waiting != nil {
		return e.waiting(ctx)
	}
	return e.Source.Waiting(ctx)
}

func (e ears) Forget(ctx context.Context, r track.Receipt) error {
	if e.forget != nil {
		return e.forget(ctx, r)
	}
	return e.Source.Forget(ctx, r)
}

// shelf is a carrier's door that keeps attachments by their file name and
// writes one only when it is not there yet.
type shelf struct {
	dispatch.Channel
	w *world
}

func (c shelf) Render(ctx context.Context, j dispatch.Job, out io.Writer) error {
	c.w.shelfMu.Lock()
	defer c.w.shelfMu.Unlock()
	name := j.Documents[0].Filename
	if c.w.shelf[name] == nil {
		var b bytes.Buffer
		if err := c.Channel.Render(ctx, j, &b); err != nil {
			return err
		}
		c.w.shelf[name] = b.Bytes()
	}
	_, err := out.Write(c.w.shelf[name])
	return err
}

// unguarded is a store where neither lease nor fence nor version counts.
func unguarded(w *world, s *store) bent {
	last := w.lastLease
	return bent{lease: func(ctx context.Context, k queue.Kind, id string, d time.Duration) (queue.Lease, bool, error) {
		l, ok, err := s.Lease(ctx, k, id, d)
		if ok {
			last[id] = l
		}
		if old, held := last[id]; held && err == nil {
			return old, true, nil
		}
		return l, ok, err
	}, move: func(ctx context.Context, l queue.Lease, m dispatch.Move) error {
		err := s.MoveLetter(ctx, l, m)
		if errors.Is(err, post.ErrStale) {
			l = last[l.ID]
			if r, err := s.real.LetterForStep(ctx, l); err == nil {
				m.From, m.Version = r.State, r.Version
				return s.MoveLetter(ctx, l, m)
			}
		}
		return err
	}}
}

// claimedTwice is a store that gives what it has leased to the next who asks, and
// whose groups write by the letter's id, whatever fence and version a member has.
func claimedTwice(w *world, s *store) bent {
	b := unguarded(w, s)
	b.due = func(ctx context.Context, c queue.Claim) ([]queue.Lease, error) {
		ls, err := s.LeaseDue(ctx, c)
		for _, l := range ls {
			w.lastLease[l.ID] = l
		}
		if old, held := w.lastLease[c.Prefer]; held && err == nil && !slices.Contains(ls, old) {
			ls = append(ls, old)
		}
		return ls, err
	}
	return b
}

// hazards are those of the catalog that concern one letter after its
// acceptance. Each says which invariant must notice.
// hazardCase is a hazard and what must notice it.
type hazardCase struct {
	name    string
	notices string // one of these invariants, separated by spaces
	within  int    // seeds
	hazard
}

var hazards = []hazardCase{
	{"H1 H3 a fresh id for each attempt", "I3 I4 I5 I8", 50, hazard{channel: func(w *world, c dispatch.Channel) dispatch.Channel {
		return wrapped{c, func(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
			j.MessageID = w.newID()
			return c.HandOver(ctx, j, f)
		}}
	}}},
	{"H2 any trouble of the digital carrier is a reason for paper", "I4 rule5", 100, hazard{channel: answering(func(w *world, j dispatch.Job, o dispatch.Outcome) dispatch.Outcome {
		if j.Channel == post.Digital && o.Verdict == dispatch.Unknown {
			o.Verdict = dispatch.RefusedRecipient
		}
		return o
	})}},
	{"H1 a lost answer counts as not taken", "I4 I2", 2000, hazard{channel: answering(func(w *world, _ dispatch.Job, o dispatch.Outcome) dispatch.Outcome {
		if o.Verdict == dispatch.Unknown {
			o.Verdict = dispatch.NotTaken
		}
		return o
	}), plan: func(p *plan) { p.cancel = 1 }}},
	{"H4 the carrier's \"I have this already\" counts as a refusal", "I4 rule5", 200, hazard{channel: answering(func(w *world, j dispatch.Job, o dispatch.Outcome) dispatch.Outcome {
		if o.Code == "duplicate" && j.Channel == post.Digital {
			o.Verdict = dispatch.RefusedRecipient
		}
		return o
	}), store: bend(func(w *world, s *store) bent { // and doubt is forgotten
		return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
			r, err := s.LetterForStep(ctx, l)
			if r.Intent != nil {
				r.Intent.Unsure = false
			}
			return r, err
		}}
	})}},
	{"H4 the intent is not committed before the bytes go out", "I8", 20, hazard{store: bend(func(w *world, s *store) bent {
		return bent{move: func(ctx context.Context, l queue.Lease, m dispatch.Move) error {
			if m.Intent != nil {
				return nil
			}
			return s.MoveLetter(ctx, l, m)
		}}
	})}},
	{"H5 a letter that is being sent has no owner when its sender dies", "I2", 100, hazard{store: bend(func(w *world, s *store) bent {
		return bent{move: func(ctx context.Context, l queue.Lease, m dispatch.Move) error {
			if m.To == post.LetterHandingOver {
				m.Due = w.now.Add(365 * 24 * time.Hour) // no sweeper looks there
			}
			return s.MoveLetter(ctx, l, m)
		}}
	})}},
	{"H6 the queue in memory is all that remembers", "I2", 50, hazard{store: bend(func(w *world, s *store) bent {
		return bent{accept: func(ctx context.Context, a letter.Accepted) (letter.First, bool, error) {
			first, fresh, err := s.AcceptLetter(ctx, a)
			if err == nil && fresh {
				l, _, _ := s.real.Lease(ctx, queue.AdvanceLetter, string(a.ID), 0)
				_ = s.real.WaitLetter(ctx, l, dispatch.Wait{Letter: a.ID, Due: w.now.Add(365 * 24 * time.Hour)})
			}
			return first, fresh, err
		}}
	})}},
	{"H6 a receipt is given before the commit", "I2", 50, hazard{store: bend(func(w *world, s *store) bent {
		return bent{accept: func(ctx context.Context, a letter.Accepted) (letter.First, bool, error) {
			first, fresh, err := s.AcceptLetter(ctx, a)
			if err != nil {
				return letter.First{ID: a.ID, Reference: a.Reference, State: post.LetterAccepted, Digest: a.Digest}, true, nil
			}
			return first, fresh, nil
		}}
	})}},
	{"H8 two documents of one name: the first is sent to both", "I8", 20, hazard{channel: func(w *world, c dispatch.Channel) dispatch.Channel { return shelf{c, w} },
		plan: func(p *plan) { p.letters = 3 }}},
	{"H10 H11 H24 no lease, no fence, no version: whoever holds an old right still writes", "I2 I3 I4 I5 I9", 200, hazard{store: bend(unguarded)}},
	{"a group tells a stale member that it was done", "I2 I8 I9", 200, hazard{plan: together, store: bend(func(_ *world, s *store) bent {
		return bent{move: func(ctx context.Context, l queue.Lease, m dispatch.Move) error {
			err := s.MoveLetter(ctx, l, m)
			if errors.Is(err, post.ErrStale) {
				return nil
			}
			return err
		}}
	})}},
	{"a due letter is leased twice, and a group writes by id alone", "I2 I3 I4 I5 I9", 200, hazard{plan: together, store: bend(claimedTwice)}},
	{"a group answers before its commit", "I2 I8", 200, hazard{plan: together, store: bend(func(w *world, s *store) bent {
		return bent{move: func(ctx context.Context, l queue.Lease, m dispatch.Move) error {
			if err := s.MoveLetter(ctx, l, m); !errors.Is(err, errStore) {
				return err
			}
			return nil
		}}
	})}},
	{"H13 what is not fetched within an hour is thrown away", "I2", 100, hazard{source: func(w *world, s track.Source) track.Source {
		return ears{Source: s, waiting: func(ctx context.Context) ([]track.Receipt, error) {
			rs, err := s.Waiting(ctx)
			return slices.DeleteFunc(rs, func(r track.Receipt) bool {
				old := w.now.Sub(r.At) > time.Hour
				if old {
					_ = s.Forget(ctx, r)
				}
				return old
			}), err
		}}
	}}},
	{"H17 failures that nobody looks at", "I2", 100, hazard{nobody: true}},
	{"H2 a look-up that fails is a reason for paper", "rule5", 100, hazard{directory: func(w *world, d dispatch.Directory) dispatch.Directory { return hasty{d} }}},
	{"H12 a read error deletes the receipt at the carrier", "I2", 100, hazard{source: func(w *world, s track.Source) track.Source {
		return ears{Source: s, waiting: func(ctx context.Context) ([]track.Receipt, error) {
			rs, err := s.Waiting(ctx)
			if len(rs) > 0 && w.chance(.3) {
				_ = s.Forget(ctx, rs[0])
				return nil, errors.New("not readable")
			}
			return rs, err
		}}
	}}},
	{"H14 a receipt is answered before it is kept", "I2", 200, hazard{source: func(w *world, s track.Source) track.Source {
		return ears{Source: s, waiting: func(ctx context.Context) ([]track.Receipt, error) {
			rs, err := s.Waiting(ctx)
			for _, r := range rs {
				_ = s.Forget(ctx, r)
			}
			return rs, err
		}, forget: func(context.Context, track.Receipt) error { return nil }}
	}}},
	{"H15 a late receipt overwrites the state", "I9 I2 I4", 100, hazard{store: bend(func(*world, *store) bent {
		return bent{settle: func(in track.Settlement) track.Settlement {
			to := map[track.Kind]post.LetterState{track.Received: post.LetterHandedOver, track.Delivered: post.LetterDelivered,
				track.RefusedRecipient: post.LetterRefused, track.Printing: post.LetterPrinting, track.Posted: post.LetterPosted}[in.Receipt.Kind]
			if in.Standing.Letter != "" && to != "" && in.Standing.Present {
				in.Path, in.Verdict, in.Due = []post.LetterState{to}, track.Applied, to == post.LetterRefused
			}
			return in
		}}
	})}},
	{"H16 the carrier's refusal has a shape that nobody reads", "I2 I11", 100, hazard{source: func(w *world, s track.Source) track.Source {
		return ears{Source: s, waiting: func(ctx context.Context) ([]track.Receipt, error) {
			rs, err := s.Waiting(ctx)
			for i := range rs {
				if rs[i].Kind == track.RefusedRecipient || rs[i].Kind == track.RefusedContent {
					rs[i].Kind = track.Unreadable
				}
			}
			return rs, err
		}}
	}}},
	{"H19 another installation takes our receipts", "I2", 50, hazard{source: func(w *world, s track.Source) track.Source {
		return ears{Source: s, waiting: func(ctx context.Context) ([]track.Receipt, error) {
			rs, err := s.Waiting(ctx)
			return slices.DeleteFunc(rs, func(r track.Receipt) bool {
				stolen := strings.HasSuffix(r.EventID, "1") || strings.HasSuffix(r.EventID, "2")
				if stolen {
					_ = s.Forget(ctx, r)
				}
				return stolen
			}), err
		}}
	}}},
}

// TestTheSimulationBites re-introduces each hazard and wants it caught.
func TestTheSimulationBites(t *testing.T) {
	for _, h := range slices.Concat(hazards, quietHazards, lotHazards, trialHazards, strainHazards) {
		t.Run(h.name, func(t *testing.T) {
			var caught, first, other atomic.Int64
			var what atomic.Value
			for from := 0; from < h.within && caught.Load() == 0; from += 20 {
				each(20, func(s uint64) {
					w := play(uint64(from)+s, h.hazard, false)
					if len(w.broken) == 0 {
						return
					}
					if name, _, _ := strings.Cut(w.broken[0], ":"); slices.Contains(strings.Fields(h.notices), name) {
						caught.Add(1)
						first.CompareAndSwap(0, int64(from)+int64(s))
						what.Store(w.broken[0])
					} else {
						other.Add(1)
						t.Logf("seed %d: %s", uint64(from)+s, w.broken[0])
					}
				})
			}
			if caught.Load() == 0 {
				t.Errorf("not caught by %s in %d seeds; %d other breaches", h.notices, h.within, other.Load())
				return
			}
			t.Logf("caught: seed %d: %v", first.Load(), what.Load())
		})
	}
}
