package dispatcherapp

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// restorable is a dispatcher's house on a file that can be copied and put back.
type restorable struct {
	*testing.T
	cfg  config.Dispatcher
	file string
}

func newRestorable(t *testing.T) *restorable {
	t.Helper()
	cfg := settings(t)
	return &restorable{T: t, cfg: cfg, file: strings.TrimPrefix(cfg.Database, "sqlite://")}
}

func (r *restorable) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// accept takes a letter and lets a dispatcher's integrator run until it has published.
func (r *restorable) accept(key string) (published int64) {
	r.Helper()
	r.Run(key, func(t *testing.T) { // whose end closes desk's hand on the file
		if _, err := deskBeside(t, r.cfg).Submit(t.Context(), submission(key)); err != nil {
			t.Fatal(err)
		}
	})
	return r.publish()
}

// publish assembles a dispatcher and lets its integrator alone run until it has published.
func (r *restorable) publish() (published int64) {
	r.Helper()
	app, err := New(r.Context(), r.cfg, slog.New(slog.DiscardHandler))
	r.must(err)
	defer func() { r.must(app.close()) }()
	ctx, stop := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- app.integrator.Run(ctx) }()
	before := r.published()
	for end := time.Now().Add(30 * time.Second); r.published() == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("nothing was published: %v", app.integrator.Ready(ctx))
		}
	}
	stop()
	r.must(<-done)
	return r.published()
}

// published is how many entries the checkpoint in the folder covers.
func (r *restorable) published() int64 {
	r.Helper()
	signed, err := os.ReadFile(filepath.Join(r.cfg.LedgerDir, ledger.CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	r.must(err)
	_, vkey, err := ledger.ReadSigner(r.cfg.CheckpointKeyFile)
	r.must(err)
	known, err := ledger.Known(vkey)
	r.must(err)
	tree, err := ledger.OpenCheckpoint(signed, known)
	r.must(err)
	return tree.N
}

// backup copies the database to a file of its own, as sqlite3's VACUUM INTO does.
func (r *restorable) backup() string {
	r.Helper()
	to := filepath.Join(r.TempDir(), "backup.db")
	db, err := sql.Open("sqlite", "file:"+r.file)
	r.must(err)
	defer db.Close()
	_, err = db.ExecContext(r.Context(), `VACUUM INTO ?`, to)
	r.must(err)
	return to
}

// restore puts a backup where the database was.
func (r *restorable) restore(backup string) {
	r.Helper()
	b, err := os.ReadFile(backup)
	r.must(err)
	for _, log := range []string{"-wal", "-shm"} {
		if err := os.Remove(r.file + log); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Fatal(err)
		}
	}
	r.must(os.WriteFile(r.file, b, 0o600))
}

// jobs are the files at the print house.
func (r *restorable) jobs() (names []string) {
	r.Helper()
	all, err := os.ReadDir(r.cfg.PrintHouse.Out)
	r.must(err)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// newLedger gives the house another folder and key, and names the former one.
func (r *restorable) newLedger() {
	r.Helper()
	_, former, err := ledger.ReadSigner(r.cfg.CheckpointKeyFile)
	r.must(err)
	skey, _, err := ledger.GenerateCheckpointKey("post.example.dk/ledger/2")
	r.must(err)
	dir := r.TempDir()
	r.cfg.LedgerDir, r.cfg.CheckpointKeyFile = filepath.Join(dir, "ledger-2"), filepath.Join(dir, "checkpoint-2.key")
	r.cfg.EarlierCheckpointKeysFile = filepath.Join(dir, "earlier")
	r.must(os.MkdirAll(r.cfg.LedgerDir, 0o700))
	r.must(os.WriteFile(r.cfg.CheckpointKeyFile, []byte(skey), 0o600))
	r.must(os.WriteFile(r.cfg.EarlierCheckpointKeysFile, []byte(former+"\n"), 0o600))
}

// TestARestoredDatabaseStartsNoDispatcherUntilItsLedgerBeginsAnew keeps the folder of the
// ledger and puts an older database beside it.
func TestARestoredDatabaseStartsNoDispatcherUntilItsLedgerBeginsAnew(t *testing.T) {
	t.Parallel()
	r := newRestorable(t)
	r.accept("k1")
	backup := r.backup()
	lost := r.accept("k2")
	old := r.cfg.LedgerDir
	receipt := filepath.Join(r.cfg.PrintHouse.Events, "waiting.json")
	r.must(os.WriteFile(receipt, []byte("{}"), 0o600))

	had := r.jobs()
	r.restore(backup)
	for range 2 { // and nobody gets used to it
		app, err := New(t.Context(), r.cfg, slog.New(slog.DiscardHandler))
		if app != nil || !errors.Is(err, post.FaultDatabaseOlder) || !strings.Contains(err.Error(), "After a restore") {
			t.Fatalf("a dispatcher starts on a restored database: %v", err)
		}
	}
	if _, err := os.Stat(receipt); err != nil {
		t.Errorf("a receipt was fetched: %v", err)
	}
	if jobs := r.jobs(); !slices.Equal(jobs, had) {
		t.Errorf("the print house has %q, it had %q", jobs, had)
	}

	r.newLedger()
	if got := r.publish(); got == 0 || got >= lost {
		t.Errorf("%d entries are in the new folder, %d were in the old one", got, lost)
	}
	if r.accept("k3") == 0 {
		t.Error("the ledger does not go on")
	}
	r.cfg.LedgerDir = old
	if _, err := New(t.Context(), r.cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, post.FaultDatabaseOlder) {
		t.Errorf("the old folder under the new key: %v", err)
	}
}

// TestADatabaseThatIsAheadOfItsFolderStarts: each of these was never a restore.
func TestADatabaseThatIsAheadOfItsFolderStarts(t *testing.T) {
	t.Parallel()
	r := newRestorable(t)
	r.accept("k1")
	file := filepath.Join(r.cfg.LedgerDir, ledger.CheckpointFile)
	former, err := os.ReadFile(file)
	r.must(err)
	after := r.accept("k2")

	// Killed after it kept a checkpoint in the database, before the file was replaced.
	r.must(os.WriteFile(file, former, 0o600))
	if got := r.publish(); got < after {
		t.Errorf("%d of %d entries are published again", got, after)
	}
	// The folder was lost.
	r.must(os.RemoveAll(r.cfg.LedgerDir))
	r.must(os.MkdirAll(r.cfg.LedgerDir, 0o700))
	if got := r.publish(); got < after {
		t.Errorf("%d of %d entries are published again", got, after)
	}
}

func TestAWrongFileOfEarlierKeysStartsNothing(t *testing.T) {
	t.Parallel()
	r := newRestorable(t)
	r.newLedger()
	r.cfg.EarlierCheckpointKeysFile = r.cfg.CheckpointKeyFile // the secret half
	if _, err := New(t.Context(), r.cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, post.FaultKeyFile) || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("got %v", err)
	}
}
