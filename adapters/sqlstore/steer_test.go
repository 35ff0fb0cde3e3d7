package sqlstore_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// TestResumingMakesLettersThatWereTurnedAwayDueAtOnce: of a paused batch those that
// came to their turn meanwhile were told to come back later; they need not wait for
// that. A letter that waits for something else does.
func TestResumingMakesLettersThatWereTurnedAwayDueAtOnce(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t, ctx := c.T, c.Context()
		id, other := c.approved(2), c.approved(1)
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := c.s.PauseBatch(ctx, "engdal", id, "anne", true); err != nil {
			t.Fatal(err)
		}
		far := time.Now().Add(time.Hour).UnixMicro()
		for _, change := range []struct {
			query string
			args  []any
		}{
			{`UPDATE job SET due_at = $1, road = 'digitalpost'`, []any{far}},
			{`UPDATE letter SET code = $1 WHERE batch = $2 AND line = 1`, []any{batch.CodeHeld, string(id)}},
			{`UPDATE letter SET code = $1 WHERE batch = $2`, []any{batch.CodeHeld, string(other)}},
		} {
			if _, err := db.ExecContext(ctx, change.query, change.args...); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.s.PauseBatch(ctx, "engdal", id, "bent", false); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			what  string
			batch post.BatchID
			line  int
			wakes bool
		}{{"the one turned away", id, 1, true}, {"one that waits for something else", id, 2, false}, {"one of another batch", other, 1, false}} {
			var due int64
			var road string
			if err := db.QueryRowContext(ctx, `SELECT j.due_at, j.road FROM job j JOIN letter l ON l.id = j.id WHERE l.batch = $1 AND l.line = $2`, string(tt.batch), tt.line).
				Scan(&due, &road); err != nil {
				t.Fatal(err)
			}
			if woken := due < far && road == ""; woken != tt.wakes || (due < far) != tt.wakes {
				t.Errorf("%s: woken %t, due in %s, road %q", tt.what, woken, time.Until(time.UnixMicro(due)).Round(time.Second), road)
			}
		}
	})
}

// TestLettersOfAnUrgentBatchKeepTheirLane: they are claimed before those that were
// released earlier, also when their jobs were there already.
func TestLettersOfAnUrgentBatchKeepTheirLane(t *testing.T) {
	crowds(t, func(c *crowd, _, driver, dsn string) {
		t, ctx := c.T, c.Context()
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, tt := range []struct {
			urgent bool
			lane   queue.Lane
		}{{true, queue.Urgent}, {false, queue.Ordinary}} {
			id, sum := post.BatchID(post.NewID()), sha256.Sum256([]byte("sealed"))
			document := hex.EncodeToString(sum[:])
			line := func(n int) batch.SealedLine {
				return batch.SealedLine{N: n, Letter: post.LetterID(post.NewID()), Reference: post.NewReference(), Key: []byte(post.NewID()),
					Digest: sum[:], Document: document, Recipient: []byte("r"), Content: []byte("c")}
			}
			in := batch.Opened{ID: id, Tenant: "engdal", Client: "case", Key: []byte(id), Digest: sum[:], Count: 3,
				Options: batch.Options{Policy: post.SignEach, Urgent: tt.urgent, Canary: 1}, Lines: []batch.SealedLine{line(1), line(2), line(3)}}
			_, err := c.s.OpenBatch(ctx, in)
			err = errors.Join(err, c.s.PutBatchDocuments(ctx, "engdal", id, []batch.KeptDocument{{SHA256: document,
				Sealed: letter.Sealed{Object: seal.Object{Header: []byte("h"), Blob: "b", SHA256: sum[:], Size: 1}, Clear: 1}}}))
			_, closed := c.s.CloseBatch(ctx, "engdal", id, 100)
			_, kept := db.ExecContext(ctx, `INSERT INTO job (kind, id, due_at, lane, tenant) VALUES ($1, $2, 0, 9, 'engdal')`, string(queue.AdvanceLetter), string(in.Lines[2].Letter))
			_, approved := c.s.ApproveBatch(ctx, "engdal", id, "approver", 100)
			continued := c.s.ContinueBatch(ctx, "engdal", id, "approver")
			released := c.s.ReleaseApproved(ctx, 100, nil)
			if err := errors.Join(err, closed, kept, approved, continued, released); err != nil {
				t.Fatal(err)
			}
			var all, right int
			if err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(CASE WHEN j.lane = $1 THEN 1 ELSE 0 END), 0)
				 FROM job j JOIN letter l ON l.id = j.id WHERE l.batch = $2`, int64(tt.lane), string(id)).Scan(&all, &right); err != nil {
				t.Fatal(err)
			}
			if all != 3 || right != 3 {
				t.Errorf("urgent %t: %d jobs, %d of them in the lane that the batch belongs to", tt.urgent, all, right)
			}
		}
	})
}
