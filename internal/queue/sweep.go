package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// A Runner does the step that a ring asks for, if it is due and nobody else
// does it. It is safe to call at any time and any number of times. An error
// says only that the database did not answer.
type Runner func(ctx context.Context, r Ring) error

// Doorbell wakes a worker somewhere. When it fails, the sweeper does the work.
type Doorbell interface {
	Ring(ctx context.Context, r Ring) error
}

// Jobs is where due jobs are found.
type Jobs interface {
	// Due returns up to n jobs that are due and that nobody holds, and counts
	// an attempt for each. A job rung less than quiet ago is left alone.
	Due(ctx context.Context, n int, quiet time.Duration) ([]Ring, error)
}

// SweeperConfig is what a [Sweeper] needs.
type SweeperConfig struct {
	Jobs     Jobs
	Doorbell Doorbell
	Run      Runner
	Every    time.Duration // 4 s when 0
	// Workers is how many steps run at once when the queue is down; 4 when 0.
	Workers int
	Log     *slog.Logger
}

// A Sweeper finds every due job whose lease ran out and rings for it; the
// database is the truth and Redis only the doorbell. A ring that the doorbell
// does not take is run here and now, so all work finishes with a dead queue,
// only slower.
type Sweeper struct{ SweeperConfig }

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
	return &Sweeper{c}, errors.Join(gaps...)
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

// batch is how many jobs one query claims.
const batch = 100

// Sweep rings once for every job that is due now. Once the doorbell has failed
// it is not tried again in the same sweep.
func (s *Sweeper) Sweep(ctx context.Context) error {
	down := false
	for ctx.Err() == nil {
		rings, err := s.Jobs.Due(ctx, batch, s.Every*9/10)
		if err != nil {
			return err
		}
		if len(rings) == 0 {
			return nil
		}
		var here []Ring
		for _, r := range rings {
			if !down {
				err := s.Doorbell.Ring(ctx, r)
				if err == nil {
					continue
				}
				down = true
				s.Log.WarnContext(ctx, "queue does not answer; steps run here", slog.Any("error", err))
			}
			here = append(here, r)
		}
		s.runHere(ctx, here)
	}
	return ctx.Err()
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
