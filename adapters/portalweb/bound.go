package portalweb

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// A Rate is how many requests are let in: so many a minute, and up to Burst at
// once after a pause.
type Rate struct {
	PerMinute int
	Burst     int
}

// A pace is a [Rate] as a bound counts by it: what one request uses up, and how
// far ahead of the clock a count may run.
type pace struct{ step, slack time.Duration }

func (r Rate) pace() pace { return paced(time.Minute/time.Duration(r.PerMinute), r.Burst) }

func paced(step time.Duration, burst int) pace {
	return pace{step, step * time.Duration(max(burst, 1)-1)}
}

// wait is how long whoever is paid off at paid has to wait at now; not above 0: not.
func (p pace) wait(paid, now time.Duration) time.Duration { return paid - now - p.slack }

// pay is when it is paid off with one more request.
func (p pace) pay(paid, now time.Duration) time.Duration { return max(paid, now) + p.step }

// A bound counts requests, by address and in all. Its memory is the same from
// the first to the last of any number of addresses: an address has one cell in
// each row, chosen by a hash that nobody outside knows, and it is held to the
// emptiest of them. A stranger shares all its cells with others, and so their
// count, only where very many addresses ask at once: with 5,000 of them, one in
// 200 does.
//
// A cell is the moment at which all that was let in is paid off at the rate
// (generic cell rate algorithm). What is turned away pays nothing: whoever
// keeps asking too fast still gets in at the rate.
//
// Thousands of addresses together can use up what is there for all. So a quarter
// of it is for those who seldom ask: an address gets in by it a few times, and
// then every so often (for a log-in twice, and once in half an hour); the
// addresses of one network (/16, in IPv6 /32: what a provider has) get a quarter
// of that quarter. Whoever asks again and again uses it up and shares the rest; a
// citizen has it still.
type bound struct {
	each, all, rest, seldom, network pace
	seeds                            [boundRows]maphash.Seed

	mu                          sync.Mutex
	cells, seldomBy, networksBy sketch
	whole, shared               time.Duration // since the clock's zero
}

type sketch [boundRows][boundCells]time.Duration

const (
	boundRows  = 4
	boundCells = 1 << 14
	// How much slower, and with how much smaller a burst, than by its own rate an
	// address gets in by what is kept for those who seldom ask.
	seldomStep, seldomBurst = 900, 30
)

func newBound(each, all Rate) *bound {
	e, a := each.pace(), all.pace()
	b := &bound{
		each: e, all: a, rest: paced(a.step*4/3, all.Burst*3/4),
		seldom: paced(e.step*seldomStep, each.Burst/seldomBurst), network: paced(a.step*16, all.Burst/16),
	}
	for i := range b.seeds {
		b.seeds[i] = maphash.MakeSeed()
	}
	return b
}

// where returns the cells of p.
func (b *bound) where(p netip.Prefix) (at [boundRows]int) {
	for i := range at {
		at[i] = int(maphash.Comparable(b.seeds[i], p) % boundCells)
	}
	return at
}

// paid is when whoever has the cells is paid off.
func (s *sketch) paid(at [boundRows]int) time.Duration {
	paid := s[0][at[0]]
	for i := range at {
		paid = min(paid, s[i][at[i]])
	}
	return paid
}

func (s *sketch) set(at [boundRows]int, paid time.Duration) {
	for i := range at {
		s[i][at[i]] = max(s[i][at[i]], paid)
	}
}

// let counts a request of from at now and returns 0, or counts nothing and
// returns how long to wait and whether it is the address that asks too much, or
// all together. An invalid from is counted in all only.
func (b *bound) let(from netip.Prefix, now time.Duration) (wait time.Duration, own bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !from.IsValid() {
		if wait := b.all.wait(b.whole, now); wait > 0 {
			return wait, false
		}
		b.whole = b.all.pay(b.whole, now)
		return 0, false
	}
	at := b.where(from)
	paid := b.cells.paid(at)
	if wait := b.each.wait(paid, now); wait > 0 {
		return wait, true
	}
	if wait := b.all.wait(b.whole, now); wait > 0 {
		return wait, false
	}
	if wait := b.rest.wait(b.shared, now); wait <= 0 {
		b.shared = b.rest.pay(b.shared, now)
	} else if !b.seldomAsks(from, at, now) {
		return wait, false
	}
	b.whole = b.all.pay(b.whole, now)
	b.cells.set(at, b.each.pay(paid, now))
	return 0, false
}

// seldomAsks counts a request of the address that has the cells at as one of
// those who seldom ask, or counts nothing and returns false.
func (b *bound) seldomAsks(from netip.Prefix, at [boundRows]int, now time.Duration) bool {
	bits := 16
	if from.Addr().Is6() {
		bits = 32
	}
	net := b.where(netip.PrefixFrom(from.Addr(), bits).Masked())
	mine, all := b.seldomBy.paid(at), b.networksBy.paid(net)
	if b.seldom.wait(mine, now) > 0 || b.network.wait(all, now) > 0 {
		return false
	}
	b.seldomBy.set(at, b.seldom.pay(mine, now))
	b.networksBy.set(net, b.network.pay(all, now))
	return true
}
