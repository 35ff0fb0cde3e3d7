package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/sim/memstore"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// lots says what batch a world has, and how its people halt hand-overs. It is
// drawn from luck of its own: a seed without it is the world that it always was.
type lots struct {
	lines  int // of the batch; 0 is none
	canary int
	policy post.SigningPolicy
	steer  float64 // of a pause, resume or word to go on, at each of an operator's turns
	stop   float64 // of a stop, the same
	road   float64 // of a channel being paused or opened, the same
	breaks bool    // a shutdown breaks off the hand-over that is under way
}

func newLots(seed uint64) lots {
	r := rand.New(rand.NewPCG(seed, 44))
	if r.IntN(3) > 0 {
		return lots{}
	}
	l := lots{lines: 1 + r.IntN(5), policy: []post.SigningPolicy{post.SignEach, post.SignBatch}[r.IntN(2)],
		steer: []float64{0, .3, .8}[r.IntN(3)], stop: []float64{0, .05, .3}[r.IntN(3)], road: []float64{0, 0, .3}[r.IntN(3)], breaks: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		l.canary = 1 + r.IntN(l.lines)
	}
	return l
}

// The people of a batch: one submits it, another approves and steers it.
const (
	submitter = post.ClientID("case-system")
	approver  = post.ClientID("approver")
)

// A mailing is the world's batch and what its people know of it.
type mailing struct {
	id        post.BatchID // what the submitter was told
	lines     []*person
	sent      bool // closed, as far as the submitter knows
	approved  bool // as far as the approver knows
	continued bool // the word to go on was given, heard or not
	halted    string
	told      map[post.LetterID]bool // what was under way when the halt was answered
	stopped   bool                   // so it was answered
	left      int                    // letters that left the state held
	road      map[post.Channel]bool  // paused, and so it was answered
	paused    bool                   // a channel, heard or not
	busy      bool                   // an order is under way
}

// plays reports whether the world has a batch.
func (w *world) plays() bool { return w.lot != nil }

// begin brings the batch into the world.
func (w *world) begin() {
	if w.plan.lines == 0 || w.peer != nil {
		return
	}
	m := &mailing{told: map[post.LetterID]bool{}, road: map[post.Channel]bool{}}
	w.lot, w.viewed = m, map[*actor]map[post.LetterID]bool{}
	for i, p := range persona.All()[w.plan.letters : w.plan.letters+w.plan.lines] {
		m.lines = append(m.lines, (&person{record: post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name},
			enrolled: w.luck.IntN(3) > 0, key: fmt.Sprint("line ", i+1), pdf: pdfs[i%len(pdfs)], letters: map[post.LetterID]bool{}}).settle(w.plan.homeless))
	}
	w.after(w.between(0, 10*time.Minute), w.send)
	w.after(w.between(0, 20*time.Minute), w.steer)
}

// again lets do happen soon, or late when the world is old.
func (w *world) again(do func()) {
	w.after(max(5*time.Second, w.now.Sub(start)/20)+w.between(0, 2*time.Minute), do)
}

// send is the submitter: it repeats what was not answered, until the batch is
// closed; then the approver has it.
func (w *world) send() {
	m, n := w.lot, w.nodes[w.luck.IntN(2)]
	w.spawn(n, func(ctx context.Context) {
		ctx = context.WithoutCancel(ctx) // as with a single letter
		var lines []batch.Line
		documents := map[string][]byte{}
		for _, p := range m.lines {
			sum := sha256.Sum256(p.pdf)
			documents[hex.EncodeToString(sum[:])] = p.pdf
			lines = append(lines, batch.Line{Key: p.key, Recipient: p.record, Title: "Afgørelse", Filename: "a.pdf", SHA256: hex.EncodeToString(sum[:])})
		}
		v, err := n.batches.Open(ctx, tenants[0].ID, submitter, "november", lines, w.hasten(batch.Options{Policy: w.plan.policy, Canary: w.plan.canary}))
		if err == nil {
			if m.id != "" && m.id != v.ID {
				w.violate("I2: one key was given two batches")
			}
			m.id = v.ID
		}
		for _, one := range v.Missing {
			if err == nil {
				err = n.batches.PutDocument(ctx, tenants[0].ID, v.ID, one, bytes.NewReader(documents[one]))
			}
		}
		if err == nil {
			_, err = n.batches.Close(ctx, tenants[0].ID, v.ID, submitter)
		}
		w.say("%s send batch: %s %v", n.name, v.State, err)
		m.sent = err == nil || errors.Is(err, post.FaultBatchState) // stopped meanwhile
	}, func(bool) {
		if !m.sent {
			w.again(w.send)
			return
		}
		w.again(w.approve)
	})
}

// approve is the approver; in some worlds the submitter tries first.
func (w *world) approve() {
	m, n, who := w.lot, w.nodes[w.luck.IntN(2)], approver
	if w.luck.IntN(5) == 0 {
		who = submitter
	}
	w.spawn(n, func(ctx context.Context) {
		v, err := n.batches.Approve(ctx, tenants[0].ID, m.id, who)
		w.say("%s %s approves: %s %v", n.name, who, v.State, err)
		if who == submitter && err == nil {
			w.violate("I19: whoever submitted a batch approved it")
		}
		m.approved = who == approver && err == nil || errors.Is(err, post.FaultBatchState)
	}, func(bool) {
		if !m.approved {
			w.again(w.approve)
		}
	})
}

// steer is the operator's turn: one thing at a time, until all is well and
// nothing is halted.
func (w *world) steer() {
	m := w.lot
	x := w.luck.Float64()
	var v batch.View
	if m.id != "" {
		v, _ = w.db.Node(func() time.Time { return w.now }).BatchView(context.Background(), "", m.id)
	}
	switch {
	case m.id == "":
	case w.healed && m.paused && !w.resting():
		w.open()
		return
	case w.healed && v.Paused:
		w.halt("resume")
		return
	case w.healed && v.State == batch.Approved && v.Waiting > 0:
		w.halt("continue")
		return
	case w.healed:
	case x < w.plan.stop && !m.stopped:
		w.halt("stop")
		return
	case x < w.plan.stop+w.plan.road && m.paused && w.resting():
	case x < w.plan.stop+w.plan.road:
		if m.paused {
			w.open()
		} else {
			w.shut()
		}
		return
	case x < w.plan.stop+w.plan.road+w.plan.steer:
		w.halt([]string{"pause", "pause", "resume", "continue"}[w.luck.IntN(4)])
		return
	}
	if !w.healed || !w.lotQuiet() {
		w.again(w.steer)
	}
}

// halt gives one order about the batch, and then it is the next one's turn.
func (w *world) halt(order string) { w.give(order, func() { w.again(w.steer) }) }

// give gives one order about the batch and hears the answer, or not.
func (w *world) give(order string, then func()) {
	m, n := w.lot, w.nodes[w.luck.IntN(2)]
	if m.busy { // operators wait for each other, or nobody could say what holds
		then()
		return
	}
	m.busy = true
	if order == "resume" { // from here on hand-overs may begin
		m.halted = ""
	}
	w.spawn(n, func(ctx context.Context) {
		var v batch.View
		var err error
		switch order {
		case "pause":
			v, err = n.batches.Pause(ctx, tenants[0].ID, m.id, approver)
		case "resume":
			v, err = n.batches.Resume(ctx, tenants[0].ID, m.id, approver)
		case "continue":
			m.continued = true
			v, err = n.batches.Continue(ctx, tenants[0].ID, m.id, approver)
		case "stop":
			v, err = n.batches.Stop(ctx, tenants[0].ID, m.id, approver)
		}
		under := w.viewed[w.running]
		delete(w.viewed, w.running)
		w.say("%s %s the batch: %s, %d under way, %v", n.name, order, v.State, v.UnderWay(), err)
		if err != nil {
			if order == "pause" && !errors.Is(err, post.FaultBatchState) {
				m.halted = "paused" // perhaps: it is resumed in the end
				m.told = nil
			}
			return
		}
		switch order {
		case "pause":
			m.halted, m.told = "paused", under
		case "stop":
			m.halted, m.stopped, m.told = "stopped", true, under
		}
	}, func(bool) {
		m.busy = false
		then()
	})
}

// shut pauses a channel, or all; open lifts every pause.
func (w *world) shut() {
	m, n := w.lot, w.nodes[w.luck.IntN(2)]
	if m.busy {
		w.again(w.steer)
		return
	}
	m.busy = true
	p := letter.Pause{Actor: approver, Channel: []post.Channel{"", post.Digital, post.Physical}[w.luck.IntN(3)], Tenant: []post.TenantID{"", tenants[0].ID}[w.luck.IntN(2)]}
	m.paused = true
	w.spawn(n, func(ctx context.Context) {
		_, err := call(ctx, n, "pause channel", func() (none, error) { return none{}, w.db.Node(n.now).PauseChannel(ctx, p) })
		w.say("%s pauses %q of %q: %v", n.name, p.Channel, p.Tenant, err)
		if err == nil {
			m.road[p.Channel] = true
		}
	}, w.heard)
}

func (w *world) open() {
	m, n := w.lot, w.nodes[w.luck.IntN(2)]
	if m.busy {
		w.again(w.steer)
		return
	}
	m.busy = true
	clear(m.road)
	w.spawn(n, func(ctx context.Context) {
		_, err := call(ctx, n, "resume channels", func() (none, error) {
			s := w.db.Node(n.now)
			return none{}, errors.Join(s.ResumeChannel(ctx, letter.Pause{Actor: approver}), s.ResumeChannel(ctx, letter.Pause{Actor: approver, Tenant: tenants[0].ID}))
		})
		w.say("%s resumes all channels: %v", n.name, err)
		m.paused = m.paused && err != nil
	}, w.heard)
}

// heard ends an order; the next one is anybody's.
func (w *world) heard(bool) {
	w.lot.busy = false
	w.again(w.steer)
}

// lotDuties is what a dispatcher does for batches.
func (w *world) lotDuties(n *node) {
	if !w.plays() {
		return
	}
	w.spawn(n, func(ctx context.Context) {
		if err := n.signer.Step(ctx); err != nil {
			w.say("%s sign batches: %v", n.name, err)
		}
		if err := (&store{n: n, real: w.db.Node(n.now)}).ReleaseApproved(ctx, 2); err != nil {
			w.say("%s release: %v", n.name, err)
		}
	}, nil)
}

// lotQuiet reports whether the batch has come to its end, whatever its letters do.
func (w *world) lotQuiet() bool {
	if !w.plays() {
		return true
	}
	m := w.lot
	if m.id == "" || m.paused {
		return false
	}
	v, err := w.db.Node(func() time.Time { return w.now }).BatchView(context.Background(), "", m.id)
	return err == nil && !v.Paused && (v.State == batch.Released || v.State == batch.Stopped)
}

// made is how many lines have become letters.
func (w *world) made() int {
	rows, _ := w.db.Rows()
	n := 0
	for _, r := range rows {
		if r.Batch != "" {
			n++
		}
	}
	return n
}

// lotMoved is checked at each committed move: nothing begins that people have
// halted, and no more than the canary goes before the word is given.
func (w *world) lotMoved(m memstore.Move) {
	lot := w.lot
	if !w.plays() {
		return
	}
	ours := slices.Contains(lot.lines, w.owner[m.Letter])
	if m.From == post.LetterHeld && m.To == post.LetterReady && ours {
		if lot.left++; w.plan.canary > 0 && !lot.continued && lot.left > w.plan.canary {
			w.violate("I19: letter %d of a batch goes before its canary of %d was found good", lot.left, w.plan.canary)
		}
	}
	if m.To != post.LetterHandingOver || m.Actor != "dispatcher" { // a receipt only says that it was
		return
	}
	switch {
	case ours && lot.halted != "" && lot.told != nil:
		w.violate("I18: the hand-over of letter %s begins, and its batch is %s", m.Letter, lot.halted)
	case lot.road[""] || lot.road[m.Channel]:
		w.violate("I18: the hand-over of letter %s begins, and its channel is paused", m.Letter)
	}
}

// lotSent is checked when bytes come to a carrier: of a halted batch only those of
// which its operator was told that a carrier has them or that they were under way.
// A process that was stalled in a hand-over repeats what another has done since.
func (w *world) lotSent(id post.LetterID) {
	if !w.plays() || w.lot.halted == "" || w.lot.told == nil || !slices.Contains(w.lot.lines, w.owner[id]) {
		return
	}
	if !w.lot.told[id] {
		w.violate("I18: letter %s of a batch that is %s is handed over, and nobody was told that it was under way", id, w.lot.halted)
	}
}

// lotSettled is checked when the world has come to rest.
func (w *world) lotSettled() {
	if !w.plays() {
		return
	}
	m := w.lot
	s := w.db.Node(func() time.Time { return w.now })
	v, err := s.BatchView(context.Background(), "", m.id)
	switch {
	case err != nil:
		w.violate("I2: the batch %q: %v", m.id, err)
		return
	case v.State != batch.Stopped && (v.State != batch.Released || m.stopped):
		w.violate("I2: the batch has come to rest as %s", v.State)
	case v.State == batch.Released && w.made() != len(m.lines):
		w.violate("I20: %d letters of %d lines", w.made(), len(m.lines))
	case !m.stopped && v.Letters[post.LetterCancelled] > 0 && v.State != batch.Stopped:
		w.violate("I2: %d letters of a batch that nobody stopped are cancelled", v.Letters[post.LetterCancelled])
	}
	w.addsUp(v)
	report, err := s.LetterList(context.Background(), letter.Filter{Batch: m.id})
	lines := map[int]bool{}
	for _, l := range report {
		lines[l.Line] = true
	}
	if err != nil || len(report) != w.made() || len(lines) != len(report) {
		w.violate("I20: the report has %d letters of %d lines: %v", len(report), len(lines), err)
	}
	w.covers(v)
}

// addsUp wants the numbers of a batch to be those of its lines.
func (w *world) addsUp(v batch.View) {
	sum := 0
	for _, n := range v.Letters {
		sum += n
	}
	switch v.State {
	case batch.Receiving, batch.Open:
		return
	case batch.Closed, batch.Approved, batch.Released:
		if sum != v.Lines || v.Lines != len(w.lot.lines) {
			w.violate("I20: a batch of %d lines, as %s, counts %d letters", len(w.lot.lines), v.State, sum)
		}
	case batch.Closing, batch.Stopping, batch.Stopped: // all or some of them were made
	}
	if sum != w.made() {
		w.violate("I20: a batch counts %d letters, and there are %d", sum, w.made())
	}
}

// covers wants the signature of a batch to cover each line as it was given, and
// nothing else.
func (w *world) covers(v batch.View) {
	if !v.Signed {
		return
	}
	signed, leaves, err := w.db.Node(func() time.Time { return w.now }).SignedBatch(context.Background(), v.ID)
	root, bad := verify.SignedRoot(signed, signing().all)
	tree := verify.NewTree(len(leaves))
	for _, l := range leaves {
		tree.Append(l)
	}
	if err != nil || bad != nil || root.Batch != v.ID || root.Size != int64(len(w.lot.lines)) || tree.Size() != root.Size || tree.Root() != root.Hash {
		w.violate("I8: the signature of a batch of %d lines covers %d: %v", len(w.lot.lines), root.Size, errors.Join(err, bad))
		return
	}
	rows, _ := w.db.Rows()
	for _, r := range rows {
		if r.Batch != v.ID || r.Manifest == nil {
			continue
		}
		m, err := prove(r.Manifest)
		leaf, bad := verify.Leaf(m)
		if err != nil || bad != nil || leaf != leaves[r.Line-1] || m.Documents[0].SHA256 != sha256.Sum256(w.lot.lines[r.Line-1].pdf) {
			w.violate("I8: line %d is not what its batch was signed with: %v", r.Line, err)
		}
	}
}

// everybody is whom letters are for.
func (w *world) everybody() []*person {
	if !w.plays() {
		return w.people
	}
	return slices.Concat(w.people, w.lot.lines)
}

// buildLots assembles what a house needs for batches.
func (w *world) buildLots(n *node, h *house, s *store, log *slog.Logger) error {
	if !w.plays() {
		return nil
	}
	var err [2]error
	var steering batch.Store = s
	if w.hazard.steering != nil {
		steering = w.hazard.steering(w, s)
	}
	h.batches, err[0] = batch.New(batch.Config{Store: steering, PutDataKey: s.PutDataKey, Blobs: disk{w}, Dispatcher: plainKey{}, IndexKey: indexKey,
		Tenants: w.tenants(), Log: log, NewID: w.newID, NewReference: w.newReference})
	h.signer, err[1] = dispatch.NewBatchSigner(h.advancer, w.roots(s), pen{n})
	return errors.Join(err[:]...)
}

// gate is nil in worlds in which nobody halts anything.
func (w *world) gate(n *node, log *slog.Logger, jitter func(time.Duration) time.Duration) *dispatch.Gate {
	if !w.plays() {
		return nil
	}
	g, err := dispatch.NewGate(dispatch.GateConfig{Log: log, Now: n.now, Rand: jitter, Paused: func(ctx context.Context) ([]letter.Pause, error) {
		if w.chance(w.plan.storeDown) { // it lets nobody else run: its caller holds a lock
			return nil, errStore
		}
		return w.db.Node(n.now).Paused(ctx)
	}})
	if err != nil {
		panic(err)
	}
	return g
}

// PutGroup implements [batch.Blobs]; documents come one by one here.
func (d disk) PutGroup(context.Context, func(seal.Group) error) error { return errors.ErrUnsupported }

// underWay are the letters of the batch that a halt comes too late for, and among
// them those that it is told of as under way.
func (w *world) underWay() (late map[post.LetterID]bool, under int) {
	late = map[post.LetterID]bool{}
	rows, _ := w.db.Rows()
	for _, r := range rows {
		if r.Batch == "" {
			continue
		}
		switch r.State {
		case post.LetterHandingOver, post.LetterOutcomeUnknown:
			under++
			late[r.ID] = true
		case post.LetterHeld, post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterNotTaken, post.LetterCancelled:
			late[r.ID] = r.Unsure // a person let it be sent once more
		default:
			late[r.ID] = true
		}
	}
	return late, under
}
