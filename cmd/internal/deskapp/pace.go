package deskapp

import "sikkerpost.dk/gateway/internal/daemon"

// Pace tells the collector of this process what desk is like: it keeps some 9 MB, and
// for a moment more when many lines come in. The limit is near what it keeps when as
// many of the largest documents are in memory as may be, below the 256 MB that it may
// have. Only a program that is desk and nothing else calls it.
func Pace() {
	daemon.Pace{Garbage: 20 << 20, Limit: 160 << 20}.Set()
}
