package dispatcherapp

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
)

// TestNothingGettingThroughIsReportedWithinMinutes: not parallel, for the number is of
// the process.
func TestNothingGettingThroughIsReportedWithinMinutes(t *testing.T) {
	began := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	now, is := began, dispatch.Failing{Work: "signing"}
	var log spoken
	w := stepWatch{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now },
		failing: func() []dispatch.Failing { return []dispatch.Failing{is, {Work: "batches", Since: began}} },
		silent: func() []dispatch.Silence {
			return []dispatch.Silence{{Carrier: "digitalpost", Since: is.Since, Failures: 1}, {Carrier: "kombipost"}}
		}}
	for _, tt := range []struct {
		name   string
		at     time.Duration
		since  time.Duration // when steps began to fail; negative: they do not
		number float64
		said   int
	}{
		{"all is well", 0, -1, 0, 0},
		{"a moment", time.Minute, 0, 60, 0},
		{"for long", 3 * time.Minute, 0, 180, 1},
		{"said", 4 * time.Minute, 0, 240, 1},
		{"an hour later", 63 * time.Minute, 0, 3780, 2},
		{"a letter got through", 64 * time.Minute, -1, 0, 2},
	} {
		now, is.Since = began.Add(tt.at), time.Time{}
		if tt.since >= 0 {
			is.Since = began.Add(tt.since)
		}
		if err := w.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if said := strings.Count(log.String(), "no letter gets through"); said != tt.said {
			t.Errorf("%s: reported %d times, want %d", tt.name, said, tt.said)
		}
		if said := strings.Contains(log.String(), "batches are not signed"); said != (tt.at >= longFailing) {
			t.Errorf("%s: the batch was reported: %v", tt.name, said)
		}
		if got := failingFor(t, "signing"); got != tt.number {
			t.Errorf("%s: the number is %v, want %v", tt.name, got, tt.number)
		}
		if got := shown(t, "sikkerpost_carrier_silent_seconds", "digitalpost"); got != tt.number {
			t.Errorf("%s: the carrier is silent for %v, want %v", tt.name, got, tt.number)
		}
		if got := shown(t, "sikkerpost_carrier_silent_seconds", "kombipost"); got != 0 {
			t.Errorf("%s: one that answers is silent for %v", tt.name, got)
		}
	}
}

// failingFor returns the number that is shown for some work.
func failingFor(t *testing.T, work string) float64 {
	t.Helper()
	return shown(t, "sikkerpost_steps_failing_seconds", work)
}

// shown returns the gauge of a name with a label.
func shown(t *testing.T, name, label string) float64 {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("nothing is shown of %s %s", name, label)
	return 0
}

// TestARunningDispatcherWatchesItsSteps: not parallel, for the numbers are of the process.
func TestARunningDispatcherWatchesItsSteps(t *testing.T) {
	app, err := New(t.Context(), settings(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	works := []string{"signing", "handover", "batches"}
	for _, work := range works {
		failingSteps.WithLabelValues(work).Set(-1)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(works, func(work string) bool { return failingFor(t, work) != 0 }) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody looks whether letters get through")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("dispatcher ended with %v", err)
	}
}
