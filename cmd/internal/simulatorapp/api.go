package simulatorapp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// maxWait bounds ?wait=, below every proxy's and client's patience.
const maxWait = 30 * time.Second

// maxDial bounds the body of a request to the API.
const maxDial = 64 << 10

func write[T any](w http.ResponseWriter, status int, body T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked has gone
}

// problem answers with a fault, in the form of RFC 9457.
func problem(w http.ResponseWriter, f *post.Fault, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"code": f.Code, "title": f.English, "detail": detail, "cure": f.Cure,
	})
}

func (a *App) persona(key string) (persona.Persona, bool) {
	for _, p := range a.cfg.Personas {
		if p.Key == key {
			return p, true
		}
	}
	return persona.Persona{}, false
}

// numbers returns the numbers whose mailbox a persona reads.
func numbers(p persona.Persona) []string {
	var all []string
	for _, n := range []string{p.CPR, p.CVR} {
		if n != "" {
			all = append(all, n)
		}
	}
	return all
}

type boxJSON struct {
	Messages []digitalposttest.Message `json:"messages"`
}

func (a *App) apiBox(w http.ResponseWriter, r *http.Request) {
	p, ok := a.persona(r.PathValue("persona"))
	if !ok {
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such persona")
		return
	}
	write(w, http.StatusOK, boxJSON{a.post.Box(numbers(p)...)})
}

func (a *App) apiLatest(w http.ResponseWriter, r *http.Request) {
	p, ok := a.persona(r.PathValue("persona"))
	if !ok {
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such persona")
		return
	}
	wait, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil || wait < 0 {
		wait = 0
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(wait, maxWait))
	defer cancel()
	m, err := a.post.Await(ctx, r.URL.Query().Get("after"), numbers(p)...)
	if err != nil {
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such message yet")
		return
	}
	write(w, http.StatusOK, m)
}

func (a *App) apiAuthority(w http.ResponseWriter, r *http.Request) {
	cvr, err := post.ParseCVR(r.PathValue("cvr"))
	if err != nil {
		problem(w, post.FaultCVR, post.FaultCVR.Status, "")
		return
	}
	write(w, http.StatusOK, boxJSON{a.post.AuthorityBox(cvr, r.URL.Query().Get("contact_point"))})
}

func (a *App) apiMessage(w http.ResponseWriter, r *http.Request) {
	m, err := a.post.Message(r.PathValue("uuid"))
	if err != nil {
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such message")
		return
	}
	write(w, http.StatusOK, m)
}

// countsJSON counts what came.
type countsJSON struct {
	DigitalPost digitalposttest.Stats        `json:"digital_post"`
	KombiPost   *kombiposttest.Stats         `json:"kombi_post,omitempty"`
	PrintJobs   int                          `json:"print_jobs"`
	PrintStates map[printhouse.EventKind]int `json:"print_states"`
}

func (a *App) apiCounts(w http.ResponseWriter, _ *http.Request) {
	states := map[printhouse.EventKind]int{}
	jobs := a.paper.Jobs()
	for _, j := range jobs {
		states[j.State]++
	}
	all := countsJSON{a.post.Stats(), nil, len(jobs), states}
	if a.kombi != nil {
		stats := a.kombi.server.Stats()
		all.KombiPost = &stats
	}
	write(w, http.StatusOK, all)
}

func (a *App) apiFaults(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, a.post.Faults())
}

func (a *App) apiSetFaults(w http.ResponseWriter, r *http.Request) {
	in := json.NewDecoder(io.LimitReader(r.Body, maxDial))
	in.DisallowUnknownFields()
	var f digitalposttest.Faults
	if err := in.Decode(&f); err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, "the dial has no such setting")
		return
	}
	a.post.SetFaults(f)
	a.feed.add(Event{Kind: "dial", Says: "counts of Digital Post"})
	write(w, http.StatusOK, f)
}

// reset empties everything and turns dial and clock back. The list of events
// goes on, so that whoever follows it learns of the reset.
func (a *App) reset() error {
	err := errors.Join(a.post.Reset(), a.paper.Reset())
	if a.kombi != nil {
		err = errors.Join(err, a.kombi.server.Reset())
	}
	a.calls.clear()
	a.dial.Reset()
	a.clock.set(0)
	err = errors.Join(err, a.limits.set(nil), a.remember())
	a.feed.add(Event{Kind: "reset"})
	return err
}

func (a *App) apiReset(w http.ResponseWriter, r *http.Request) {
	if err := a.reset(); err != nil {
		a.log.ErrorContext(r.Context(), "simulators not reset", slog.Any("error", err))
		problem(w, post.FaultInternal, http.StatusInternalServerError, "")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
