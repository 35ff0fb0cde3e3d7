package sqlstore

import (
	"bytes"
	"database/sql"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
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
