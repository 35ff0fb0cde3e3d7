package portalweb

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestThousandsOfAddressesKeepNoCitizenOut: 5,000 addresses start log-ins without
// end, at twice the rate that there is for all. Once each has been let in as
// somebody who seldom asks, citizens come in at their first try, for as long as the
// attack lasts.
func TestThousandsOfAddressesKeepNoCitizenOut(t *testing.T) {
	for name, address := range map[string]func(i int) string{
		"from everywhere": func(i int) string { return fmt.Sprintf("%d.%d.113.7/32", 11+i%97, i/97) },
		"out of one provider, never the same address": func(i int) string { return fmt.Sprintf("2001:db8:%x:%x::/64", i>>16, i&0xffff) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBound(usualLogin.Each, usualLogin.All)
			var in, out, citizens int
			for second := range 60 * 60 {
				now := time.Duration(second) * time.Second
				for i := range 60 {
					n := second*60 + i
					if name == "from everywhere" {
						n %= 5000
					}
					if wait, _ := b.let(netip.MustParsePrefix(address(n)), now); wait <= 0 {
						in++
					}
				}
				if second > 25*60 && second%2 == 0 { // thirty a minute
					citizens++
					if wait, _ := b.let(netip.MustParsePrefix(fmt.Sprintf("203.%d.5.%d/32", second/256, second%256)), now); wait > 0 {
						out++
					}
				}
			}
			// One in 200 shares its counts with a stranger, by chance: four times as many never do.
			if out > citizens/50 {
				t.Errorf("%d of %d citizens were kept out", out, citizens)
			}
			if most := usualLogin.All.Burst + 60*usualLogin.All.PerMinute; in+citizens-out > most || in < most/2 {
				t.Errorf("%d strangers got in; all may %d", in, most)
			}
		})
	}
}

// TestWhoSeldomAsksHasAFewTriesMore: when all together have used up what they
// share, each address gets in as often as is told, and those of one network by no
// more than their part.
func TestWhoSeldomAsksHasAFewTriesMore(t *testing.T) {
	b := newBound(Rate{30, 60}, Rate{1800, 600})
	for i := range 450 { // three quarters of the burst
		if wait, _ := b.let(netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.1/32", i/250, i%250)), 0); wait > 0 {
			t.Fatal("kept out of what is shared")
		}
	}
	tries := func(address string, n int) (in int) {
		for range n {
			if wait, _ := b.let(netip.MustParsePrefix(address), 0); wait <= 0 {
				in++
			}
		}
		return in
	}
	if n := tries("198.51.100.7/32", 5); n != 2 {
		t.Errorf("%d tries of one address, want 2", n)
	}
	of := 0
	for i := range 100 {
		of += tries(fmt.Sprintf("198.51.101.%d/32", i), 1)
	}
	if of != 600/16-2 {
		t.Errorf("%d more of its network, want %d", of, 600/16-2)
	}
	if n := tries("203.0.113.7/32", 1); n != 1 {
		t.Error("another network is kept out")
	}
	if b.let(netip.Prefix{}, 0); b.whole != (450+2+600/16-2+1+1)*(time.Minute/1800) {
		t.Errorf("all are counted to %s", b.whole)
	}
}
