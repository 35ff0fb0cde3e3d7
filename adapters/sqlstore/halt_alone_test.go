package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// TestALetterThatIsMovedAloneMindsAHaltToo: an intent that was taken out of its group
// is not committed during a pause, and is after it.
func TestALetterThatIsMovedAloneMindsAHaltToo(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t, ctx := c.T, c.Context()
		ls, rs := c.leased(1)
		p := letter.Pause{Channel: post.Digital, Actor: "anne"}
		if err := c.s.PauseChannel(ctx, p); err != nil {
			t.Fatal(err)
		}
		before := c.seen(rs[0].ID)
		if err := c.s.MoveAlone(ctx, ls[0], intentOf(rs[0])); !errors.Is(err, dispatch.ErrRoadHalted) {
			t.Errorf("during a pause: %v", err)
		}
		if now := c.seen(rs[0].ID); now != before {
			t.Errorf("%s became %s during a pause", before, now)
		}
		if err := errors.Join(c.s.ResumeChannel(ctx, p), c.s.MoveAlone(ctx, ls[0], intentOf(rs[0]))); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

// A step that is written alone, at the moment when somebody halts or lifts a halt: it
// waits for that commit, and then sees what stands.
func TestAStepAloneWaitsForWhoeverHaltsAndSeesIt(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t, ctx := c.T, c.Context()
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ls, rs := c.leased(1)
		for _, step := range []struct {
			name, halting string
			do            func(ctx context.Context) error
			want          error
		}{
			{"an intent", `INSERT INTO pause (tenant, channel, actor, at) VALUES ('', 'digital', 'anne', 1)`,
				func(ctx context.Context) error { return c.s.MoveAlone(ctx, ls[0], intentOf(rs[0])) }, dispatch.ErrRoadHalted},
			{"a wait for the end of it", `DELETE FROM pause`, func(ctx context.Context) error {
				return c.s.WaitAlone(ctx, ls[0], dispatch.Wait{Letter: rs[0].ID, Version: rs[0].Version, Code: "paused", Due: time.Now().Add(time.Hour),
					While: dispatch.Halt{Tenant: "engdal", Channel: post.Digital}})
			}, dispatch.ErrNotHalted},
		} {
			tx, err := db.BeginTx(ctx, nil)
			if err == nil && driver == "pgx" {
				_, err = tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(7203041)`)
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, step.halting)
			}
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- step.do(context.WithoutCancel(ctx)) }()
			for waits, end := 0, time.Now().Add(time.Minute); driver == "pgx" && waits == 0 && len(done) == 0; time.Sleep(time.Millisecond) {
				if err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
					WHERE l.locktype = 'advisory' AND NOT l.granted AND a.application_name = current_setting('application_name')`).Scan(&waits); err != nil || time.Now().After(end) {
					t.Fatal("it neither waits nor ends: ", err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, step.want) {
				t.Errorf("%s: %v", step.name, err)
			}
		}
	})
}
