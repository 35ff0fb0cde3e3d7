package blobstore

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sikkerpost.dk/gateway/internal/vault/retention"
)

// named are the blobs that records name.
type named []string

func (n named) Unreferenced(_ context.Context, blobs []string) ([]string, error) {
	return slices.DeleteFunc(slices.Clone(blobs), func(b string) bool { return slices.Contains(n, b) }), nil
}

// What a deletion that was cut short has left is swept as what nobody names; how
// old that is does not change with what happens to its neighbors.
func TestRetentionFinishesADeletion(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		blobs := putGroup(t, s, 5_000, 70_000, 6_000, 7_000)
		keeper, err := retention.New(retention.Config{Blobs: s, References: named{blobs[0]}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		d := begun(t, s, blobs[1])
		if _, err := d.retract(); err != nil {
			t.Fatal(err)
		}
		d.f.Close()
		if err := s.Delete(t.Context(), blobs[3]); err != nil {
			t.Fatal(err)
		}
		if done, err := keeper.Step(t.Context()); err != nil || done.Orphans != 0 {
			t.Errorf("after a day: %+v, %v", done, err)
		}
		time.Sleep(time.Second)
		if done, err := keeper.Step(t.Context()); err != nil || done.Orphans != 2 {
			t.Errorf("after more than a day: %+v, %v", done, err)
		}
		if found := list(t, s); len(found) != 1 || !found[blobs[0]] {
			t.Errorf("%v is listed", found)
		}
		if !bytes.Equal(bytesAt(t, d.path, blobs[1], 70_000), make([]byte, 70_000)) {
			t.Error("its bytes are still there")
		}
		if got, err := read(t, s, blobs[0]); err != nil || !bytes.Equal(got, content(5_000)) {
			t.Error(errors.Join(err, errors.New("what is named is not whole")))
		}
	})
}
