package simulatorapp

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// maxAhead bounds how far the clock may be put forward.
const maxAhead = 10 * 365 * 24 * time.Hour

// clock is the machine's, put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(c.lead()) }

func (c *clock) lead() time.Duration { return time.Duration(c.ahead.Load()) }

// set puts the clock that far ahead of the machine's, and reports whether it
// may be.
func (c *clock) set(d time.Duration) bool {
	if d < 0 || d > maxAhead {
		return false
	}
	c.ahead.Store(int64(d))
	return true
}

type clockJSON struct {
	Now   time.Time `json:"now"`
	Ahead string    `json:"ahead"` // of the machine's clock
}

// setClockJSON adds to the clock, or sets it: one of the two.
type setClockJSON struct {
	Advance *string `json:"advance,omitempty"`
	Ahead   *string `json:"ahead,omitempty"`
}

func (a *App) clockJSON() clockJSON {
	return clockJSON{a.clock.now().UTC(), a.clock.lead().String()}
}

func (a *App) apiClock(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, a.clockJSON())
}

// apiSetClock takes {"advance":"48h"}, which adds, or {"ahead":"0s"}, which
// sets.
func (a *App) apiSetClock(w http.ResponseWriter, r *http.Request) {
	in := json.NewDecoder(io.LimitReader(r.Body, maxDial))
	in.DisallowUnknownFields()
	var by setClockJSON
	ok := in.Decode(&by) == nil && (by.Advance == nil) != (by.Ahead == nil)
	if ok {
		from, text := a.clock.lead(), by.Advance
		if by.Ahead != nil {
			from, text = 0, by.Ahead
		}
		d, err := time.ParseDuration(*text)
		ok = err == nil && a.turnClock(from+d)
	}
	if !ok {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, `the clock takes {"advance":"48h"} or {"ahead":"0s"}, never behind the machine's`)
		return
	}
	write(w, http.StatusOK, a.clockJSON())
}

func (a *App) formClock(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxDial)
	to := time.Duration(0)
	if by := r.FormValue("advance"); by != "" {
		d, err := time.ParseDuration(by)
		if err != nil {
			http.Error(w, spoken(r).say("Give a time such as 90m or 48h."), http.StatusUnprocessableEntity)
			return
		}
		to = a.clock.lead() + d
	}
	if !a.turnClock(to) {
		http.Error(w, spoken(r).say("The clock goes forward only, ten years at most."), http.StatusUnprocessableEntity)
		return
	}
	onTo(w, r, "/faults")
}

func (a *App) turnClock(to time.Duration) bool {
	if !a.clock.set(to) {
		return false
	}
	says := to.String() + " ahead"
	if to == 0 {
		says = "back to now"
	}
	a.feed.add(Event{Kind: "clock", Says: says})
	if err := a.remember(); err != nil { // the clock stands; a restart would put it back
		a.log.Error("settings not kept", slog.Any("error", err))
	}
	return true
}
