// Package printhousetest is a print house for tests, the demo and the simulator
// program: it picks jobs up from the folder, decrypts them with its own key,
// keeps them in clear under <dir>/<job id>/ as paper would be, and reports.
//
// It prints every job once: a job id that it has seen is passed over, also
// after a restart. "printing" is reported at once; posted, delivered-proven and
// returned follow on command, or by a fate given for the addressee. A job that
// it cannot read it rejects.
package printhousetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/printhouse"
)

// Config is what a print house needs.
type Config struct {
	Jobs       string         // folder where the gateway publishes jobs
	Events     string         // folder where the print house reports
	Dir        string         // where it keeps its paper
	Identities []age.Identity // its own keys
	// Fates says what happens by itself to letters for an addressee, by the
	// first line of the address; see [Fate].
	Fates map[string]Fate
	// Interval is how often Run looks into the folder; 200 ms when 0.
	Interval time.Duration
	Log      *slog.Logger
	// Now is the clock; the machine's when nil.
	Now func() time.Time
	// Carry, when set, delivers an event instead of the print house: as often
	// as it calls deliver, each time under an id of its own, or never.
	Carry func(j Job, kind printhouse.EventKind, deliver func() error) error
}

// A Fate is the list of events that follow printing without any command.
type Fate []printhouse.EventKind

// Fates that stories use.
var (
	FatePosted   = Fate{printhouse.EventPosted}
	FateProven   = Fate{printhouse.EventPosted, printhouse.EventProven}
	FateReturned = Fate{printhouse.EventPosted, printhouse.EventReturned}
)

// ErrUnknown says that the print house has no such job.
var ErrUnknown = errors.New("no such print job")

// ErrOrder says that a job cannot go from where it is to the event asked for.
var ErrOrder = errors.New("the print job has not come that far, or is past it")

// A Job is one print job as the print house sees it.
type Job struct {
	ID       string                 `json:"job_id"`
	State    printhouse.EventKind   `json:"state"`
	Tracking string                 `json:"tracking,omitempty"`
	Code     string                 `json:"code,omitempty"`
	PickedUp time.Time              `json:"picked_up"`
	Ticket   printhouse.Ticket      `json:"ticket"`
	History  []printhouse.EventKind `json:"history"`
}

// House is the simulated print house.
type House struct {
	cfg Config

	mu   sync.Mutex
	jobs map[string]*Job
	list []*Job // as picked up
}

// New opens the folders and remembers the jobs of an earlier run.
func New(c Config) (*House, error) {
	if c.Jobs == "" || c.Events == "" || c.Dir == "" || len(c.Identities) == 0 || c.Log == nil {
		return nil, errors.New("printhousetest: Jobs, Events, Dir, Identities and Log are required")
	}
	if c.Interval == 0 {
		c.Interval = 200 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &House{cfg: c, jobs: map[string]*Job{}}
	for _, dir := range []string{c.Jobs, c.Events, c.Dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open print house: %w", err)
		}
	}
	paths, err := filepath.Glob(filepath.Join(c.Dir, "*", stateFile))
	if err != nil {
		return nil, fmt.Errorf("reload print jobs: %w", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reload print job: %w", err)
		}
		var j Job
		if err := json.Unmarshal(text, &j); err != nil {
			return nil, fmt.Errorf("reload print job: %w", err)
		}
		h.jobs[j.ID] = &j
		h.list = append(h.list, &j)
	}
	slices.SortFunc(h.list, func(a, b *Job) int { return a.PickedUp.Compare(b.PickedUp) })
	return h, nil
}

// Run picks jobs up until ctx ends. A round that fails is logged; the next one
// tries again.
func (h *House) Run(ctx context.Context) error {
	tick := time.NewTicker(h.cfg.Interval)
	defer tick.Stop()
	for {
		if _, err := h.Step(ctx); err != nil {
			h.cfg.Log.ErrorContext(ctx, "print jobs not picked up", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

var jobName = regexp.MustCompile(`^([0-9a-f-]{36})\.job\.age$`)

// Step looks into the folder once and returns how many jobs it picked up.
func (h *House) Step(ctx context.Context) (int, error) {
	entries, err := os.ReadDir(h.cfg.Jobs)
	if err != nil {
		return 0, fmt.Errorf("read jobs folder: %w", err)
	}
	n := 0
	for _, e := range entries {
		name := jobName.FindStringSubmatch(e.Name())
		if name == nil || !e.Type().IsRegular() || ctx.Err() != nil {
			continue
		}
		picked, err := h.pick(name[1])
		if err != nil {
			return n, err
		}
		if picked {
			n++
		}
	}
	return n, nil
}

// pick prints a job that it has not seen before.
func (h *House) pick(id string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if j, ok := h.jobs[id]; ok && j.State != printhouse.EventRejected {
		return false, nil
	}
	now := h.cfg.Now().UTC()
	ticket, err := h.unpack(id)
	if errors.Is(err, os.ErrNotExist) { // the gateway took it back in the meantime
		return false, nil
	}
	j := &Job{ID: id, PickedUp: now, Ticket: ticket}
	if err != nil {
		if h.jobs[id] != nil { // rejected before, and told so
			return false, nil
		}
		h.cfg.Log.Warn("print job rejected", slog.String("job", id), slog.Any("error", err))
		h.file(j)
		return true, h.report(j, printhouse.EventRejected, "job.unreadable")
	}
	h.file(j)
	if err := h.report(j, printhouse.EventPrinting, ""); err != nil {
		return false, err
	}
	h.cfg.Log.Info("print job printed", slog.String("job", id), slog.Int("pages", ticket.Pages))
	for _, kind := range h.fate(ticket) {
		if err := h.report(j, kind, reason(kind, "")); err != nil {
			return true, err
		}
	}
	return true, nil
}

// file remembers a job. The caller holds mu.
func (h *House) file(j *Job) {
	if old, ok := h.jobs[j.ID]; ok {
		h.list = slices.DeleteFunc(h.list, func(k *Job) bool { return k == old })
	}
	h.jobs[j.ID] = j
	h.list = append(h.list, j)
}

func (h *House) fate(t printhouse.Ticket) Fate {
	if len(t.Address) == 0 {
		return nil
	}
	return h.cfg.Fates[t.Address[0]]
}

// Jobs returns every job, newest first.
func (h *House) Jobs() []Job {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []Job{}
	for _, j := range slices.Backward(h.list) {
		all = append(all, j.copy())
	}
	return all
}

// Job returns one job.
func (h *House) Job(id string) (Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j, ok := h.jobs[strings.ToLower(id)]
	if !ok {
		return Job{}, ErrUnknown
	}
	return j.copy(), nil
}

func (j *Job) copy() Job {
	c := *j
	c.History = slices.Clone(j.History)
	return c
}
