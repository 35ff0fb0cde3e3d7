package sim

import (
	"bytes"
	"crypto/sha256"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/sim/memstore"
)

// moved is checked at each committed move.
func (w *world) moved(m memstore.Move) {
	w.mix(string(m.Letter) + string(m.From) + string(m.To))
	w.say("  %s: %s -> %s %s/%d by %s (%s)", m.Letter[24:], m.From, m.To, m.Channel, m.Generation, m.Actor, m.Code)
	if m.From == "" {
		return
	}
	if !m.From.May(m.To, m.Channel) && !m.From.May(m.To, m.On) {
		w.violate("I9: letter %s went from %s to %s, which the table forbids", m.Letter, m.From, m.To)
	}
	if m.From.Final() && m.From != post.LetterPresumed {
		w.violate("I9: letter %s left the final state %s for %s", m.Letter, m.From, m.To)
	}
	if m.Generation < m.Before || m.Generation > m.Before && m.Before > 0 && m.Actor != "person" {
		w.violate("I5: %s changed the generation of letter %s from %d to %d", m.Actor, m.Letter, m.Before, m.Generation)
	}
	w.presumed(m)
	w.lotMoved(m)
	w.unproven(m.To, m.Code, m.Letter)
	w.meddled(m)
	if m.To == post.LetterRouted && m.Channel == post.Physical && m.Actor == "dispatcher" {
		if p := w.owner[m.Letter]; p == nil || !p.proven {
			w.violate("rule5: letter %s goes on paper, and nobody said that its recipient cannot receive", m.Letter)
		}
	}
	if m.On != "" && m.Channel != m.On && m.Generation == m.Before && m.From != post.LetterRefused && m.Actor != "person" {
		w.violate("I4: letter %s changed channel from %s to %s at %s", m.Letter, m.On, m.Channel, m.From)
	}
}

// checkForm is checked at each hand-over, with what the carrier sees.
func (w *world) checkForm(c *carrier, j dispatch.Job, f dispatch.Form, body []byte, who *person) {
	sum := sha256.Sum256(body)
	committed, ok := w.db.Intent(j.MessageID)
	switch {
	case sum != f.SHA256:
		w.violate("I8: %s read a form that is not the one announced", c.name)
	case !ok:
		w.violate("I8: %s was handed %s without a committed intent", c.name, j.MessageID)
	case committed != sum:
		w.violate("I8: %s was handed other bytes than were committed", c.name)
	}
	if j.MessageID != post.DerivedID(j.Letter, j.Channel, j.Generation) {
		w.violate("I3: letter %s goes out under the id %s, which is not derived", j.Letter, j.MessageID)
	}
	m, err := prove(w.db.Manifest(j.Letter))
	if err != nil || m.Letter != j.Letter || len(m.Documents) != 1 || m.Documents[0].SHA256 != sha256.Sum256(who.pdf) {
		w.violate("I8: letter %s is handed over without a signature for what its recipient shall get", j.Letter)
	}
	w.named(j, m.Reference, who)
	w.asked(j, who)
	if !bytes.HasSuffix(body, who.pdf) {
		w.violate("I8: letter %s brings its recipient another document", j.Letter)
	}
}

// arrived is checked at each delivery, over both carriers.
func (w *world) arrived(c *carrier, id string, p *parcel) {
	if w.peer != nil {
		return // counted, not forbidden
	}
	for _, other := range []*carrier{w.digital, w.paper} {
		for _, oid := range other.order {
			o := other.has[oid]
			if oid == id || o.letter != p.letter || o.generation != p.generation || o.refused || o.arrived.IsZero() {
				continue
			}
			switch {
			case c != other:
				w.violate("I4: generation %d of letter %s is delivered on both channels", p.generation, p.letter)
			case c.channel == post.Digital:
				w.violate("I3: generation %d of letter %s is delivered twice digitally", p.generation, p.letter)
			default:
				w.violate("I5: generation %d of letter %s is printed twice", p.generation, p.letter)
			}
		}
	}
}

// settled is checked when the world has come to rest.
func (w *world) settled() {
	rows, orphans := w.db.Rows()
	if orphans > 0 {
		w.violate("I13: %d jobs without a letter", orphans)
	}
	if n, want := w.db.Accepted(), len(w.people)+w.made(); n != len(rows) || n != want {
		w.violate("I2: %d callers and lines, %d entries of acceptance, %d letters", want, n, len(rows))
	}
	w.lotSettled()
	w.signedOnce()
	for _, p := range w.people {
		if p.receipt == "" {
			w.violate("I2: a caller never got a receipt")
		}
		if len(p.letters) > 1 {
			w.violate("I2: one key was given %d letters", len(p.letters))
		}
	}
	for _, r := range rows {
		w.settledLetter(r)
	}
	for _, k := range w.db.Kept() {
		switch {
		case k.Verdict == track.Waiting:
			w.violate("I11: receipt %s was never matched", k.EventID)
		case k.Verdict == track.Parked && (k.Reason == "unknown-hand-over" || k.Reason == "wrong-channel" || k.Reason == "unreadable"):
			w.violate("I11: receipt %s was parked: %s", k.EventID, k.Reason)
		case k.Verdict == track.Parked && k.Reason == "delivered-on-former-hand-over":
			w.violate("I4: receipt %s: %s", k.EventID, k.Reason)
		}
	}
}

// sane wants the letter's own times to lie where they can be, whatever the clock of
// its carrier shows.
func (w *world) sane(r memstore.Row, p *parcel) {
	for what, at := range map[string]time.Time{"available": r.Available, "taken": r.Taken} {
		switch {
		case at.IsZero():
		case at.After(w.now.Add(post.CarrierSkew)):
			w.violate("I16: letter %s is %s at %v, which is to come", r.ID, what, at)
		case p != nil && !p.arrived.IsZero() && at.Before(p.arrived.Add(-2*post.CarrierSkew)):
			w.violate("I16: letter %s is %s at %v, before its carrier had it", r.ID, what, at)
		}
	}
}

func (w *world) settledLetter(r memstore.Row) {
	if !r.State.Final() {
		why := "its step is due"
		if !r.Job {
			why = "no step is due"
		}
		w.violate("I2: letter %s is stranded in %s (%s, code %q)", r.ID, r.State, why, r.Code)
		return
	}
	if r.Job && r.State != post.LetterPresumed {
		w.violate("I13: letter %s has ended as %s and still has a job", r.ID, r.State)
	}
	w.cameBack(r)
	id := post.DerivedID(r.ID, r.Channel, r.Generation)
	parcel := w.digital.has[id]
	if r.Channel == post.Physical {
		parcel = w.paper.has[id]
	}
	out := parcel != nil && !parcel.arrived.IsZero() && !parcel.refused
	switch r.State {
	case post.LetterDelivered, post.LetterProven, post.LetterPresumed:
		if !out {
			w.violate("I2: letter %s counts as %s, but no carrier delivered it", r.ID, r.State)
		}
	case post.LetterCancelled:
		if out {
			w.violate("I2: letter %s was cancelled and is delivered", r.ID)
		}
	}
	wrong := w.digital.clock(w.now).After(w.now) // its clock: what it says is not the moment
	if r.State == post.LetterDelivered && out && !wrong && !r.Available.Equal(parcel.arrived) {
		w.violate("I12: letter %s is available since %v, the carrier says %v", r.ID, r.Available, parcel.arrived)
	}
	w.sane(r, parcel)
	w.punctual(r, parcel)
}
