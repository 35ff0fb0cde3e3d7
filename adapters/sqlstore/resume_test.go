package sqlstore_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// deaf makes the engine refuse each change of a job, and returns what ends that.
func deaf(t *testing.T, driver, dsn string) (hear func()) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	do := func(all ...string) {
		t.Helper()
		for _, query := range all {
			if _, err := db.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
	}
	if driver == "sqlite" {
		do(`CREATE TRIGGER deaf BEFORE UPDATE ON job BEGIN SELECT RAISE(ABORT, 'deaf'); END`)
		return func() { do(`DROP TRIGGER deaf`); db.Close() }
	}
	do(`CREATE FUNCTION deaf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'deaf'; END $$`,
		`CREATE TRIGGER deaf BEFORE UPDATE ON job FOR EACH ROW EXECUTE FUNCTION deaf()`)
	return func() { do(`DROP TRIGGER deaf ON job`); db.Close() }
}

// Whoever lifts a pause and dies before its letters are woken has lifted nothing: were
// it lifted, nobody would wake them, for who asks sees that nothing is halted.
func TestAPauseIsLiftedWithTheLettersThatItWakesOrNotAtAll(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t, ctx := c.T, c.Context()
		ls, rs := c.leased(1)
		p := letter.Pause{Tenant: "engdal", Channel: post.Digital, Actor: "anne"}
		if err := errors.Join(c.s.PauseChannel(ctx, p), c.s.WaitLetter(ctx, ls[0], dispatch.Wait{Letter: rs[0].ID, Version: rs[0].Version, Code: "paused",
			Road: "digital digitalpost", Due: time.Now().Add(time.Hour), While: dispatch.Halt{Tenant: p.Tenant, Channel: p.Channel}})); err != nil {
			t.Fatal(err)
		}
		stands := func() (lifted, awake bool) {
			t.Helper()
			all, err := c.s.Paused(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return len(all) == 0, c.free(ls[0].ID)
		}
		hear := deaf(t, driver, dsn)
		if err := c.s.ResumeChannel(ctx, p); err == nil {
			t.Error("letters that could not be woken were called resumed")
		}
		if lifted, awake := stands(); lifted || awake {
			t.Errorf("broken off between the two: lifted %t, awake %t", lifted, awake)
		}
		hear()
		if err := c.s.ResumeChannel(ctx, p); err != nil {
			t.Fatal(err)
		}
		if lifted, awake := stands(); !lifted || !awake {
			t.Errorf("resumed again: lifted %t, awake %t", lifted, awake)
		}
	})
}

// What a pause kept back comes behind all that can go; when the pause is lifted it can.
func TestWhatAPauseKeptBackIsKeptBackNoMoreWhenItIsLifted(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t, ctx := c.T, c.Context()
		ls, rs := c.leased(2)
		p := letter.Pause{Actor: "anne"}
		if err := c.s.PauseChannel(ctx, p); err != nil {
			t.Fatal(err)
		}
		for i, due := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Second)} { // one sleeps, one has slept
			if err := c.s.WaitLetter(ctx, ls[i], dispatch.Wait{Letter: rs[i].ID, Version: rs[i].Version, Code: "paused", Road: "digital digitalpost",
				Due: due, While: dispatch.Halt{Tenant: "engdal"}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.s.ResumeChannel(ctx, p); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var back int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM job WHERE road <> '' OR due_at > $1`, time.Now().UnixMicro()).Scan(&back); err != nil || back != 0 {
			t.Errorf("%d of 2 letters are kept back, %v", back, err)
		}
	})
}
