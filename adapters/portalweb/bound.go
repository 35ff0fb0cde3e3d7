package portalweb

import (
	"hash/maphash"
	"math"
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

// step is the time that one request uses up.
func (r Rate) step() time.Duration { return time.Minute / time.Duration(r.PerMinute) }

// slack is how far ahead of the clock a count may run.
func (r Rate) slack() time.Duration { return r.step() * time.Duration(r.Burst-1) }

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
type bound struct {
	each, all Rate
	seeds     [boundRows]maphash.Seed

	mu    sync.Mutex
	cells [boundRows][boundCells]time.Duration // since the clock's zero
	whole time.Duration
}

const (
	boundRows  = 4
	boundCells = 1 << 14
)

func newBound(each, all Rate) *bound {
	b := &bound{each: each, all: all}
	for i := range b.seeds {
		b.seeds[i] = maphash.MakeSeed()
	}
	return b
}

// let counts a request of from at now and returns 0, or counts nothing and
// returns how long to wait and whether it is the address that asks too much, or
// all together. An invalid from is counted in all only.
func (b *bound) let(from netip.Prefix, now time.Duration) (wait time.Duration, own bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var at [boundRows]int
	paid := time.Duration(math.MaxInt64)
	if from.IsValid() {
		for i := range at {
			at[i] = int(maphash.Comparable(b.seeds[i], from) % boundCells)
			paid = min(paid, b.cells[i][at[i]])
		}
		if wait := paid - now - b.each.slack(); wait > 0 {
			return wait, true
		}
	}
	if wait := b.whole - now - b.all.slack(); wait > 0 {
		return wait, false
	}
	b.whole = max(b.whole, now) + b.all.step()
	if from.IsValid() {
		paid = max(paid, now) + b.each.step()
		for i := range at {
			b.cells[i][at[i]] = max(b.cells[i][at[i]], paid)
		}
	}
	return 0, false
}
