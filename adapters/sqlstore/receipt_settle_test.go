package sqlstore

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAGroupPassesOverALetterInAnothersHands: it answers at once and settles the
// rest; the one left over is settled by itself as soon as the letter is free.
func TestAGroupPassesOverALetterInAnothersHands(t *testing.T) {
	address, ok := suite.Server(t, "rows locked by others; SQLite has one writer")
	if !ok {
		return
	}
	s := mustOpen(t, suite.Postgres(t, Open, address))
	var group []track.Settlement
	for _, id := range []post.LetterID{"free", "held"} {
		if _, err := s.write.ExecContext(t.Context(),
			`INSERT INTO letter (id, reference, tenant, client, digest, state, channel, generation, accepted_at, since, recipient, content)
			 VALUES ($1, $1, 'engdal', 'case', $2, 'handed-over', 'digital', 1, 1, 1, $2, $2)`, string(id), []byte("sealed")); err != nil {
			t.Fatal(err)
		}
		r := track.Receipt{Carrier: "digitalpost", EventID: string(id), MessageID: "of " + string(id), Kind: track.Delivered, At: time.Unix(1_790_000_000, 0)}
		if err := s.KeepReceipts(t.Context(), []track.Receipt{r}); err != nil {
			t.Fatal(err)
		}
		group = append(group, track.Settlement{Receipt: r, Verdict: track.Applied, Path: []post.LetterState{post.LetterDelivered},
			Standing: track.Standing{Letter: id, Tenant: "engdal", State: post.LetterHandedOver, Version: 1, Channel: post.Digital, Generation: 1, Present: true, On: post.Digital}})
	}
	other, err := s.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback() //nolint:errcheck // it is over below
	if _, err := other.ExecContext(t.Context(), `SELECT id FROM letter WHERE id = 'held' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	stale, err := s.SettleReceipts(t.Context(), group)
	if err != nil || len(stale) != 1 || stale[0].Standing.Letter != "held" {
		t.Fatalf("left: %+v, %v", stale, err)
	}
	alone := make(chan error, 1)
	go func() {
		left, err := s.SettleReceipts(t.Context(), stale)
		if err == nil && len(left) > 0 {
			err = post.ErrStale
		}
		alone <- err
	}()
	for waits := false; !waits; {
		select {
		case err := <-alone:
			t.Fatalf("it did not wait for its letter: %v", err)
		case <-time.After(time.Millisecond):
		}
		waits = one[bool](t, s, `SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = current_setting('application_name') AND wait_event_type = 'Lock'`)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-alone; err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM letter WHERE state = 'delivered' AND version = 2`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d are delivered: %v", n, err)
	}
}
