package dispatcherapp

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
)

var failingSteps = promauto.NewGaugeVec(prometheus.GaugeOpts{
	Name: "sikkerpost_steps_failing_seconds", Help: "For how long steps have failed here while no letter got through, or a batch could not be signed.",
}, []string{"work"})

var silentCarriers = promauto.NewGaugeVec(prometheus.GaugeOpts{
	Name: "sikkerpost_carrier_silent_seconds", Help: "For how long hand-overs of this dispatcher to a carrier have brought no clear answer.",
}, []string{"carrier"})

const (
	// longFailing is for how long nothing may get through before it is reported: what
	// is away for a moment is tried again first.
	longFailing = 2 * time.Minute
	// remindFailing is how often the same is reported again.
	remindFailing = time.Hour
)

// stepWatch reports that steps fail and nothing gets through: a disk, a key or a key
// store is away. Nobody is asked about the letters meanwhile, nor about those of a batch
// that cannot be signed, so this is how an operator hears of it. It is for one goroutine.
type stepWatch struct {
	failing func() []dispatch.Failing
	silent  func() []dispatch.Silence // the gate says in the log that it leaves one alone
	log     *slog.Logger
	now     func() time.Time
	said    map[string]time.Time
}

func (w *stepWatch) step(ctx context.Context) error {
	if w.said == nil {
		w.said = map[string]time.Time{}
	}
	for _, s := range w.silent() {
		silentCarriers.WithLabelValues(string(s.Carrier)).Set(w.since(s.Since).Seconds())
	}
	for _, f := range w.failing() {
		long := w.since(f.Since)
		failingSteps.WithLabelValues(f.Work).Set(long.Seconds())
		if said, ok := w.said[f.Work]; long < longFailing || ok && w.now().Sub(said) < remindFailing {
			continue
		}
		w.said[f.Work] = w.now()
		about := []any{slog.String("work", f.Work), slog.Int("failures", f.Failures), slog.Time("since", f.Since)}
		if f.Work == "batches" {
			w.log.ErrorContext(ctx, "batches are not signed", about...)
			continue
		}
		w.log.ErrorContext(ctx, "no letter gets through", about...)
	}
	return nil
}

// since returns how long ago t is; 0 when it is not set.
func (w *stepWatch) since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return w.now().Sub(t)
}
