package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// A Runner does what a ring asks for: the step of that job, if it is due and
// nobody else does it, and with it whatever else of its kind is due. It is safe
// to call at any time and any number of times. When ctx ends it begins nothing
// more and finishes what it has in hand. An error says only that the database
// did not answer.
type Runner func(ctx context.Context, r Ring) error

// Doorbell wakes a worker somewhere. When it fails, the sweeper does the work.
type Doorbell interface {
	Ring(ctx context.Context, r Ring) error
}

// Jobs is where due jobs are found.
type Jobs interface {
	// Backlog counts the due jobs of kind that nobody holds, up to most.
	Backlog(ctx context.Context, kind Kind, most int) (int, error)
	// Due returns up to n jobs of kind that are due and that nobody holds, lane by
	// lane those that have been due the longest, and counts an attempt for each. A
	// job rung less than quiet ago is left alone.
	Due(ctx context.Context, kind Kind, n int, quiet time.Duration) ([]Ring, error)
}

// SweeperConfig is what a [Sweeper] needs.
type SweeperConfig struct {
	Jobs     Jobs
	Doorbell Doorbell
	Run      Runner
	Every    time.Duration // 4 s when 0
	// Workers is how many steps run at once when the queue is down; 4 when 0.
	Workers int
	// Together is how many due jobs of a kind one ring is for, because whoever
	// answers it takes others along; 1 when absent.
	Together map[Kind]int
	Log      *slog.Logger
}

// A Sweeper finds due jobs that nobody holds and rings; the database is the truth
// and Redis only the doorbell. It rings once for as many jobs as are done
// together and a few times a sweep at most, so the queue does not grow with the
// backlog. What it rang for and finds still waiting at the next sweep is run
// here and now, and so is a ring that the doorbell does not take: all work
// finishes with a dead, a deaf or an emptied queue, only slower.
type Sweeper struct {
	SweeperConfig
	rung map[string]bool // ids for which the last sweep rang
}

// NewSweeper returns a sweeper, or an error that names every gap of c.
func NewSweeper(c SweeperConfig) (*Sweeper, error) {
	var gaps []error
	if c.Jobs == nil {
		gaps = append(gaps, errors.New("queue: Jobs is required"))
	}
	if c.Doorbell == nil {
		gaps = append(gaps, errors.New("queue: Doorbell is required"))
	}
	if c.Run == nil {
		gaps = append(gaps, errors.New("queue: Run is required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("queue: Log is required"))
	}
	if c.Every == 0 {
		c.Every = 4 * time.Second
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	return &Sweeper{SweeperConfig: c}, errors.Join(gaps...)
}

// Loop sweeps until ctx ends. A failing sweep is reported and repeated.
func (s *Sweeper) Loop(ctx context.Context) error {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "sweep failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const (
	// mostRings bounds what one sweep rings for a kind whose jobs are done together.
	mostRings = 16
	// batch is how many jobs one query claims of the other kinds.
	batch = 100
)

// Sweep looks at each kind once. Once the doorbell has failed it is not tried
// again in the same sweep. It is not for concurrent use.
func (s *Sweeper) Sweep(ctx context.Context) error {
	p := pass{Sweeper: s, before: s.rung, now: map[string]bool{}}
	for _, kind := range []Kind{AdvanceLetter, ForwardInquiry} {
		if err := p.sweep(ctx, kind); err != nil {
			return err
		}
	}
	s.rung = p.now
	return ctx.Err()
}

// A pass is one sweep.
type pass struct {
	*Sweeper
	before, now map[string]bool // ids that the last sweep rang for, and this one
	down        bool            // the doorbell did not answer
}

func (p *pass) sweep(ctx context.Context, kind Kind) error {
	together := p.Together[kind]
	if together > 1 {
		due, err := p.Jobs.Backlog(ctx, kind, together*mostRings)
		if err != nil || due == 0 {
			return err
		}
		_, err = p.claim(ctx, kind, (due+together-1)/together)
		return err
	}
	for ctx.Err() == nil {
		n, err := p.claim(ctx, kind, batch)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// claim rings for up to n jobs, or runs them here, and says how many they were.
func (p *pass) claim(ctx context.Context, kind Kind, n int) (int, error) {
	rings, err := p.Jobs.Due(ctx, kind, n, p.Every*9/10)
	if err != nil {
		return 0, err
	}
	var here []Ring
	for _, r := range rings {
		if p.before[r.ID] {
			here = append(here, r) // the last ring brought nobody
			continue
		}
		if !p.down {
			err := p.Doorbell.Ring(ctx, r)
			if err == nil {
				p.now[r.ID] = true
				continue
			}
			p.down = true
			p.Log.WarnContext(ctx, "queue does not answer; steps run here", slog.Any("error", err))
		}
		here = append(here, r)
	}
	p.runHere(ctx, here)
	return len(rings), nil
}

func (s *Sweeper) runHere(ctx context.Context, rings []Ring) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, s.Workers)
	for _, r := range rings {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.Run(ctx, r); err != nil {
				s.Log.ErrorContext(ctx, "step not run", slog.String("kind", string(r.Kind)), slog.String("id", r.ID), slog.Any("error", err))
			}
		})
	}
	wg.Wait()
}
