package suite

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// acceptAs takes in a letter that change has made another's, or urgent.
func (b *bench) acceptAs(change func(*letter.Accepted)) post.LetterID {
	b.Helper()
	a := accepted(post.NewID(), post.NewID(), post.NewReference())
	change(&a)
	_, _, err := b.s.AcceptLetter(b.Context(), a)
	b.must(err)
	return a.ID
}

// claim leases n due letters and says how many of each kind they are.
func (b *bench) claim(n int, shut func(queue.Share) bool, kinds map[string]string) (leases []queue.Lease, of map[string]int) {
	b.Helper()
	leases, err := b.s.LeaseDue(b.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: n, For: time.Hour, Shut: shut})
	b.must(err)
	of = map[string]int{}
	for _, l := range leases {
		of[kinds[l.ID]]++
	}
	return leases, of
}

func nobodyStarves(t *testing.T, b *bench) {
	kinds := map[string]string{}
	for range 60 {
		kinds[string(b.acceptAs(func(a *letter.Accepted) { a.Urgent = true }))] = "urgent"
		kinds[string(b.accept())] = "ordinary"
	}
	kinds[string(b.acceptAs(func(a *letter.Accepted) { a.Tenant = "fjordby" }))] = "another's"
	if _, of := b.claim(32, nil, kinds); of["urgent"] != 28 || of["ordinary"] != 3 || of["another's"] != 1 {
		t.Errorf("of 120 letters of one tenant, half of them urgent, and one of another: %v", of)
	}
	rings, err := b.s.Due(t.Context(), queue.AdvanceLetter, 16, 0)
	b.must(err)
	rung := map[string]int{}
	for _, r := range rings {
		rung[kinds[r.ID]]++
	}
	if rung["urgent"] != 14 || rung["ordinary"] != 2 {
		t.Errorf("rung for %v", rung)
	}
}

func whatIsKeptBackComesBehind(t *testing.T, b *bench) {
	const road = "digital somebody"
	kinds, kept := map[string]string{}, []post.LetterID{}
	for range 40 {
		id := b.acceptAs(func(a *letter.Accepted) { a.Urgent = true })
		kinds[string(id)] = "kept back"
		kept = append(kept, id)
	}
	for i, id := range kept {
		l := b.lease(id, time.Hour)
		w := dispatch.Wait{Letter: id, Version: int64(i % 2), Due: past(), Road: road} // with and without a new code
		b.must(b.s.WaitLetter(t.Context(), l, w))
	}
	for range 40 {
		kinds[string(b.accept())] = "can go"
	}
	asked := map[queue.Share]bool{}
	shut := func(s queue.Share) bool {
		asked[queue.Share{Lane: s.Lane, Road: s.Road, Tenant: s.Tenant}] = true
		return s.Road == road
	}
	leases, of := b.claim(32, shut, kinds)
	if of["kept back"] != 2 || of["can go"] != 30 {
		t.Errorf("shut: %v", of)
	}
	if !asked[queue.Share{Lane: queue.Urgent, Road: road, Tenant: string(tenant)}] || !asked[queue.Share{Lane: queue.Ordinary, Tenant: string(tenant)}] {
		t.Errorf("asked about %v", asked)
	}
	for _, l := range leases { // what was leased has left its road, whatever comes of it
		if kinds[l.ID] == "kept back" {
			b.must(b.s.WaitLetter(t.Context(), l, dispatch.Wait{Letter: post.LetterID(l.ID), Due: past()}))
		}
	}
	if _, of := b.claim(32, shut, kinds); of["kept back"] != 2+2 || of["can go"] != 10 {
		t.Errorf("two on no road, two of the trickle, and the rest: %v", of)
	}
	if _, of := b.claim(32, nil, kinds); of["kept back"] != 32 {
		t.Errorf("open again: %v", of)
	}
}

func unsureAnswersAreCounted(t *testing.T, b *bench) {
	id := b.accept()
	l := b.lease(id, time.Hour)
	r := b.move(l, post.LetterReady)
	b.must(b.s.WaitLetter(t.Context(), l, dispatch.Wait{Letter: id, Version: r.Version, Code: "lookup", Looks: 7, Due: past()}))
	l = b.lease(id, time.Hour)
	if r = b.read(l); r.Looks != 7 || r.Code != "lookup" {
		t.Errorf("read: %d answers, code %q", r.Looks, r.Code)
	}
	if r = b.move(l, post.LetterSigned); r.Looks != 0 {
		t.Errorf("in another state: %d answers", r.Looks)
	}
}
