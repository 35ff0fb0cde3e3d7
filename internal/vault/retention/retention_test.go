package retention_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

// house is a small honest shelf, blob store and index of references at once.
type house struct {
	records map[string]record
	blobs   map[string]time.Time
	purged  []string
	busy    string                // a record that moves while it is purged
	stuck   string                // a blob that cannot be deleted
	down    atomic.Pointer[error] // of the references
	mu      sync.Mutex            // guards the rest where a keeper runs beside the test
}

var errStuck = errors.New("input/output error")

func (h *house) fail(err error) { h.down.Store(&err) }
func (h *house) heal()          { h.down.Store(nil) }

type record struct {
	ended time.Time
	blobs []string
}

func newHouse() *house { return &house{records: map[string]record{}, blobs: map[string]time.Time{}} }

func (h *house) put(id string, blobs ...string) {
	h.records[id] = record{time.Now(), blobs}
	for _, b := range blobs {
		h.blobs[b] = time.Now()
	}
}

func (h *house) Overdue(_ context.Context, before time.Time, n int) (items []retention.Item, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(h.records)) {
		if r := h.records[id]; !r.ended.After(before) && len(items) < n {
			items = append(items, retention.Item{ID: id, Tenant: "engdal", Ended: r.ended})
		}
	}
	return items, nil
}

func (h *house) Purge(_ context.Context, item retention.Item, before time.Time) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.records[item.ID]
	if !ok || r.ended.After(before) || item.ID == h.busy {
		return nil, post.ErrStale
	}
	delete(h.records, item.ID)
	h.purged = append(h.purged, item.ID)
	return r.blobs, nil
}

func (h *house) List(_ context.Context, visit func(string, int64, time.Time) error) error {
	h.mu.Lock()
	blobs := maps.Clone(h.blobs)
	h.mu.Unlock()
	for _, b := range slices.Sorted(maps.Keys(blobs)) {
		if err := visit(b, 1, blobs[b]); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) Delete(_ context.Context, blob string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if blob == h.stuck {
		return errStuck
	}
	delete(h.blobs, blob)
	return nil
}

func (h *house) Unreferenced(_ context.Context, blobs []string) ([]string, error) {
	if err := h.down.Load(); err != nil {
		return nil, *err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	named := map[string]bool{}
	for _, r := range h.records {
		for _, b := range r.blobs {
			named[b] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(blobs), func(b string) bool { return named[b] }), nil
}

func (h *house) keeper(t *testing.T, after time.Duration) *retention.Keeper {
	t.Helper()
	k, err := retention.New(retention.Config{
		Rules: []retention.Rule{{Name: "inquiry.closed", After: after, Shelf: h}},
		Blobs: h, References: h, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestFiveYearsAndNotADayLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		const keep = 5 * 365 * 24 * time.Hour
		k := h.keeper(t, keep)
		h.put("a", "blob-a")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Run(ctx) }()
		time.Sleep(keep - time.Minute)
		synctest.Wait()
		h.mu.Lock()
		if len(h.purged) != 0 || len(h.blobs) != 1 {
			t.Error("purged too early")
		}
		h.mu.Unlock()
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if !slices.Equal(h.purged, []string{"a"}) || len(h.blobs) != 0 {
			t.Errorf("not purged in time: %v, %v", h.purged, h.blobs)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAPlanChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		k := h.keeper(t, time.Hour)
		h.put("a", "x")
		time.Sleep(2 * time.Hour)
		h.put("b", "y")
		plan, err := k.Plan(t.Context(), 10)
		if err != nil || len(plan) != 1 || plan[0].Item.ID != "a" || plan[0].Rule != "inquiry.closed" {
			t.Errorf("got %v, %v", plan, err)
		}
		if len(h.records) != 2 || len(h.blobs) != 2 {
			t.Error("the plan purged something")
		}
	})
}

func TestManyArePurgedAndABusyOneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		k := h.keeper(t, time.Hour)
		for i := range 257 {
			h.put(fmt.Sprintf("r%03d", i), fmt.Sprintf("b%03d", i))
		}
		h.busy = "r007"
		time.Sleep(time.Hour)
		done, err := k.Step(t.Context())
		if err != nil || done.Records != 256 || len(h.records) != 1 || len(h.blobs) != 1 {
			t.Errorf("%+v, %v; %d records, %d blobs left", done, err, len(h.records), len(h.blobs))
		}
		h.busy = ""
		if done, err = k.Step(t.Context()); err != nil || done.Records != 1 || len(h.blobs) != 0 {
			t.Errorf("%+v, %v", done, err)
		}
	})
}

func TestASharedDocumentOutlivesTheFirstLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		k := h.keeper(t, time.Hour)
		h.put("a", "shared")
		time.Sleep(time.Hour)
		h.put("b", "shared")
		if _, err := k.Step(t.Context()); err != nil || len(h.records) != 1 || len(h.blobs) != 1 {
			t.Errorf("%v; %d records, %d blobs", err, len(h.records), len(h.blobs))
		}
		time.Sleep(time.Hour)
		if _, err := k.Step(t.Context()); err != nil || len(h.blobs) != 0 {
			t.Errorf("%v; %d blobs", err, len(h.blobs))
		}
	})
}

func TestOrphansGoAfterADayAndOnlyThey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		k := h.keeper(t, 1000*time.Hour)
		h.put("a", "named")
		for i := range 150 {
			h.blobs[fmt.Sprintf("orphan-%d", i)] = time.Now()
		}
		time.Sleep(24 * time.Hour)
		h.blobs["fresh"] = time.Now()
		if done, err := k.Step(t.Context()); err != nil || done.Orphans != 0 {
			t.Errorf("exactly a day: %+v, %v", done, err)
		}
		time.Sleep(time.Second)
		if done, err := k.Step(t.Context()); err != nil || done.Orphans != 150 {
			t.Errorf("%+v, %v", done, err)
		}
		if left := slices.Sorted(maps.Keys(h.blobs)); !slices.Equal(left, []string{"fresh", "named"}) {
			t.Errorf("left: %v", left)
		}
	})
}

func TestAnOrphanThatStaysDoesNotKeepTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		k := h.keeper(t, time.Hour)
		for i := range 150 {
			h.blobs[fmt.Sprintf("orphan-%03d", i)] = time.Now()
		}
		h.stuck = "orphan-001"
		time.Sleep(25 * time.Hour)
		if done, err := k.Step(t.Context()); !errors.Is(err, errStuck) || done.Orphans != 149 || len(h.blobs) != 1 {
			t.Errorf("%+v, %v; %d blobs", done, err, len(h.blobs))
		}
	})
}

func TestNoBlobGoesWhenReferencesAreInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		k := h.keeper(t, time.Hour)
		h.put("a", "x")
		h.blobs["orphan"] = time.Now()
		down := errors.New("database is locked")
		h.fail(down)
		time.Sleep(48 * time.Hour)
		if _, err := k.Step(t.Context()); !errors.Is(err, down) || len(h.blobs) != 2 {
			t.Errorf("%v; %d blobs", err, len(h.blobs))
		}
		h.heal() // the record is gone; its blob is now an orphan like the other
		if done, err := k.Step(t.Context()); err != nil || done.Orphans != 2 || len(h.blobs) != 0 {
			t.Errorf("%+v, %v", done, err)
		}
	})
}

func TestAFailedStepIsLoggedAndTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		h.fail(errors.New("database is locked"))
		var log bytes.Buffer
		k, err := retention.New(retention.Config{Blobs: h, References: h, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		h.blobs["orphan"] = time.Now().Add(-48 * time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Run(ctx) }()
		synctest.Wait()
		h.heal()
		time.Sleep(time.Hour)
		synctest.Wait()
		stop()
		if err := <-ended; err != nil || len(h.blobs) != 0 || strings.Count(log.String(), "retention step failed") != 1 {
			t.Errorf("%v; %v; %s", err, h.blobs, &log)
		}
	})
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := retention.New(retention.Config{Rules: []retention.Rule{{Name: "letter.final", Shelf: newHouse()}}})
	for _, word := range []string{"Blobs", "References", "Log", "letter.final"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s is not named in %v", word, err)
		}
	}
}

// TestItLooksByTheHourUnlessToldOtherwise counts the looks of three hours.
func TestItLooksByTheHourUnlessToldOtherwise(t *testing.T) {
	for every, want := range map[time.Duration]int32{0: 3, 30 * time.Minute: 6} {
		synctest.Test(t, func(t *testing.T) {
			h, looks := newHouse(), atomic.Int32{}
			k, err := retention.New(retention.Config{Rules: []retention.Rule{{Name: "letter.ended", After: time.Hour, Shelf: counted{h, &looks}}},
				Blobs: h, References: h, Log: slog.New(slog.DiscardHandler), Every: every})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour-time.Second)
			defer cancel()
			if err := k.Run(ctx); err != nil || looks.Load() != want {
				t.Errorf("every %s: %d looks in three hours, want %d; %v", every, looks.Load(), want, err)
			}
		})
	}
}

// counted counts how often somebody looks for what is over.
type counted struct {
	*house
	looks *atomic.Int32
}

func (c counted) Overdue(ctx context.Context, before time.Time, n int) ([]retention.Item, error) {
	c.looks.Add(1)
	return c.house.Overdue(ctx, before, n)
}
