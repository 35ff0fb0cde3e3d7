package sqlstore

import (
	"database/sql"
	"errors"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestCollidingTransactionsAreRepeated lets two transactions take two rows in
// opposite order. PostgreSQL ends one of them as a deadlock; SQLite lets one
// wait. Both must have their effect, once.
func TestCollidingTransactionsAreRepeated(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		for _, id := range []string{"a", "b"} {
			mustExec(t, s, `INSERT INTO job (kind, id, due_at) VALUES ('test', $1, 0)`, id)
		}
		many := s.d.skipLocked != "" // SQLite lets in one writer at a time
		var meet sync.WaitGroup      // both hold their first row, the first time
		meet.Add(2)
		var tries, deadlocks [2]int
		over := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		var both sync.WaitGroup
		for i, order := range [2][2]string{{"a", "b"}, {"b", "a"}} {
			both.Go(func() {
				defer close(over[i])
				err := s.tx(t.Context(), func(tx *sql.Tx) error {
					if tries[i]++; many && tries[i] > 1 {
						<-over[1-i] // whoever was let through needs both rows, and may not have woken yet
					}
					for n, id := range order {
						if _, err := tx.ExecContext(t.Context(), `UPDATE job SET attempt = attempt + 1 WHERE kind = 'test' AND id = $1`, id); err != nil {
							if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "40P01" {
								deadlocks[i]++
							}
							return err
						}
						if many && n == 0 && tries[i] == 1 {
							meet.Done()
							meet.Wait()
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if n := one[int](t, s, `SELECT sum(attempt) FROM job WHERE kind = 'test'`); n != 4 {
			t.Errorf("%d updates, want 4: an effect was lost or doubled", n)
		}
		if many && (deadlocks[0]+deadlocks[1] != 1 || tries[0]+tries[1] != 3) {
			t.Errorf("not one deadlock and one repetition: %v, tries %v", deadlocks, tries)
		}
	})
}

// TestADatabaseThatMayForgetIsRefused turns durability off for the connection.
func TestADatabaseThatMayForgetIsRefused(t *testing.T) {
	address, ok := suite.Server(t, "a server that may forget")
	if !ok {
		return
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("synchronous_commit", "off")
	u.RawQuery = q.Encode()
	s, err := open(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.durable(t.Context()); !errors.Is(err, errNotDurable) {
		t.Errorf("synchronous_commit=off: %v", err)
	}
}

// TestReadersCannotWrite: what only reads has no way to change anything.
func TestReadersCannotWrite(t *testing.T) {
	s := mustOpen(t, "sqlite://"+t.TempDir()+"/read.db")
	if _, err := s.read.ExecContext(t.Context(), `INSERT INTO job (kind, id, due_at) VALUES ('x', 'y', 0)`); err == nil {
		t.Error("the reading half of the database took a write")
	}
	if _, err := OpenReader(t.Context(), "sqlite://"+t.TempDir()+"/none.db"); err == nil {
		t.Error("a database that is not there was opened for reading")
	}
}

// TestALeaseIsExtendedOnlyWhileItIsHeld: what was given back or taken over
// cannot be brought back.
func TestALeaseIsExtendedOnlyWhileItIsHeld(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		ctx := t.Context()
		mustExec(t, s, `INSERT INTO job (kind, id, due_at) VALUES ($1, 'l', 0)`, string(queue.AdvanceLetter))
		first, ok, err := s.Lease(ctx, queue.AdvanceLetter, "l", -1)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := s.ExtendLease(ctx, first, 3600e9); err != nil {
			t.Fatal(err)
		}
		if _, ok, _ := s.Lease(ctx, queue.AdvanceLetter, "l", 1); ok {
			t.Fatal("an extended lease was taken over")
		}
		if held, err := s.HeldJobs(ctx); err != nil || len(held) != 1 || held[0].Fence != first.Fence {
			t.Errorf("held %+v, %v", held, err)
		}
		if err := s.Release(ctx, first, fromMicros(1)); err != nil {
			t.Fatal(err)
		}
		if err := s.ExtendLease(ctx, first, 3600e9); err == nil {
			t.Error("a lease that was given back was extended")
		}
		if _, ok, err := s.Lease(ctx, queue.AdvanceLetter, "l", 1e9); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := s.ExtendLease(ctx, first, 3600e9); err == nil {
			t.Error("a lease that was taken over was extended")
		}
	})
}
