package dispatcherapp

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var parkedReceipts = promauto.NewGauge(prometheus.GaugeOpts{
	Name: "sikkerpost_receipts_parked", Help: "Receipts of carriers that nobody but a person can make sense of.",
})

// parkedWatch reports receipts that are parked for a person: unreadable ones,
// those of letters that nobody knows, and those against what is known. Nothing
// tells when somebody has looked at them, so it is the rise that is reported.
type parkedWatch struct {
	count func(context.Context) (n int, since time.Time, err error)
	log   *slog.Logger
	known atomic.Int64
}

func (w *parkedWatch) step(ctx context.Context) error {
	n, since, err := w.count(ctx)
	if err != nil {
		return fmt.Errorf("count parked receipts: %w", err)
	}
	parkedReceipts.Set(float64(n))
	if before := w.known.Swap(int64(n)); int64(n) > before {
		w.log.ErrorContext(ctx, "parked receipts wait for a person", slog.Int("receipts", n), slog.Int64("more", int64(n)-before), slog.Time("since", since))
	}
	return nil
}
