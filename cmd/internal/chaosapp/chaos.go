// Package chaosapp breaks a whole house on purpose and counts what came of it.
//
// It builds the programs, runs them as processes of their own on loopback
// (desk, two dispatchers, the simulators, redis-server, and PostgreSQL or
// SQLite), sends letters through desk singly and in batches, and meanwhile
// kills processes with SIGKILL, stops PostgreSQL at once, empties Redis, forges
// and replays tasks, loses 30 % of the carrier's answers and doubles and
// reorders its receipts. A third of the letters are of a tenant that goes by
// KombiPost, which loses as many answers and doubles and reorders its statuses.
// Meanwhile an operator pauses and resumes Digital Post for everybody, and batches,
// and stops a batch that is sent beside the counted letters, each while hand-overs
// of it are under way; what goes in spite of that is counted. When all has come to rest it holds what the callers
// were told against what the carriers hold, runs postctl verify, then damages
// the house in known ways and asks verify again: what it does not report is
// undetected.
//
// It ends only processes that it started, by their ids, and keeps everything
// in a directory of its own. It fails when the time is over, when a process
// does not come back, or when anything was lost, doubled or overlooked.
package chaosapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sikkerpost.dk/gateway/adapters/asynqueue/asynqueuetest"
	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
)

// Options say how much and how rough.
type Options struct {
	Letters int
	Kills   int // SIGKILLs of desk, dispatchers and redis
	Stops   int // immediate stops of PostgreSQL
	Wipes   int // FLUSHALLs of Redis
	// SQLite keeps the truth in a file instead of PostgreSQL; then Stops is 0.
	SQLite bool
	Seed   uint64        // of what is broken when; 0 draws one
	Within time.Duration // the whole run
	Dir    string        // "" is a fresh one, removed at the end
	Source string        // the module's folder, for building
}

// Result is what came of it, in the form that is printed.
type Result struct {
	Letters        int `json:"letters"`
	Kills          int `json:"kills"`
	Lost           int `json:"lost"`
	Duplicates     int `json:"duplicates"`
	BothChannels   int `json:"both_channels"`
	ForgedExecuted int `json:"forged_executed"`
	Undetected     int `json:"undetected"`
	// Letters whose hand-over began, or was repeated, or which came to a carrier and
	// were not on their way, after a pause of their batch or channel was answered, or a
	// stop of their batch.
	WhilePaused int `json:"while_paused"`
	AfterStop   int `json:"after_stop"`
	// Pauses of batches and of channels, and stops, that desk answered, and how many
	// letters they kept back.
	Pauses        int `json:"pauses"`
	ChannelPauses int `json:"channel_pauses"`
	Stops         int `json:"stops"`
	KeptBack      int `json:"kept_back"`
}

// Clean reports whether nothing went wrong.
func (r Result) Clean() bool {
	return r.Lost+r.Duplicates+r.BothChannels+r.ForgedExecuted+r.Undetected+r.WhilePaused+r.AfterStop == 0
}

// errUnfinished says that the run did not do all that was asked of it.
var errUnfinished = errors.New("the run did not come to its end")

// run is one run of chaos.
type run struct {
	o     Options
	log   *slog.Logger
	out   io.Writer // what a person reads
	dir   string
	dice  *rand.Rand // of the breaker only
	certs *devcerts.Set
	ports ports

	simulator, desk, redis *process
	dispatchers            [2]*process
	postgres               *postgres
	database               string

	store    *sqlstore.Store
	intruder *asynqueuetest.Intruder
	caller   *client.Client
	approver *client.Client
	operator *client.Client
	hers     devcerts.Pair // the operator's
	// Those of the tenant whose letters go by KombiPost.
	kombiCaller, kombiApprover *client.Client

	mu        sync.Mutex
	letters   map[string]string // id by key, as the callers were told
	own       map[string]string // the same, of the operator's batch
	halts     []*halt           // all that were answered
	stopped   *halt             // the one of them that is never lifted
	alone     []time.Duration   // after the kill of a dispatcher, until its letters went on
	disturbed []time.Duration   // the same, while Redis or PostgreSQL broke as well

	begun  atomic.Int64 // letters whose sending has begun
	broken atomic.Int64 // things broken so far
	forged atomic.Int64
	// Ids that changed between two answers.
	changed atomic.Int64
	// Of the operator.
	pauses, roads, stops atomic.Int64
	ground               atomic.Int64 // breaks of what the house stands on
}

// Run does it all. The result counts only when err is nil.
func Run(ctx context.Context, o Options, out io.Writer, log *slog.Logger) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Within)
	defer cancel()
	if o.SQLite {
		o.Stops = 0
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	r := &run{o: o, log: log, out: out, dir: o.Dir, dice: rand.New(rand.NewPCG(o.Seed, 1)), letters: map[string]string{}, own: map[string]string{}}
	if r.dir == "" {
		dir, err := os.MkdirTemp("", "sikkerpost-chaos-")
		if err != nil {
			return Result{}, err
		}
		defer os.RemoveAll(dir)
		r.dir = dir
	}
	defer r.stopAll()
	if err := r.start(ctx); err != nil {
		return Result{}, fmt.Errorf("start the house: %w", err)
	}
	fmt.Fprintf(out, "house runs, seed %d; sending %d letters, breaking %d things\n", o.Seed, o.Letters, r.plan())
	started := time.Now()
	if err := r.storm(ctx); err != nil {
		return Result{}, err
	}
	if err := r.halted(); err != nil {
		return Result{}, err
	}
	fmt.Fprintf(out, "storm over after %s: %d letters sent, %d things broken, %d tasks forged\n",
		time.Since(started).Round(time.Millisecond), len(r.letters), r.broken.Load(), r.forged.Load())
	if err := r.calm(ctx); err != nil {
		return Result{}, err
	}
	fmt.Fprintf(out, "quiet after %s\nletters of a killed dispatcher went on within %s; %s when Redis or PostgreSQL broke as well\n",
		time.Since(started).Round(time.Millisecond), r.slowest(&r.alone), r.slowest(&r.disturbed))
	return r.judge(ctx)
}

// plan is how many things are broken in all.
func (r *run) plan() int { return r.o.Kills + r.o.Stops + r.o.Wipes }

// storm sends and breaks until both have done all they were asked.
func (r *run) storm(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 4)
	var all sync.WaitGroup
	forging, done := context.WithCancel(ctx)
	for _, part := range []func() error{
		func() error { return r.sendAll(ctx) },
		func() error { return r.breakAll(ctx) },
		func() error { return r.operate(ctx) },
	} {
		all.Go(func() {
			if err := part(); err != nil {
				failed <- err
				stop()
			}
		})
	}
	forger := make(chan struct{})
	go func() { r.forgeOn(forging); close(forger) }()
	all.Wait()
	done()
	<-forger
	close(failed)
	return <-failed
}

// slowest says the longest of some times, and of how many.
func (r *run) slowest(of *[]time.Duration) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(*of) == 0 {
		return "(no such kill)"
	}
	return fmt.Sprintf("%s (%d kills)", slices.Max(*of).Round(time.Millisecond), len(*of))
}

// pause waits, or answers why it may not.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnfinished, context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}

// until asks every so often until ok, or until d is over.
func until(ctx context.Context, d time.Duration, what string, ok func() bool) error {
	for end := time.Now().Add(d); ; {
		if ok() {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: %s took longer than %s", errUnfinished, what, d)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
