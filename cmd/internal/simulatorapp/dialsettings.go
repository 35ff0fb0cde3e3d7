package simulatorapp

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/chaosdial"
	"sikkerpost.dk/gateway/internal/post"
)

type dialJSON struct {
	Seed      uint64           `json:"seed"`
	Endpoints []chaosdial.View `json:"endpoints"`
}

// Dial returns the dial of every endpoint, for stories that run in-process.
func (a *App) Dial() *chaosdial.Dial { return a.dial }

func (a *App) apiDial(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, dialJSON{a.dial.State().Seed, a.dial.Views()})
}

// apiSetDial replaces the whole dial: {"seed":7,"endpoints":{"ngdp.memos":{…}}}.
func (a *App) apiSetDial(w http.ResponseWriter, r *http.Request) {
	in := json.NewDecoder(io.LimitReader(r.Body, maxDial))
	in.DisallowUnknownFields()
	var s chaosdial.State
	if err := in.Decode(&s); err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity,
			"give seed and endpoints, each with percent, times, status, drop, delay_ms, duplicate, reorder")
		return
	}
	if err := a.turn(s); err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, err.Error())
		return
	}
	a.apiDial(w, r)
}

func (a *App) turn(s chaosdial.State) error {
	if err := a.dial.Set(s); err != nil {
		return err
	}
	a.feed.add(Event{Kind: "dial", Says: dialSays(s)})
	return a.remember()
}

// dialSays names the endpoints that the dial bends now.
func dialSays(s chaosdial.State) string {
	if len(s.Endpoints) == 0 {
		return "nothing goes wrong"
	}
	return strings.Join(slices.Sorted(maps.Keys(s.Endpoints)), ", ")
}

// formDial takes the page's form: one row of fields for each endpoint. A row
// whose chance is 0 or empty bends nothing, whatever else it says.
func (a *App) formDial(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxDial)
	if err := r.ParseForm(); err != nil {
		http.Error(w, spoken(r).say("The form cannot be read."), http.StatusBadRequest)
		return
	}
	bad := ""
	number := func(name string) int {
		text := r.PostForm.Get(name)
		if text == "" {
			return 0
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			bad = name + " is no whole number."
		}
		return n
	}
	on := func(name string) bool { return r.PostForm.Get(name) == "on" }
	s := chaosdial.State{Endpoints: map[string]chaosdial.Setting{}}
	var err error
	if s.Seed, err = strconv.ParseUint(r.PostForm.Get("seed"), 10, 64); err != nil {
		bad = "seed is no whole number."
	}
	for _, e := range endpoints {
		if percent := number(e.Name + ".percent"); percent != 0 {
			s.Endpoints[e.Name] = chaosdial.Setting{
				Percent: percent, Times: number(e.Name + ".times"), Status: number(e.Name + ".status"),
				DelayMillis: number(e.Name + ".delay_ms"), Drop: on(e.Name + ".drop"),
				Duplicate: on(e.Name + ".duplicate"), Reorder: on(e.Name + ".reorder"),
			}
		}
	}
	if bad == "" {
		if err := a.turn(s); err != nil {
			bad = err.Error()
		}
	}
	if bad != "" {
		a.renderFaults(w, r, http.StatusUnprocessableEntity, bad)
		return
	}
	onTo(w, r, "/faults")
}
