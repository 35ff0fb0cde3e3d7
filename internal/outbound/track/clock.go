package track

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sikkerpost.dk/gateway/internal/post"
)

var oddTimes = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "sikkerpost_carrier_times_odd_total",
	Help: "Receipts whose time lies in our future, or before their hand-over: the carrier's clock is wrong, or ours.",
}, []string{"carrier"})

// When is the time that the letter takes over from the receipt: the carrier's, as
// far as it can be true ([post.CarrierTime]). The receipt keeps what was said.
func (s Settlement) When() time.Time {
	if s.At.IsZero() {
		return s.Receipt.At
	}
	return s.At
}

// judge decides about a receipt, and what of its time is believed.
func (m *Matcher) judge(r Receipt, st Standing, known bool) Settlement {
	s := decide(r, st, known)
	if known {
		s.At, s.Odd = post.CarrierTime(r.At, st.Begun, m.Now())
	}
	return s
}

// oddTime reports a carrier whose clock somebody should look at.
func (m *Matcher) oddTime(ctx context.Context, s Settlement) {
	if !s.Odd {
		return
	}
	oddTimes.WithLabelValues(s.Receipt.Carrier).Inc()
	m.Log.ErrorContext(ctx, "carrier's clock is odd", slog.String("carrier", s.Receipt.Carrier), slog.String("event", s.Receipt.EventID),
		slog.String("letter", string(s.Standing.Letter)), slog.Time("said", s.Receipt.At), slog.Time("taken_for", s.When()))
}
