package dispatch

import (
	"context"
	"time"
)

// slots bound how many letters a process works on at once.
type slots struct {
	free      chan struct{} // one for each free slot
	gathering chan struct{} // held by the one call that gathers free slots
}

func newSlots(n int) slots {
	s := slots{make(chan struct{}, n), make(chan struct{}, 1)}
	s.giveBack(n)
	return s
}

func (s slots) giveBack(n int) {
	for range n {
		s.free <- struct{}{}
	}
}

// take waits for a free slot, a moment longer for more of them, and takes up to
// [Together]. It returns 0 when ctx ended first.
func (s slots) take(ctx context.Context) (n int) {
	select {
	case s.gathering <- struct{}{}:
		defer func() { <-s.gathering }()
	case <-ctx.Done():
		return 0
	}
	select {
	case <-s.free:
		n = 1
	case <-ctx.Done():
		return 0
	}
	enough := time.NewTimer(gather)
	defer enough.Stop()
	for n < Together {
		if n >= min(refill, cap(s.free)) {
			select {
			case <-s.free:
				n++
				continue
			default:
				return n
			}
		}
		select {
		case <-s.free:
			n++
		case <-enough.C:
			return n
		case <-ctx.Done():
			s.giveBack(n)
			return 0
		}
	}
	return n
}
