package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// intentOf begins the hand-over of a letter that was read when nothing was halted.
func intentOf(r dispatch.Record) dispatch.Move {
	m := moveTo(r, post.LetterHandingOver)
	m.Through = []dispatch.Passage{{State: post.LetterReady}, {State: post.LetterSigned}, {State: post.LetterRouted, Channel: post.Digital, Generation: 1}}
	m.Channel, m.Generation, m.Manifest = post.Digital, 1, []byte("manifest")
	m.MessageID = post.DerivedID(r.ID, post.Digital, 1)
	m.Intent = &dispatch.Intent{MessageID: m.MessageID, Carrier: post.DigitalPost, CreatedAt: time.Unix(1_790_000_000, 0).UTC(), Size: 1,
		SHA256: sha256.Sum256([]byte("form")), Attempts: 1}
	return m
}

// Whoever pauses while an intent is on its way to its commit is answered after it,
// and sees it among what is being handed over.
func TestAPauseIsAnsweredWhenNoIntentThatHasNotSeenItIsUnderWay(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		ls, rs := c.leased(3)
		committing, let := make(chan struct{}), make(chan struct{})
		c.s.OnCommit(func(tx *sql.Tx) error {
			close(committing)
			<-let
			return tx.Commit()
		})
		answered := make(chan error, 1)
		var seen string
		go func() {
			<-committing
			err := c.s.PauseChannel(context.WithoutCancel(c.Context()), letter.Pause{Channel: post.Digital, Actor: "anne"})
			seen = c.seen(rs[0].ID)
			answered <- err
		}()
		go func() {
			<-committing
			select {
			case <-answered:
				t.Error("a pause was answered while an intent that had not seen it was being committed")
				answered <- nil
			case <-time.After(80 * time.Millisecond):
			}
			close(let)
		}()
		if errs := c.together(c.mover(ls[0], intentOf(rs[0])), c.mover(ls[1], intentOf(rs[1]))); errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		if seen != "handing-over 1" {
			t.Errorf("whoever paused was shown %s", seen)
		}
		c.s.OnCommit(nil)
		if err := c.s.MoveLetter(t.Context(), ls[2], intentOf(rs[2])); !errors.Is(err, dispatch.ErrRoadHalted) {
			t.Errorf("an intent after it: %v", err)
		}
		c.want(rs[2].ID, "accepted 1")
	})
}

// Many begin and one pauses: what is being handed over when it was answered is all
// that ever is.
func TestAfterAPauseWasAnsweredNoHandOverBegins(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		const many = 96
		ls, rs := c.leased(many)
		begun := func() (n int) {
			all, err := c.s.LetterList(t.Context(), letter.Filter{State: post.LetterHandingOver, Limit: 1000})
			if err != nil {
				t.Error(err)
			}
			return len(all)
		}
		errs := make([]error, many)
		var all sync.WaitGroup
		start, some := make(chan struct{}), make(chan struct{}, many)
		for i := range many {
			all.Go(func() {
				<-start
				for n := 0; n < i/24; n++ { // they come in waves
					<-some
				}
				errs[i] = c.s.MoveLetter(t.Context(), ls[i], intentOf(rs[i]))
				for range 4 {
					select {
					case some <- struct{}{}:
					default:
					}
				}
			})
		}
		close(start)
		<-some
		if err := c.s.PauseChannel(t.Context(), letter.Pause{Actor: "anne"}); err != nil {
			t.Fatal(err)
		}
		answered := begun()
		for done := make(chan struct{}); ; {
			go func() { all.Wait(); close(done) }()
			for {
				select {
				case some <- struct{}{}:
					continue
				case <-done:
				}
				break
			}
			break
		}
		went := 0
		for i, err := range errs {
			switch {
			case err == nil:
				went++
			case errors.Is(err, dispatch.ErrRoadHalted):
				c.want(rs[i].ID, "accepted 1")
			default:
				t.Error(err)
			}
		}
		if after := begun(); after != answered || after != went {
			t.Errorf("%d hand-overs when the pause was answered, %d later, %d were told that they may", answered, after, went)
		}
		t.Logf("%d of %d began before the pause", went, many)
	})
}

// Two people decide at once: whoever stops a batch comes first, and whoever pauses it
// has looked at it before that. A stopped batch cannot be resumed, so it must not
// count as paused.
func TestAPauseThatWaitsForAStopFindsTheBatchStopped(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t, ctx := c.T, c.Context()
		id := c.approved(1)
		ls, rs := c.leased(2)
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		// waiting waits until so many are kept out by the intent that is being committed;
		// whoever works in another schema of the server waits for the same lock.
		waiting := func(n int) {
			for have, end := 0, time.Now().Add(time.Minute); driver == "pgx" && have < n && time.Now().Before(end); time.Sleep(time.Millisecond) {
				if err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
					WHERE l.locktype = 'advisory' AND NOT l.granted AND a.application_name = current_setting('application_name')`).Scan(&have); err != nil {
					t.Error(err)
					return
				}
			}
		}
		committing, let := make(chan struct{}), make(chan struct{})
		c.s.OnCommit(func(tx *sql.Tx) error {
			close(committing)
			<-let
			return tx.Commit()
		})
		var stop, pause error
		var both sync.WaitGroup
		both.Go(func() {
			<-committing
			_, stop = c.s.StopBatch(ctx, "engdal", id, "anne", 100)
		})
		both.Go(func() {
			<-committing
			waiting(1)
			both.Go(func() { pause = c.s.PauseBatch(ctx, "engdal", id, "bent", true) })
			waiting(2)
			close(let)
		})
		if errs := c.together(c.mover(ls[0], intentOf(rs[0])), c.mover(ls[1], intentOf(rs[1]))); errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		both.Wait()
		v, err := c.s.BatchView(ctx, "engdal", id)
		if err != nil || stop != nil || v.Paused || v.State != batch.Stopped {
			t.Errorf("stopped: %v; paused: %v; the batch: %s, paused %t, %v", stop, pause, v.State, v.Paused, err)
		}
		if driver == "pgx" && !errors.Is(pause, post.FaultBatchState) {
			t.Errorf("who paused a stopped batch was told %v", pause)
		}
	})
}

// approved makes an approved batch of n lines, and takes its letters away from
// whoever looks for what is due.
func (c *crowd) approved(n int) post.BatchID {
	c.Helper()
	ctx, id, sum := c.Context(), post.BatchID(post.NewID()), sha256.Sum256([]byte("sealed"))
	document := hex.EncodeToString(sum[:])
	in := batch.Opened{ID: id, Tenant: "engdal", Client: "case", Key: []byte(id), Digest: sum[:], Count: n, Options: batch.Options{Policy: post.SignEach}}
	for i := range n {
		in.Lines = append(in.Lines, batch.SealedLine{N: i + 1, Letter: post.LetterID(post.NewID()), Reference: post.NewReference(), Key: []byte(post.NewID()),
			Digest: sum[:], Document: document, Recipient: []byte("r"), Content: []byte("c")})
	}
	_, err := c.s.OpenBatch(ctx, in)
	err = errors.Join(err, c.s.PutBatchDocuments(ctx, "engdal", id, []batch.KeptDocument{{SHA256: document,
		Sealed: letter.Sealed{Object: seal.Object{Header: []byte("h"), Blob: "b", SHA256: sum[:], Size: 1}, Clear: 1}}}))
	_, closed := c.s.CloseBatch(ctx, "engdal", id, 100)
	_, approved := c.s.ApproveBatch(ctx, "engdal", id, "approver", 100)
	_, leased := c.s.LeaseDue(ctx, queue.Claim{Kind: queue.AdvanceLetter, N: n, For: time.Hour})
	if err := errors.Join(err, closed, approved, leased); err != nil {
		c.Fatal(err)
	}
	return id
}
