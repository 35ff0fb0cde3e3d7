package queue_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/queue"
)

// backlogOf is due work that claims take from.
type backlogOf []queue.Share

func (b backlogOf) take(t *queue.Turns, n int, shut func(queue.Share) bool) (taken []queue.Share) {
	taken = t.Deal(n, b, shut)
	for _, s := range taken {
		for i := range b {
			if b[i].Lane == s.Lane && b[i].Road == s.Road && b[i].Tenant == s.Tenant {
				b[i].Jobs -= s.Jobs
			}
		}
	}
	return taken
}

func jobsOf(all []queue.Share, tenant string) (n int) {
	for _, s := range all {
		if s.Tenant == tenant {
			n += s.Jobs
		}
	}
	return n
}

func TestTheMonthEndOfOneDoesNotKeepTheLetterOfAnotherWaiting(t *testing.T) {
	for _, n := range []int{1, 2, 7, 32} {
		b := backlogOf{{Lane: queue.Ordinary, Tenant: "month-end", Jobs: 100_000}, {Lane: queue.Ordinary, Tenant: "single", Jobs: 1}}
		var turns queue.Turns
		for claim := 1; jobsOf(b, "single") > 0; claim++ {
			if claim > 2 {
				t.Fatalf("claims of %d: the single letter waits after %d", n, claim)
			}
			b.take(&turns, n, nil)
		}
	}
}

func TestEachOfManyTenantsHasItsTurn(t *testing.T) {
	var b backlogOf
	for i := range 98 {
		b = append(b, queue.Share{Lane: queue.Ordinary, Tenant: fmt.Sprintf("tenant %02d", i), Jobs: 1000})
	}
	var turns queue.Turns
	for range 98 {
		b.take(&turns, 32, nil)
	}
	for _, s := range b {
		if taken := 1000 - s.Jobs; taken != 32 {
			t.Errorf("%s: %d of its jobs were taken, want as many as of each other", s.Tenant, taken)
		}
	}
}

func TestUrgentWorkLeavesAPartToOrdinary(t *testing.T) {
	for _, n := range []int{1, 3, 32} {
		b := backlogOf{{Lane: queue.Urgent, Tenant: "a", Jobs: 100_000}, {Lane: queue.Ordinary, Tenant: "a", Jobs: 100_000}}
		var turns queue.Turns
		for range 960 / n {
			b.take(&turns, n, nil)
		}
		if ordinary := 100_000 - b[1].Jobs; ordinary != 960/8 {
			t.Errorf("claims of %d: %d of 960 places went to ordinary work", n, ordinary)
		}
	}
}

func TestWhatIsShutComesBehindAndCostsATrickle(t *testing.T) {
	shut := func(s queue.Share) bool { return s.Road == "dead" }
	b := backlogOf{
		{Lane: queue.Urgent, Road: "dead", Tenant: "a", Jobs: 100_000}, {Lane: queue.Ordinary, Road: "dead", Tenant: "b", Jobs: 100_000},
		{Lane: queue.Ordinary, Tenant: "c", Jobs: 3000},
	}
	var turns queue.Turns
	for range 100 {
		b.take(&turns, 32, shut)
	}
	if left := b[2].Jobs; left != 0 {
		t.Errorf("%d of 3,000 that can go are left after 3,200 places", left)
	}
	if a, bb := 100_000-b[0].Jobs, 100_000-b[1].Jobs; a+bb != 200 || a != bb {
		t.Errorf("of what is shut %d and %d were taken", a, bb)
	}
	for range 16 { // nothing else is due: one at a time finds out whether it is open
		if n := len(b.take(&turns, 1, shut)); n > 1 {
			t.Fatalf("%d taken", n)
		}
	}
	if taken := b.take(&turns, 32, nil); taken[0].Lane != queue.Urgent || taken[0].Jobs < 24 {
		t.Errorf("open again: %+v", taken)
	}
}

// TestAClaimIsFullAndFair holds claims to what they promise, whatever is due.
func TestAClaimIsFullAndFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var turns queue.Turns
		var b backlogOf
		for i := range rapid.IntRange(1, 12).Draw(t, "shares") {
			b = append(b, queue.Share{Lane: queue.Lane(i % 2), Road: []string{"", "shut", "open"}[i%3], Tenant: fmt.Sprint(i / 4),
				Jobs: rapid.IntRange(0, 60).Draw(t, "jobs")})
		}
		shut := func(s queue.Share) bool { return s.Road == "shut" }
		for range 2000 {
			open, closed := 0, 0
			for _, s := range b {
				if shut(s) {
					closed += s.Jobs
				} else {
					open += s.Jobs
				}
			}
			if open+closed == 0 {
				return
			}
			n := rapid.IntRange(1, 40).Draw(t, "n")
			got, shutGot := 0, 0
			for _, s := range b.take(&turns, n, shut) {
				got += s.Jobs
				if shut(s) {
					shutGot += s.Jobs
				}
			}
			for _, s := range b {
				if s.Jobs < 0 {
					t.Fatalf("more taken than was due: %+v", b)
				}
			}
			switch {
			case got == 0 || got > n:
				t.Fatalf("%d taken by a claim of %d", got, n)
			case open > 0 && shutGot > n/16+1:
				t.Fatalf("%d of %d places went to what is shut", shutGot, n)
			case got < min(n, open):
				t.Fatalf("%d taken of %d open ones by a claim of %d", got, open, n)
			}
		}
		t.Fatalf("never done: %+v", b)
	})
}
