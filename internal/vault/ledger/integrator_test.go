package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// served reads tiles from a web server, as anybody may.
type served struct {
	t   *testing.T
	url string
}

func (s served) get(path string) ([]byte, bool) {
	r, err := http.Get(s.url + "/" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return b, r.StatusCode == http.StatusOK
}

func (s served) Height() int                         { return 8 }
func (s served) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (s served) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		b, ok := s.get(ledger.TilePath(t))
		if !ok { // a partial tile may be gone once the full one is there
			whole := t
			whole.W = 256
			if b, ok = s.get(ledger.TilePath(whole)); !ok {
				return nil, fmt.Errorf("no tile %s", ledger.TilePath(t))
			}
			b = b[:t.W*tlog.HashSize]
		}
		data = append(data, b)
	}
	return data, nil
}

// verify checks the published files by x/mod's own reader: every leaf is proven
// to be in the tree that the checkpoint names, and the bundles hold the leaves.
func verify(t *testing.T, dir string, k keys, m *memory) {
	t.Helper()
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()
	s := served{t, web.URL}
	signed, ok := s.get("checkpoint")
	if !ok {
		t.Fatal("there is no checkpoint")
	}
	tree, err := ledger.OpenCheckpoint(signed, k.known)
	if err != nil {
		t.Fatal(err)
	}
	if tree.N != int64(len(m.rows)) {
		t.Fatalf("the checkpoint covers %d of %d", tree.N, len(m.rows))
	}
	reader := tlog.TileHashReader(tree, s)
	var indexes []int64
	for i := range tree.N {
		indexes = append(indexes, tlog.StoredHashIndex(0, i))
	}
	got, err := reader.ReadHashes(indexes)
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range got {
		if h != tlog.RecordHash(m.rows[i].Leaf) {
			t.Fatalf("entry %d is not the one recorded", i)
		}
	}
	for n := int64(0); n<<8 < tree.N; n++ {
		w := min(256, tree.N-n<<8)
		b, ok := s.get(ledger.EntriesPath(tlog.Tile{H: 8, L: 0, N: n, W: int(w)}))
		if !ok {
			t.Fatalf("bundle %d is not there", n)
		}
		for i := range w {
			size := binary.BigEndian.Uint16(b)
			if entry := b[2 : 2+size]; !bytes.Equal(entry, m.rows[n<<8+i].Leaf) {
				t.Fatalf("bundle %d entry %d is not the leaf", n, i)
			}
			b = b[2+size:]
		}
		if len(b) != 0 {
			t.Fatalf("bundle %d has more in it", n)
		}
	}
}

func TestPublishedLogIsReadableByStockTools(t *testing.T) {
	m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
	g := integrator(t, m, dir, k)
	total := int64(0)
	for _, n := range []int{1, 1, 253, 1, 1, 0, 300, 700} {
		m.add(t, n)
		total += int64(n)
		if got := step(t, g); got != total {
			t.Fatalf("published %d of %d", got, total)
		}
		verify(t, dir, k, m)
	}
	if _, err := os.Stat(filepath.Join(dir, "tile/0/000")); err != nil {
		t.Errorf("paths are not those of C2SP tlog-tiles: %v", err)
	}
	for _, gone := range []string{"tile/0/000.p", "tile/entries/000.p"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s outlives the full tile: %v", gone, err)
		}
	}
	for path, tile := range map[string]tlog.Tile{
		"tile/0/x001/x234/067":       {H: 8, L: 0, N: 1234067, W: 256},
		"tile/3/x001/x234/067.p/8":   {H: 8, L: 3, N: 1234067, W: 8},
		"tile/entries/x001/067.p/17": {H: 8, L: -1, N: 1067, W: 17},
	} {
		got := ledger.TilePath(tile)
		if tile.L < 0 {
			got = ledger.EntriesPath(tile)
		}
		if got != path {
			t.Errorf("path %s, want %s", got, path)
		}
	}
}

func TestCheckpointIsASignedNoteOfThreeLines(t *testing.T) {
	m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
	m.add(t, 3)
	step(t, integrator(t, m, dir, k))
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, k.known)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(n.Text, "\n"); len(lines) != 4 || lines[0] != origin || lines[1] != "3" || n.Sigs[0].Name != origin {
		t.Errorf("text is %q", n.Text)
	}
	if _, err := ledger.OpenCheckpoint(signed, newKeys(t, origin).known); !errors.Is(err, post.FaultInclusion) {
		t.Errorf("another key opens it: %v", err)
	}
}

func TestACrashAnywhereIsRecovered(t *testing.T) {
	for _, tt := range []struct {
		name  string
		crash func(t *testing.T, m *memory, dir string)
	}{
		{"after placing, before any file", func(t *testing.T, m *memory, _ string) {
			m.fence++ // the right is lost between the two
			fence := m.fence
			m.owner = ""
			if _, err := m.PlaceEvents(t.Context(), "ledger", fence, 1000); err != nil {
				t.Fatal(err)
			}
		}},
		{"after tiles, before the checkpoint is kept", func(_ *testing.T, m *memory, _ string) { m.failKeep = errCrash }},
		{"after the checkpoint is kept, before it is published", func(t *testing.T, _ *memory, dir string) {
			file := filepath.Join(dir, "checkpoint")
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		{"with all files lost", func(t *testing.T, m *memory, dir string) {
			m.failKeep = errCrash
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}},
		{"with a half-written temporary file", func(t *testing.T, m *memory, dir string) {
			m.failKeep = errCrash
			if err := os.WriteFile(filepath.Join(dir, ".new-1"), []byte("log.te"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, k, dir := &memory{}, newKeys(t, origin), filepath.Join(t.TempDir(), "log")
			m.add(t, 200)
			g := integrator(t, m, dir, k)
			step(t, g)
			m.add(t, 100)
			tt.crash(t, m, dir)
			_, err := g.Step(t.Context())
			if m.noteSize == 200 && err == nil && !strings.Contains(tt.name, "placing") {
				t.Fatal("the crash did not happen")
			}
			if info, err := os.Stat(filepath.Join(dir, "checkpoint")); err == nil && info.IsDir() {
				if err := os.RemoveAll(filepath.Join(dir, "checkpoint")); err != nil {
					t.Fatal(err)
				}
			}
			m.release()
			m.add(t, 5) // life went on
			if got := step(t, integrator(t, m, dir, k)); got != 305 {
				t.Fatalf("published %d", got)
			}
			verify(t, dir, k, m)
		})
	}
}

func TestOnlyOneIntegratorIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
		first, second := integrator(t, m, dir, k), integrator(t, m, dir, k)
		m.add(t, 1)
		if step(t, first) != 1 {
			t.Fatal("the first did nothing")
		}
		m.add(t, 1)
		if step(t, second) != 0 || len(m.waiting) != 1 {
			t.Fatal("the second acts while the first holds the right")
		}
		time.Sleep(time.Minute) // the first dies
		if step(t, second) != 2 {
			t.Fatal("the second does not take over")
		}
		if step(t, first) != 0 {
			t.Fatal("the first comes back")
		}
	})
}

func TestNothingButAnExtensionIsSigned(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tamper func(t *testing.T, m *memory, dir string)
	}{
		{"database rolled back", func(t *testing.T, m *memory, _ string) { rebuild(t, m, m.rows[:100]) }},
		{"database rolled back and grown again", func(t *testing.T, m *memory, _ string) { rebuild(t, m, m.rows[:100]); m.add(t, 300) }},
		{"an old entry replaced in rows, hashes and kept checkpoint", func(t *testing.T, m *memory, _ string) {
			m.rows[7].Leaf = ledger.Leaf([]byte("salt"), []byte("{}"))
			rebuild(t, m, m.rows)
			m.add(t, 1)
		}},
		{"two entries swapped everywhere", func(t *testing.T, m *memory, _ string) {
			m.rows[7], m.rows[8] = m.rows[8], m.rows[7]
			rebuild(t, m, m.rows)
			m.add(t, 1)
		}},
		{"a leaf changed without its hash", func(t *testing.T, m *memory, _ string) {
			m.rows[149].Leaf = bytes.Repeat([]byte{1}, 32)
			m.add(t, 1)
		}},
		{"a stored hash changed", func(t *testing.T, m *memory, _ string) {
			m.hashes[tlog.StoredHashIndex(0, 149)][0] ^= 1
			m.add(t, 1)
		}},
		{"published checkpoint forged", func(t *testing.T, m *memory, dir string) {
			m.add(t, 1)
			forge(t, dir, newKeys(t, origin).signer)
		}},
		{"published tile changed", func(t *testing.T, m *memory, dir string) {
			// The next full tile is written over nothing; the partial one is compared.
			path := filepath.Join(dir, "tile/0/000.p/150")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[0] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, "checkpoint")); err != nil { // published again from the start
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
			m.add(t, 150)
			g := integrator(t, m, dir, k)
			step(t, g)
			tt.tamper(t, m, dir)
			before, _ := os.ReadFile(filepath.Join(dir, "checkpoint"))
			kept := bytes.Clone(m.note)
			if _, err := g.Step(t.Context()); !errors.Is(err, ledger.ErrDiverged) || !errors.Is(err, post.FaultLedger) {
				t.Fatalf("got %v", err)
			}
			after, _ := os.ReadFile(filepath.Join(dir, "checkpoint"))
			if !bytes.Equal(before, after) || !bytes.Equal(kept, m.note) {
				t.Error("something was signed")
			}
		})
	}
}

// rebuild makes a consistent log of rows, as somebody with the database could,
// and forgets the kept checkpoint.
func rebuild(t *testing.T, m *memory, rows []ledger.Placed) {
	t.Helper()
	var leaves [][]byte
	for i := range rows {
		rows[i].Index = int64(i)
		leaves = append(leaves, rows[i].Leaf)
	}
	fresh, err := ledger.Extend(0, leaves, m.reader())
	if err != nil {
		t.Fatal(err)
	}
	m.rows, m.hashes, m.note, m.noteSize = rows, fresh, nil, 0
}

func forge(t *testing.T, dir string, s note.Signer) {
	t.Helper()
	path := filepath.Join(dir, "checkpoint")
	signed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	forged, err := note.Sign(&note.Note{Text: string(text) + "\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, forged, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRunAlarmsAndGoesOnWhenCured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k, dir := &memory{failKeep: errCrash}, newKeys(t, origin), t.TempDir()
		m.add(t, 2)
		g := integrator(t, m, dir, k)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		synctest.Wait()
		if err := g.Ready(ctx); !errors.Is(err, errCrash) {
			t.Errorf("ready says %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := g.Ready(ctx); err != nil || m.noteSize != 2 {
			t.Errorf("not cured: %v, %d", err, m.noteSize)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		m.add(t, 1)
		if step(t, integrator(t, m, dir, k)) != 3 {
			t.Error("the next integrator must wait after an orderly end")
		}
	})
}

func TestNewIntegratorNamesEveryGap(t *testing.T) {
	_, err := ledger.NewIntegrator(ledger.Config{})
	for _, word := range []string{"Store", "Dir", "Log", "Origin", "Signer"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s is not named in %v", word, err)
		}
	}
	if _, err := ledger.NewIntegrator(ledger.Config{Store: &memory{}, Dir: "x", Origin: "another", Signer: newKeys(t, origin).signer}); err == nil {
		t.Error("a key of another log is taken")
	}
}

func TestPublishedFilesAreWorldReadable(t *testing.T) {
	m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
	m.add(t, 300)
	step(t, integrator(t, m, dir, k))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() && (info.Mode().Perm()&0o444 != 0o444 || strings.Contains(d.Name(), ".new-")) {
			t.Errorf("%s is %v", d.Name(), info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
