package post

import "time"

// Carriers have clocks of their own, and clocks can be wrong.
const (
	// CarrierDrift is how far a carrier's time may lie in our future before it is
	// reported.
	CarrierDrift = 5 * time.Minute
	// CarrierSkew is how far a carrier's time may lie in our future, or before the
	// hand-over that it speaks of, and still be believed: a day and some hours, as a
	// day without an hour, a wrong time zone or a wrong clock of our own make it.
	CarrierSkew = 26 * time.Hour
)

// CarrierTime returns the time of an event about a hand-over that was begun at
// from (zero: not known), as far as a carrier's word for it can be true now. A time
// beyond [CarrierSkew] in the future is now, when we heard of it; one as far before
// the hand-over is from. odd says that somebody should look at the carrier's clock,
// also when its word is taken.
func CarrierTime(at, from, now time.Time) (believed time.Time, odd bool) {
	switch {
	case at.After(now.Add(CarrierSkew)):
		return now, true
	case !from.IsZero() && at.Before(from.Add(-CarrierSkew)):
		return from, true
	}
	return at, at.After(now.Add(CarrierDrift))
}
