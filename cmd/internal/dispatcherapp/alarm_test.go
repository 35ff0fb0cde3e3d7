package dispatcherapp

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// spoken is a log that several may write while it is read.
type spoken struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *spoken) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *spoken) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// metric returns the value of a gauge under a municipality and one more word.
func metric(t *testing.T, name, tenant, word string) float64 {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["tenant"] == tenant && (labels["state"] == word || labels["timing"] == word) {
				return m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// TestARunningDispatcherRaisesTheAlarmOfAge: not parallel, for the numbers are of
// the process.
func TestARunningDispatcherRaisesTheAlarmOfAge(t *testing.T) {
	cfg := settings(t)
	log := &spoken{}
	app, err := New(t.Context(), cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	desk := deskBeside(t, cfg)
	r, err := desk.Submit(t.Context(), submission("k1"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(cfg.Database, "sqlite://"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE letter SET state = 'needs-person', since = $1 WHERE id = $2`, time.Now().Add(-240*time.Hour).UnixMicro(), string(r.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`DELETE FROM job WHERE id = $1`, string(r.ID)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	tenant := string(submission("k1").Tenant)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		age := metric(t, "sikkerpost_letters_waiting_oldest_seconds", tenant, "needs-person")
		n := metric(t, "sikkerpost_letters_waiting", tenant, "needs-person")
		said := strings.Contains(log.String(), `msg="letters wait for a person"`)
		if age > 239*3600 && n == 1 && said {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v letters, the oldest for %v s, and the log said so: %v", n, age, said)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("dispatcher ended with %v", err)
	}
}
