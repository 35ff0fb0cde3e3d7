package dispatcherapp

import (
	"context"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// kombi is a second carrier of both channels, beside the usual two.
func (h *house) carriers(kombi *carrier, serves func(post.TenantID) bool) []dispatch.Carrier {
	return []dispatch.Carrier{
		{Name: post.DigitalPost, Channels: map[post.Channel]dispatch.Channel{post.Digital: h.digital}, Directory: h.dir},
		{Name: post.PrintHouse, Channels: map[post.Channel]dispatch.Channel{post.Physical: h.paper}},
		{Name: post.KombiPost, Channels: map[post.Channel]dispatch.Channel{post.Digital: kombi, post.Physical: kombi},
			Directory: h.dir, Serves: serves},
	}
}

func (h *house) by(carriers []dispatch.Carrier, ways map[post.TenantID]dispatch.Way) {
	h.t.Helper()
	r, err := dispatch.NewRoads(carriers, ways)
	if err != nil {
		h.t.Fatal(err)
	}
	h.roads = r
}

var byKombi = map[post.TenantID]dispatch.Way{"engdal": {Digital: post.KombiPost, Physical: post.KombiPost}}

// TestARetryGoesToTheCarrierOfItsIntent changes a tenant's way while a hand-over
// is in doubt, both ways round.
func TestARetryGoesToTheCarrierOfItsIntent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after map[post.TenantID]dispatch.Way
	}{
		"from the usual to another": {nil, byKombi},
		"back to the usual":         {byKombi, nil},
	} {
		for _, answer := range []dispatch.Verdict{dispatch.Unknown, dispatch.NotTaken} {
			h, kombi := newHouse(t), newCarrier("both")
			first, second := h.digital, kombi
			if c.before != nil {
				first, second = kombi, h.digital
			}
			first.answer = func(call int, _ dispatch.Job) dispatch.Verdict {
				if call == 1 {
					return answer
				}
				return dispatch.Taken
			}
			h.by(h.carriers(kombi, nil), c.before)
			id := h.submit("k1")
			h.advance(id)
			h.by(h.carriers(kombi, nil), c.after)
			h.later()
			h.advance(id)
			h.want(id, post.LetterHandedOver)
			if first.count(id) != 1 || second.calls != 0 {
				t.Errorf("%s, first %s: the first has it %d times, the other was called %d times", name, answer, first.count(id), second.calls)
			}
			next := h.submit("k2")
			h.advance(next)
			if second.count(next) != 1 {
				t.Errorf("%s: the next letter did not go by the new way", name)
			}
			h.conserved()
		}
	}
}

// TestWithoutItsCarrierALetterNeedsAPerson takes the carrier away, or the
// tenant from it, while a hand-over waits for its next attempt.
func TestWithoutItsCarrierALetterNeedsAPerson(t *testing.T) {
	t.Parallel()
	for name, less := range map[string]func([]dispatch.Carrier) []dispatch.Carrier{
		"the carrier is gone": func(all []dispatch.Carrier) []dispatch.Carrier { return all[:2] },
		"it serves the tenant no more": func(all []dispatch.Carrier) []dispatch.Carrier {
			all[2].Serves = func(id post.TenantID) bool { return id != "engdal" }
			return all
		},
		"it does not carry the channel any more": func(all []dispatch.Carrier) []dispatch.Carrier {
			delete(all[2].Channels, post.Digital)
			return all
		},
	} {
		h, kombi := newHouse(t), newCarrier("both")
		kombi.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.Unknown }
		h.by(h.carriers(kombi, nil), byKombi)
		id := h.submit("k1")
		h.advance(id)
		h.by(less(h.carriers(kombi, nil)), nil)
		h.later()
		h.advance(id)
		v := h.want(id, post.LetterNeedsPerson)
		if v.Code != "carrier-gone: kombipost" || h.digital.calls+h.paper.calls != 0 || kombi.calls != 1 {
			t.Errorf("%s: code %q, others called %d times", name, v.Code, h.digital.calls+h.paper.calls)
		}
		// It had it all the same, and says so: the doubt ends.
		h.receive(track.Receipt{EventID: "e", MessageID: v.MessageID, Kind: track.Delivered, At: time.Now()})
		h.want(id, post.LetterDelivered)
		h.conserved()
	}
}

func TestEachTenantsLetterGoesByItsOwnWay(t *testing.T) {
	t.Parallel()
	h, kombi := newHouse(t), newCarrier("both")
	h.by(h.carriers(kombi, nil), map[post.TenantID]dispatch.Way{"engdal": {Physical: post.KombiPost}})
	h.dir.answer = func(r post.PartyRecord) dispatch.Reach {
		if r.ID == recipient("poul").ID {
			return dispatch.Reach{Answer: dispatch.Unreachable, Code: "EXEMPT"}
		}
		return dispatch.Reach{Answer: dispatch.Reachable, Code: "REGISTERED"}
	}
	send := func(key string, tenant post.TenantID, to string) post.LetterID {
		s := submission(key)
		s.Tenant, s.Recipient = tenant, recipient(to)
		r, err := h.desk.Submit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		h.advance(r.ID)
		h.want(r.ID, post.LetterHandedOver)
		return r.ID
	}
	if id := send("a", "engdal", "nancy"); h.digital.count(id) != 1 {
		t.Error("digital of the tenant with a choice for paper only")
	}
	if id := send("b", "engdal", "poul"); kombi.count(id) != 1 {
		t.Error("paper of the tenant with a choice")
	}
	if id := send("c", "fjordby", "poul"); h.paper.count(id) != 1 {
		t.Error("paper of a tenant without a choice")
	}
}

// says is a directory that answers with its own name.
type says string

func (s says) Look(context.Context, post.Tenant, post.PartyRecord) dispatch.Reach {
	return dispatch.Reach{Answer: dispatch.Unreachable, Code: string(s)}
}

func TestTheCarrierOfTheDigitalRoadIsAsked(t *testing.T) {
	t.Parallel()
	channels := map[post.Channel]dispatch.Channel{post.Digital: newCarrier(post.Digital), post.Physical: newCarrier(post.Physical)}
	served := func(id post.TenantID) bool { return id != "lyngsoe" }
	all := []dispatch.Carrier{
		{Name: post.DigitalPost, Channels: channels, Directory: says("ngdp"), Serves: served},
		{Name: post.PrintHouse, Channels: channels}, {Name: post.KombiPost, Channels: channels, Directory: says("kombit")},
	}
	r, err := dispatch.NewRoads(all, map[post.TenantID]dispatch.Way{"engdal": {Digital: post.KombiPost}, "fjordby": {Physical: post.KombiPost}})
	if err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[post.TenantID]string{"engdal": "kombit", "fjordby": "ngdp", "havnsted": "ngdp", "lyngsoe": "carrier-gone"} {
		got := r.Look(t.Context(), post.Tenant{ID: tenant}, post.PartyRecord{})
		if got.Code != want || (want == "carrier-gone") != (got.Answer == dispatch.Unsure) {
			t.Errorf("%s: %s %q, want %q", tenant, got.Answer, got.Code, want)
		}
	}
	_, err = dispatch.NewRoads(append(all[:2:2], all[1]), map[post.TenantID]dispatch.Way{
		"engdal": {Digital: post.KombiPost}, "lyngsoe": {}, "havnsted": {Digital: post.PrintHouse}})
	for _, gap := range []string{`carrier "printhouse" is given twice`, "kombipost does not carry digital for tenant engdal",
		"digitalpost does not carry digital for tenant lyngsoe", "printhouse cannot be asked who is reachable for tenant havnsted"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("not named: %s, in %v", gap, err)
		}
	}
}
