package suite

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

var template struct {
	sync.Mutex
	file []byte
}

// SQLite puts an empty SQLite database with the schema of the day at path and
// returns its address. open, which is sqlstore.Open, makes the first one of a
// process; the others are copies, since going through every migration takes
// longer than most tests.
func SQLite[S io.Closer](t testing.TB, open func(context.Context, string) (S, error), path string) (address string) {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if template.file == nil {
		first := filepath.Join(t.TempDir(), "template.db")
		s, err := open(t.Context(), "sqlite://"+first)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil { // nothing is left in a file beside it
			t.Fatal(err)
		}
		if template.file, err = os.ReadFile(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, template.file, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite://" + path
}
