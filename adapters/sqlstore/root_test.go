package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestTheSignedRootOfABatchIsKeptOnce takes a batch through its life: each letter
// is read with its whole signed form, of which its row holds what is its own.
func TestTheSignedRootOfABatchIsKeptOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		v := &volume{T: t, s: open(t)}
		v.live(5) // reads every letter after it was signed
		var ids []post.LetterID
		v.must(each(t.Context(), v.s.read, func(rows *sql.Rows) error {
			var id post.LetterID
			var kept []byte
			var rooted int64
			err := rows.Scan(&id, &kept, &rooted)
			if ids = append(ids, id); rooted != 1 || string(kept) != "manifest, " {
				t.Errorf("%q is kept with the letter", kept)
			}
			return err
		}, `SELECT id, manifest, rooted FROM letter`))
		if len(ids) != 5 {
			t.Errorf("%d letters", len(ids))
		}
		for _, again := range []*Store{v.s, {read: v.s.read, d: v.s.d}} { // and by who has no root in memory
			for _, id := range ids {
				p, err := again.LetterProof(t.Context(), volumeTenant, id)
				if err != nil || !bytes.Equal(p.Manifest, []byte("manifest, root of "+string(p.View.Batch))) {
					t.Errorf("%q is proven: %v", p.Manifest, err)
				}
			}
		}
	})
}

// TestWhatDoesNotEndWithTheRootIsKeptWhole holds for letters that are signed by
// themselves and for those of batches.
func TestWhatDoesNotEndWithTheRootIsKeptWhole(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		v := &volume{T: t, s: open(t)}
		v.live(1)
		var id string
		v.must(v.s.read.QueryRowContext(t.Context(), `SELECT id FROM batch`).Scan(&id))
		for _, tt := range []struct {
			batch, signed, kept string
			rooted              int64
		}{
			{"", "manifest", "manifest", 0},
			{"", "root of " + id, "root of " + id, 0},
			{id, "manifest", "manifest", 0},
			{id, "root of " + id + "!", "root of " + id + "!", 0},
			{id, "m root of " + id, "m ", 1},
			{"no such batch", "manifest", "manifest", 0},
		} {
			kept, rooted, err := v.s.withoutRoot(t.Context(), v.s.read, tt.batch, []byte(tt.signed))
			if err != nil || string(kept) != tt.kept || rooted != tt.rooted {
				t.Errorf("%q in %q: %q, %d, %v", tt.signed, tt.batch, kept, rooted, err)
			}
		}
		if _, err := v.s.withRoot(t.Context(), v.s.read, "no such batch", nil); err == nil {
			t.Error("a root that is gone is not missed")
		}
	})
}

// TestRootsOfManyBatchesDoNotStayInMemory asks for more than are kept.
func TestRootsOfManyBatchesDoNotStayInMemory(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		v := &volume{T: t, s: open(t)}
		for range keptRoots + 3 {
			v.live(1)
		}
		if n := len(v.s.roots.kept); n != keptRoots || len(v.s.roots.last) != n {
			t.Errorf("%d roots are in memory", n)
		}
	})
}

// TestReadersOfRootsDoNotKeepConnectionsFromEachOther reads letters of batches whose
// roots are not in memory, as after a start, with as many readers as connections:
// whoever holds one while waiting for a second waits for ever.
func TestReadersOfRootsDoNotKeepConnectionsFromEachOther(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		v := &volume{T: t, s: open(t)}
		const many = 4
		for range many {
			v.send(1)
		}
		v.must(v.exec(`UPDATE job SET due_at = 1, lease_until = 0`))
		leases, err := v.s.LeaseDue(t.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: many, For: time.Hour})
		if err != nil || len(leases) != many {
			t.Fatal(len(leases), err)
		}
		v.s.read.SetMaxOpenConns(1)
		started := &Store{read: v.s.read, write: v.s.write, d: v.s.d}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for _, l := range leases {
			all.Go(func() {
				found, err := started.stepRecords(ctx, []queue.Lease{l})
				if r := found[l.ID]; err != nil || string(r.Manifest) != fmt.Sprint("manifest, root of ", r.Batch) {
					t.Errorf("%q: %v", r.Manifest, err)
				}
			})
		}
		all.Wait()
	})
}
