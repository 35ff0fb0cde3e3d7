package postctlapp

import "sikkerpost.dk/gateway/internal/daemon"

// Pace tells the collector of this process what postctl is like: it keeps a few MB, and
// makes a KB of garbage for each line. What it keeps more of a larger batch then takes
// a quarter more, and not twice as much. Only a program that is postctl and nothing else
// calls it.
func Pace() { daemon.Pace{Garbage: 4 << 20}.Set() }
