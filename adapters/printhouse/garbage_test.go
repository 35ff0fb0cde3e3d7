package printhouse_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
)

// TestAnEventThatMayNotBeReadHoldsUpNoOther: a wrong right on one file is no
// outage of the print house.
func TestAnEventThatMayNotBeReadHoldsUpNoOther(t *testing.T) {
	f := newFar(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		text := fmt.Sprintf(`{"event_id":%q,"job_id":"0b1e2f3a-0000-4000-8000-000000000001","kind":"posted","at":"2026-11-22T09:00:00Z"}`, id)
		if err := os.WriteFile(filepath.Join(f.root, "events", id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.door.Break(printhousetest.Fault{Step: "Get", Name: "b.json", Err: fs.ErrPermission, Times: 2})
	for range 2 {
		all, err := f.house.Waiting(t.Context())
		if err != nil || len(all) != 2 || all[0].EventID != "a" || all[1].EventID != "c" {
			t.Fatalf("got %+v, %v", all, err)
		}
	}
	if all, err := f.house.Waiting(t.Context()); err != nil || len(all) != 3 {
		t.Errorf("once it may be read: %d, %v", len(all), err)
	}
}
