package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

var references sync.Map // by number

// reference is the n-th, with its check character.
func reference(n int) string {
	if r, ok := references.Load(n); ok {
		return r.(string)
	}
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	body := make([]byte, 7)
	for i, left := 6, n; i >= 0; i, left = i-1, left/32 {
		body[i] = alphabet[left%32]
	}
	for _, check := range []byte(alphabet) {
		if r, ok := post.ParseReference(string(append(slices.Clone(body), check))); ok {
			references.Store(n, r)
			return r
		}
	}
	panic("no reference")
}

// newReference is new, or one of a few, which another letter may have.
func (w *world) newReference() string {
	w.seq++
	if w.plan.refs > 0 && w.luck.IntN(2) == 0 {
		return reference(w.luck.IntN(w.plan.refs))
	}
	return reference(1000 + w.seq)
}

// otherReference is drawn in place of one that another letter has.
func (w *world) otherReference() string {
	w.tried["a reference was taken"]++
	return w.newReference()
}

// told notes the reference that a caller got for a letter.
func (p *person) told(w *world, reference string) {
	if p.reference != "" && p.reference != reference {
		w.violate("I21: a caller is told of the reference %s and then of %s", p.reference, reference)
	}
	p.reference = reference
}

// named is checked at each hand-over: what is printed bears the one reference that
// its sender was told, that was signed, and that no other letter has; it goes where
// the register said that its recipient lived, and not where it came back from.
func (w *world) named(j dispatch.Job, signed string, who *person) {
	rows, _ := w.db.Rows()
	for _, r := range rows {
		switch {
		case r.ID == j.Letter && r.Reference != j.Reference, who.reference != "" && who.reference != j.Reference, signed != j.Reference:
			w.violate("I21: letter %s goes out as %s, is kept as %s, signed as %s, and its sender was told %s", j.Letter, j.Reference, r.Reference, signed, who.reference)
		case r.ID != j.Letter && r.Reference == j.Reference:
			w.violate("I21: letters %s and %s go out under one reference", j.Letter, r.ID)
		}
	}
	if j.Channel != post.Physical {
		return
	}
	at := strings.Join(j.Recipient.Address, ", ")
	if !slices.Contains(who.lived, at) {
		w.violate("I8: letter %s is printed for %q, where its recipient never lived", j.Letter, at)
	}
	for _, id := range w.paper.order {
		if p := w.paper.has[id]; w.plan.register && p.letter == j.Letter && p.generation < j.Generation && p.back && p.to == at {
			w.violate("I22: letter %s is printed for %q, from where it came back", j.Letter, at)
		}
	}
}

// home is where somebody lives now.
func (p *person) home() []string { return []string{fmt.Sprint("Vejen ", len(p.lived)), "9999 Byen"} }

// moveHouse gives somebody another address.
func (p *person) moveHouse() {
	p.lived = append(p.lived, "")
	p.lived[len(p.lived)-1] = strings.Join(p.home(), ", ")
}

// settle gives p a home; its letter may not bear it.
func (p *person) settle(homeless bool) *person {
	p.moveHouse()
	if p.record.Address = p.home(); homeless {
		p.record.Address = nil
	}
	return p
}

// homes is the register of addresses, asked by n.
type homes struct{ n *node }

// Find implements [dispatch.Addresses].
func (h homes) Find(_ context.Context, _ post.Tenant, to post.PartyRecord) dispatch.Residence {
	w := h.n.w
	w.point("find address", time.Millisecond, 200*time.Millisecond)
	if w.chance(w.plan.unsure) {
		return dispatch.Residence{Answer: dispatch.AddressUnsure, Code: "timeout"}
	}
	p := w.person(to.ID)
	answer := dispatch.Residence{Answer: dispatch.AddressFound, Name: to.Name, Lines: p.home()}
	if w.chance(w.plan.moves) {
		w.tried["somebody moved house"]++
		p.moveHouse()
	}
	w.say("%s find address: %s", h.n.name, answer.Lines)
	w.point("address found", 0, 50*time.Millisecond)
	return answer
}

// findHomes lets c ask the register, where there is one.
func (w *world) findHomes(n *node, s *store, c *dispatch.Config) {
	if !w.plan.register {
		return
	}
	keys := letter.NewKeys(plainKey{}, s.PutDataKey)
	c.Addresses, c.Seal = homes{n}, func(ctx context.Context, clear []byte) ([]byte, error) {
		key, err := keys.Current(ctx)
		if err != nil {
			return nil, err
		}
		return seal.Small(clear, key)
	}
}

// comesToTheTownHall reports whether a letter on paper comes back to the town hall,
// in some days, and its carrier knows nothing of it.
func (c *carrier) comesToTheTownHall(id string, p *parcel, luck *rand.Rand) bool {
	w := c.w
	if w.plan.townHall == 0 || !hit(w, luck, w.plan.townHall) {
		return false
	}
	p.back = true
	w.envelopes++
	w.tried["an envelope came to the town hall"]++
	code := id
	if luck.IntN(2) == 0 {
		if code = w.db.Reference(p.letter); p.generation > 1 {
			code += fmt.Sprint("/", p.generation)
		}
	}
	w.after(time.Duration(1+luck.IntN(15*24))*time.Hour, func() { w.enter(id, code, p) })
	return true
}

// enter is the clerk at the town hall, who enters an envelope until it is answered.
func (w *world) enter(id, code string, p *parcel) {
	n := w.nodes[w.luck.IntN(2)]
	over := false
	w.spawn(n, func(ctx context.Context) {
		room := track.Mailroom{Store: &store{n: n, real: w.db.Node(n.now)}, Log: slog.New(alarms{w}), Now: n.now}
		back, err := room.Enter(ctx, track.Return{Actor: "clerk", Code: code, Reason: "moved"})
		w.say("%s the town hall enters %s: %s %s %v", n.name, code, back.Letter, back.State, err)
		var f *post.Fault
		switch {
		case err == nil:
			over = true
			if back.Letter != p.letter || back.MessageID != id || !w.cameHome[id] {
				w.violate("I23: the envelope of letter %s was entered, as one of %s, and the letter never came back", p.letter, back.Letter)
			}
		case errors.Is(err, post.FaultReturnState):
			over = true // it has ended otherwise
		case errors.Is(err, post.FaultReturnWhich) && p.generation == 1 && code != id:
			code = id // the letter was printed once more: the code on the sheet says which
		case errors.As(err, &f) && !errors.Is(err, post.FaultUnavailable):
			over = true
			w.violate("I23: the envelope of letter %s is refused: %v", p.letter, err)
		}
	}, func(bool) {
		if !over {
			w.again(func() { w.enter(id, code, p) })
			return
		}
		w.envelopes--
	})
}

// FindEnvelopes implements [track.Envelopes].
func (s *store) FindEnvelopes(ctx context.Context, t post.TenantID, c track.Code) ([]track.Envelope, error) {
	return call(ctx, s.n, "find envelope", func() ([]track.Envelope, error) { return s.real.FindEnvelopes(ctx, t, c) })
}
