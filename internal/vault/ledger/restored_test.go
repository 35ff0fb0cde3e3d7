package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestADatabaseThatDoesNotExtendWhatWasPublishedIsRefused: 150 entries are published,
// then something happens.
func TestADatabaseThatDoesNotExtendWhatWasPublishedIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(t *testing.T, m *memory, dir string)
		refused bool
	}{
		{"nothing", func(*testing.T, *memory, string) {}, false},
		{"more was accepted", func(t *testing.T, m *memory, _ string) { m.add(t, 7) }, false},
		{"a backup was restored", func(t *testing.T, m *memory, _ string) { rebuild(t, m, m.rows[:100]) }, true},
		{"one without any entry was", func(t *testing.T, m *memory, _ string) { rebuild(t, m, nil) }, true},
		{"a backup was restored that has more to place", func(t *testing.T, m *memory, _ string) {
			rebuild(t, m, m.rows[:100])
			m.add(t, 300)
		}, true},
		{"a backup was restored and grew beyond", func(t *testing.T, m *memory, _ string) {
			rows := m.rows[:100]
			m.add(t, 300)
			rebuild(t, m, append(rows, m.waiting...))
			m.waiting = nil
		}, true},
		{"a backup was restored and grew to the same size", func(t *testing.T, m *memory, _ string) {
			rows := m.rows[:100]
			m.add(t, 50)
			rebuild(t, m, append(rows, m.waiting...))
			m.waiting = nil
		}, true},
		{"an old entry was replaced", func(t *testing.T, m *memory, _ string) {
			m.rows[7].Leaf = ledger.Leaf([]byte("salt"), []byte("{}"))
			rebuild(t, m, m.rows)
		}, true},
		{"the folder was lost", func(t *testing.T, _ *memory, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"the checkpoint was lost", func(t *testing.T, _ *memory, dir string) {
			if err := os.Remove(filepath.Join(dir, ledger.CheckpointFile)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"it stopped after a checkpoint was kept and before it was published", func(t *testing.T, m *memory, dir string) {
			former, err := os.ReadFile(filepath.Join(dir, ledger.CheckpointFile))
			if err != nil {
				t.Fatal(err)
			}
			m.add(t, 20)
			m.release()
			step(t, integrator(t, m, dir, m.keys))
			if err := os.WriteFile(filepath.Join(dir, ledger.CheckpointFile), former, 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"another's log came into the folder", func(t *testing.T, _ *memory, dir string) {
			forge(t, dir, newKeys(t, origin).signer)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
			m.keys = k
			m.add(t, 150)
			step(t, integrator(t, m, dir, k))
			tt.happens(t, m, dir)
			before, kept, fence := len(m.rows), bytes.Clone(m.note), m.fence
			err := integrator(t, m, dir, k).Current(t.Context())
			if tt.refused != errors.Is(err, post.FaultDatabaseOlder) || tt.refused != (err != nil) {
				t.Errorf("got %v, refused should be %t", err, tt.refused)
			}
			if len(m.rows) != before || !bytes.Equal(kept, m.note) || m.fence != fence {
				t.Error("asking changed something")
			}
		})
	}
}

// TestARestoredDatabaseGoesOnInANewFolderUnderANewKey is the way out: the old folder
// stays as it is, and the key that signed it is named as an earlier one.
func TestARestoredDatabaseGoesOnInANewFolderUnderANewKey(t *testing.T) {
	m, old, oldDir := &memory{}, newKeys(t, origin), t.TempDir()
	m.add(t, 150)
	step(t, integrator(t, m, oldDir, old))
	backup, kept := m.rows[:150:150], bytes.Clone(m.note)
	m.add(t, 40)
	m.release()
	if got := step(t, integrator(t, m, oldDir, old)); got != 190 {
		t.Fatalf("published %d", got)
	}
	rebuild(t, m, backup)
	m.note, m.noteSize = kept, 150
	m.release()

	next, dir := newKeys(t, origin), t.TempDir()
	g := integrator(t, m, dir, next)
	if _, err := g.Step(t.Context()); !errors.Is(err, ledger.ErrDiverged) {
		t.Fatalf("a checkpoint of a key that nobody named is taken: %v", err)
	}
	file := filepath.Join(t.TempDir(), "earlier")
	if err := os.WriteFile(file, []byte(old.vkey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	earlier, err := ledger.ReadEarlier(file)
	if err != nil {
		t.Fatal(err)
	}
	m.release()
	named := func(dir string) *ledger.Integrator {
		return integratorOf(t, ledger.Config{Store: m, Dir: dir, Signer: next.signer, Earlier: earlier})
	}
	if err := named(oldDir).Current(t.Context()); !errors.Is(err, post.FaultDatabaseOlder) {
		t.Errorf("the new key in the old folder: %v", err)
	}
	g = named(dir)
	if err := g.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := step(t, g); got != 150 {
		t.Fatalf("published %d", got)
	}
	m.add(t, 10)
	if got := step(t, g); got != 160 {
		t.Fatalf("published %d", got)
	}
	verify(t, dir, next, m)
	if err := g.Current(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAFileOfEarlierKeysHoldsPublicKeysAndAtLeastOne(t *testing.T) {
	one, two := newKeys(t, origin), newKeys(t, origin)
	secret, _, err := ledger.GenerateCheckpointKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{one.vkey: 1, one.vkey + "\n" + two.vkey + "\n": 2, "": 0, "\n": 0, "x": 0, one.vkey + "\n" + secret: 0} {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ledger.ReadEarlier(file)
		if len(got) != want || (want == 0) != errors.Is(err, post.FaultKeyFile) {
			t.Errorf("%d keys, %v", len(got), err)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte(secret)) {
			t.Error("the refusal shows a secret key")
		}
	}
	if _, err := ledger.ReadEarlier(filepath.Join(t.TempDir(), "none")); !errors.Is(err, post.FaultKeyFile) {
		t.Errorf("a file that is not there: %v", err)
	}
}
