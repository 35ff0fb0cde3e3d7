package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	pgsuite "sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// crowd is a store whose calls come together.
type crowd struct {
	*testing.T
	s *sqlstore.Store
}

func crowds(t *testing.T, test func(c *crowd, address, driver, dsn string)) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		address, driver, dsn := fresh(t)
		s, err := sqlstore.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		test(&crowd{t, s}, address, driver, dsn)
	})
}

// leased makes n letters, leases them together and reads them.
func (c *crowd) leased(n int) (ls []queue.Lease, rs []dispatch.Record) {
	c.Helper()
	for range n {
		sum := sha256.Sum256([]byte("x"))
		a := letter.Accepted{ID: post.LetterID(post.NewID()), Reference: post.NewReference(), Tenant: "engdal", Client: "case", Key: []byte(post.NewID()),
			Digest: sum[:], Recipient: []byte("r"), Content: []byte("c"),
			Documents: []letter.Sealed{{Object: seal.Object{Header: []byte("h"), Blob: "b", SHA256: sum[:], Size: 1}, Clear: 1}}}
		if _, _, err := c.s.AcceptLetter(c.Context(), a); err != nil {
			c.Fatal(err)
		}
	}
	for len(ls) < n {
		some, err := c.s.LeaseDue(c.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: min(32, n-len(ls)), For: time.Hour})
		if err != nil || len(some) == 0 {
			c.Fatal(some, err)
		}
		ls = append(ls, some...)
	}
	return ls, c.read(ls)
}

func (c *crowd) read(ls []queue.Lease) []dispatch.Record {
	c.Helper()
	rs := make([]dispatch.Record, len(ls))
	errs := make([]error, len(ls))
	var all sync.WaitGroup
	for i, l := range ls {
		all.Go(func() { rs[i], errs[i] = c.s.LetterForStep(c.Context(), l) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatal(err)
	}
	for i, r := range rs {
		if string(r.ID) != ls[i].ID || len(r.Documents) != 1 {
			c.Fatalf("lease of %s read %s with %d documents", ls[i].ID, r.ID, len(r.Documents))
		}
	}
	return rs
}

func moveTo(r dispatch.Record, st post.LetterState) dispatch.Move {
	return dispatch.Move{Letter: r.ID, Tenant: r.Tenant, From: r.State, Version: r.Version, To: st, Channel: r.Channel, Generation: r.Generation, Due: time.Now()}
}

// together makes all calls one group, in their order, and returns the answers.
func (c *crowd) together(calls ...func(ctx context.Context) error) []error {
	c.Helper()
	return c.gathered(nil, calls...)
}

// gathered runs when all have come, before they are written.
func (c *crowd) gathered(then func(), calls ...func(ctx context.Context) error) []error {
	c.Helper()
	come, write := c.s.Gather()
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { errs[i] = call(c.Context()) })
		for end := time.Now().Add(time.Minute); come() <= i; time.Sleep(50 * time.Microsecond) {
			if time.Now().After(end) {
				c.Fatalf("call %d never came", i)
			}
		}
	}
	if then != nil {
		then()
	}
	write()
	all.Wait()
	return errs
}

func (c *crowd) mover(l queue.Lease, m dispatch.Move) func(context.Context) error {
	return func(ctx context.Context) error { return c.s.MoveLetter(ctx, l, m) }
}

// seen is the letter's state and how often the ledger says that it was moved there.
func (c *crowd) seen(id post.LetterID) string {
	c.Helper()
	v, err := c.s.LetterView(context.WithoutCancel(c.Context()), "", id)
	if err != nil {
		c.Fatal(err)
	}
	n := 0
	for _, e := range v.Events {
		if e.Kind == "letter."+string(v.State) {
			n++
		}
	}
	return fmt.Sprint(v.State, " ", n)
}

func (c *crowd) want(id post.LetterID, what string) {
	c.Helper()
	if got := c.seen(id); got != what {
		c.Errorf("letter %s: %s, want %s", id, got, what)
	}
}

func TestInAGroupTheStaleChangeNothingAndTheOthersCommit(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		ls, rs := c.leased(54)
		wrong := map[int]func(*queue.Lease, *dispatch.Move){
			7:  func(_ *queue.Lease, m *dispatch.Move) { m.Version++ },
			20: func(l *queue.Lease, _ *dispatch.Move) { l.Fence-- },
			33: func(_ *queue.Lease, m *dispatch.Move) { m.From = post.LetterSigned },
			53: func(_ *queue.Lease, m *dispatch.Move) { m.MessageID, m.Answer = post.NewID(), &dispatch.Outcome{} }, // no such hand-over
		}
		var calls []func(context.Context) error
		for i, l := range ls {
			m := moveTo(rs[i], post.LetterReady)
			if spoil := wrong[i]; spoil != nil {
				spoil(&l, &m)
			}
			calls = append(calls, c.mover(l, m))
		}
		for i, err := range c.together(calls...) {
			state := "ready 1"
			if wrong[i] != nil {
				state = "accepted 1"
			}
			if errors.Is(err, post.ErrStale) != (wrong[i] != nil) || wrong[i] == nil && err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			c.want(rs[i].ID, state)
		}
	})
}

func TestTwoMovesOfOneLetterAreOneMove(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		ls, rs := c.leased(3)
		m := moveTo(rs[1], post.LetterReady)
		errs := c.together(c.mover(ls[0], moveTo(rs[0], post.LetterReady)), c.mover(ls[1], m), c.mover(ls[1], m), c.mover(ls[2], moveTo(rs[2], post.LetterReady)), c.mover(ls[1], m))
		if errs[0] != nil || errs[1] != nil || errs[3] != nil || !errors.Is(errs[2], post.ErrStale) || !errors.Is(errs[4], post.ErrStale) {
			t.Errorf("%v", errs)
		}
		for _, r := range rs {
			c.want(r.ID, "ready 1")
		}
	})
}

func TestALostCommitIsToldToItsMembersAlone(t *testing.T) {
	for _, done := range []bool{true, false} {
		t.Run(fmt.Sprint("done: ", done), func(t *testing.T) {
			crowds(t, func(c *crowd, _, _, _ string) {
				t := c.T
				ls, rs := c.leased(4)
				c.s.OnCommit(func(tx *sql.Tx) error {
					if done {
						return errors.Join(tx.Commit(), errors.New("connection lost"))
					}
					return errors.Join(tx.Rollback(), errors.New("connection lost"))
				})
				stale := moveTo(rs[3], post.LetterReady)
				stale.Version++
				var calls []func(context.Context) error
				for i := range 3 {
					calls = append(calls, c.mover(ls[i], moveTo(rs[i], post.LetterReady)))
				}
				errs := c.together(append(calls, c.mover(ls[3], stale))...)
				for i, err := range errs[:3] {
					if err == nil || errors.Is(err, post.ErrStale) {
						t.Errorf("call %d, whose commit nobody knows of: %v", i, err)
					}
				}
				if !errors.Is(errs[3], post.ErrStale) {
					t.Errorf("the stale one: %v", errs[3])
				}
				c.s.OnCommit(nil)
				for i := range 3 { // whoever repeats finds out
					err := c.s.MoveLetter(t.Context(), ls[i], moveTo(rs[i], post.LetterReady))
					if errors.Is(err, post.ErrStale) != done || !done && err != nil {
						t.Errorf("repeated: %v", err)
					}
					c.want(rs[i].ID, "ready 1")
				}
				c.want(rs[3].ID, "accepted 1")
			})
		})
	}
}

func TestACallerWhoGivesUpInTimeHasAskedForNothing(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		ls, rs := c.leased(3)
		ctx, giveUp := context.WithCancel(t.Context())
		gaveUp := make(chan struct{})
		errs := c.gathered(func() { giveUp(); <-gaveUp },
			c.mover(ls[0], moveTo(rs[0], post.LetterReady)),
			func(context.Context) error {
				defer close(gaveUp)
				return c.s.MoveLetter(ctx, ls[1], moveTo(rs[1], post.LetterReady))
			},
			c.mover(ls[2], moveTo(rs[2], post.LetterReady)))
		if errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], context.Canceled) {
			t.Errorf("%v", errs)
		}
		c.want(rs[0].ID, "ready 1")
		c.want(rs[1].ID, "accepted 1")
		c.want(rs[2].ID, "ready 1")

		// Once the group is on its way, giving up no longer takes anything back, and
		// the caller hears so.
		ctx, giveUp = context.WithCancel(t.Context())
		c.s.OnCommit(func(tx *sql.Tx) error { giveUp(); return tx.Commit() })
		if err := c.s.MoveLetter(ctx, ls[1], moveTo(rs[1], post.LetterReady)); err != nil {
			t.Errorf("gave up too late: %v", err)
		}
		c.want(rs[1].ID, "ready 1")
	})
}

func TestALetterThatSomebodyHoldsKeepsNobodyElseWaiting(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t := c.T
		if driver != "pgx" {
			return // SQLite has one writer
		}
		ls, rs := c.leased(3)
		other, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		tx, err := other.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
		if _, err := tx.Exec(`SELECT 1 FROM letter WHERE id = $1 FOR UPDATE`, string(rs[1].ID)); err != nil {
			t.Fatal(err)
		}
		held := make(chan error, 1)
		errs := c.together(c.mover(ls[0], moveTo(rs[0], post.LetterReady)), func(ctx context.Context) error {
			go func() { held <- c.s.MoveLetter(ctx, ls[1], moveTo(rs[1], post.LetterReady)) }()
			return nil
		}, c.mover(ls[2], moveTo(rs[2], post.LetterReady)))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		c.want(rs[0].ID, "ready 1")
		c.want(rs[2].ID, "ready 1")
		c.want(rs[1].ID, "accepted 1")
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-held; err != nil {
			t.Fatal(err)
		}
		c.want(rs[1].ID, "ready 1")
	})
}

// TestAGroupMeansWhatItsCallsMean makes the same random moves and waits as groups
// and one after the other, each alone, and wants the same answers and letters.
func TestAGroupMeansWhatItsCallsMean(t *testing.T) {
	crowds(t, func(grouped *crowd, _, _, _ string) {
		t := grouped.T
		address := pgsuite.SQLite(t, sqlstore.Open, t.TempDir()+"/alone.db")
		s, err := sqlstore.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Alone()
		sides := []*crowd{grouped, {t, s}}
		const n = 12
		var leases [2][]queue.Lease
		for i, c := range sides {
			leases[i], _ = c.leased(n)
		}
		states := []post.LetterState{post.LetterReady, post.LetterRouted, post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterNotTaken}
		for round := range uint64(25) {
			var said, left [2]string
			for i, c := range sides {
				rs := c.read(leases[i])
				luck := rand.New(rand.NewPCG(round, 1))
				var calls []func(context.Context) error
				for _, k := range luck.Perm(n)[:1+luck.IntN(n)] {
					calls = append(calls, c.randomCall(luck, states, leases[i][k], rs[k]))
				}
				var errs []error
				if i == 0 {
					errs = c.together(calls...)
				} else {
					for _, call := range calls {
						errs = append(errs, call(t.Context()))
					}
				}
				for _, err := range errs {
					said[i] += fmt.Sprint(err == nil, errors.Is(err, post.ErrStale), " ")
				}
				left[i] = c.described(leases[i])
			}
			if said[0] != said[1] || left[0] != left[1] {
				t.Fatalf("round %d: as a group\n%s\n%s\neach alone\n%s\n%s", round, said[0], left[0], said[1], left[1])
			}
		}
	})
}

func (c *crowd) randomCall(luck *rand.Rand, states []post.LetterState, l queue.Lease, r dispatch.Record) func(context.Context) error {
	version, fence, kind, to := int64(0), int64(0), luck.IntN(8), states[luck.IntN(len(states))]
	if luck.IntN(6) == 0 {
		version = 1
	}
	if luck.IntN(8) == 0 {
		fence = 1
	}
	l.Fence -= fence
	code, unsure, attempts := fmt.Sprint("code ", luck.IntN(3)), luck.IntN(2) == 0, 1+luck.IntN(3)
	if kind == 0 {
		w := dispatch.Wait{Letter: r.ID, Version: r.Version + version, Code: code, Failures: attempts}
		// The lease is given back and still the newest: the token counts.
		return func(ctx context.Context) error { return c.s.WaitLetter(ctx, l, w) }
	}
	m := moveTo(r, to)
	m.Version += version
	m.Code, m.Channel, m.Generation = code, post.Digital, 1
	id := post.DerivedID(r.ID, m.Channel, m.Generation)
	switch kind {
	case 1, 2:
		m.Intent = &dispatch.Intent{MessageID: id, CreatedAt: time.Unix(1_790_000_000, 0).UTC(), Size: 7, SHA256: sha256.Sum256([]byte("f")), Attempts: attempts, Carrier: post.DigitalPost}
		m.MessageID = id
	case 3, 4:
		m.MessageID, m.Unsure = id, unsure
		m.Answer = &dispatch.Outcome{Verdict: dispatch.Taken, Transmission: code, At: time.Unix(1_790_000_001, 0)}
	case 5:
		m.Manifest, m.Through = []byte(code), []dispatch.Passage{{State: post.LetterSigned, Channel: m.Channel, Generation: 1, Code: code}}
	case 6:
		m.Free, m.Due = true, time.Now().Add(time.Hour)
	}
	return c.mover(l, m)
}

// described is all that can be told of letters, without what is a store's own.
func (c *crowd) described(ls []queue.Lease) string {
	c.Helper()
	var b strings.Builder
	for i, r := range c.read(ls) {
		v, err := c.s.LetterView(c.Context(), "", r.ID)
		if err != nil {
			c.Fatal(err)
		}
		fmt.Fprint(&b, i, r.State, r.Version, r.Channel, r.Generation, r.Code, r.Failures, string(r.Manifest), v.Transmission, v.SignedAt.IsZero())
		if r.Intent != nil {
			fmt.Fprint(&b, r.Intent.Attempts, r.Intent.Unsure, r.Intent.Carrier)
		}
		kinds := map[string]int{}
		for _, e := range v.Events {
			kinds[e.Kind+e.Outcome+e.Digest]++
		}
		fmt.Fprintln(&b, len(v.Events), len(kinds))
	}
	return b.String()
}
