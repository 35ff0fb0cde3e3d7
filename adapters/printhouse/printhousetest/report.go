package printhousetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/adapters/printhouse"
)

// stateFile is where the print house notes how far a job has come.
const stateFile = "job.json"

// order says what a job may go through after each state.
var order = map[printhouse.EventKind][]printhouse.EventKind{
	"":                       {printhouse.EventPrinting, printhouse.EventRejected},
	printhouse.EventPrinting: {printhouse.EventPosted, printhouse.EventReturned},
	printhouse.EventPosted:   {printhouse.EventProven, printhouse.EventReturned},
	printhouse.EventRejected: {printhouse.EventPrinting},
}

// Report makes the next thing happen to a job: posted, delivered-proven or
// returned, the last with a reason.
func (h *House) Report(id string, kind printhouse.EventKind, code string) (Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j, ok := h.jobs[strings.ToLower(id)]
	if !ok {
		return Job{}, ErrUnknown
	}
	if !slices.Contains(order[j.State], kind) || kind == printhouse.EventRejected {
		return Job{}, ErrOrder
	}
	if err := h.report(j, kind, reason(kind, code)); err != nil {
		return Job{}, err
	}
	return j.copy(), nil
}

func reason(kind printhouse.EventKind, code string) string {
	if kind == printhouse.EventReturned && code == "" {
		return "addressee.unknown"
	}
	return code
}

// report writes the event and notes the state. The event's id is derived from
// job and kind, so a repetition after a crash is the same event. The caller
// holds mu.
func (h *House) report(j *Job, kind printhouse.EventKind, code string) error {
	e := printhouse.Event{EventID: j.ID + "-" + string(kind), JobID: j.ID, Kind: kind, At: h.cfg.Now().UTC(), Code: code}
	tracking := j.Tracking
	if kind == printhouse.EventPosted {
		tracking = trackingOf(j.ID)
	}
	e.Tracking = tracking
	if err := h.deliver(j, e); err != nil {
		return fmt.Errorf("report print job %s: %w", j.ID, err)
	}
	j.State, j.Code, j.Tracking = kind, code, tracking
	j.History = append(j.History, kind)
	state, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("note print job %s: %w", j.ID, err)
	}
	dir := filepath.Join(h.cfg.Dir, j.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("note print job %s: %w", j.ID, err)
	}
	return publish(filepath.Join(dir, stateFile), state)
}

// trackingOf derives the tracking number of a registered letter from its job.
func trackingOf(id string) string {
	sum := fnv.New32a()
	sum.Write([]byte(id))
	return printhouse.TrackingNumber("RR", int(sum.Sum32()%100_000_000), "DK")
}

// publish writes a file that appears whole or not at all.
func publish(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".writing-*")
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("publish: %w", err), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// Reset forgets every job, its paper and its reports included, and empties the
// jobs folder of jobs that were picked up.
func (h *House) Reset() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for id := range h.jobs {
		errs = append(errs, os.RemoveAll(filepath.Join(h.cfg.Dir, id)))
		err := os.Remove(filepath.Join(h.cfg.Jobs, id+".job.age"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	h.jobs, h.list = map[string]*Job{}, nil
	return errors.Join(errs...)
}

// May reports whether a job in state may go to next.
func May(state, next printhouse.EventKind) bool { return slices.Contains(order[state], next) }
