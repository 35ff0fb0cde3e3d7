package dispatcherapp

import "sikkerpost.dk/gateway/internal/daemon"

// Pace tells the collector of this process what the dispatcher is like: it keeps 6
// MB, some 30 with letters in hand, and made 400 KB of garbage for each of them when
// the figure was chosen: 12 collections for 1,000 letters instead of 28, for 20 MB
// more resident. Twice as much saved little beyond that. It has no limit, as what it
// keeps is bounded already. Only a program that is a dispatcher and nothing else
// calls it.
func Pace() {
	daemon.Pace{Garbage: 16 << 20}.Set()
}
