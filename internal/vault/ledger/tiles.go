package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Files of a log in the C2SP tlog-tiles layout: tile/L/N and tile/entries/N,
// each with .p/W while it is partial, and checkpoint.
const (
	tileHeight     = 8
	CheckpointFile = "checkpoint"
)

// TilePath returns the path of a hash tile below the log's prefix. x/mod writes
// the height into the path; C2SP fixes it at 8 and leaves it out.
func TilePath(t tlog.Tile) string { return "tile/" + strings.TrimPrefix(t.Path(), "tile/8/") }

// EntriesPath returns the path of the bundle that holds the entries of a
// level-0 tile.
func EntriesPath(t tlog.Tile) string {
	t.L = 0
	return "tile/entries/" + strings.TrimPrefix(t.Path(), "tile/8/0/")
}

// bundle is the file of entries: each prefixed with its length in two bytes.
func bundle(rows []Placed) []byte {
	var b []byte
	for _, r := range rows {
		b = binary.BigEndian.AppendUint16(b, uint16(len(r.Leaf)))
		b = append(b, r.Leaf...)
	}
	return b
}

// publishTiles writes the tiles that a tree of size now has and one of size
// old had not. Tiles are written before any checkpoint that needs them.
func publishTiles(ctx context.Context, dir string, r Reader, old, now int64) error {
	for _, t := range tlog.NewTiles(tileHeight, old, now) {
		data, err := tlog.ReadTileData(t, hashes(ctx, r))
		if err != nil {
			return fmt.Errorf("read tile %s: %w", TilePath(t), err)
		}
		if err := writeOnce(dir, TilePath(t), data); err != nil {
			return err
		}
		if t.L != 0 {
			continue
		}
		from := t.N << tileHeight
		rows, err := r.LedgerRows(ctx, from, from+int64(t.W))
		if err != nil {
			return fmt.Errorf("read entries %s: %w", EntriesPath(t), err)
		}
		if err := fits(rows, data, t); err != nil {
			return err
		}
		if err := writeOnce(dir, EntriesPath(t), bundle(rows)); err != nil {
			return err
		}
	}
	return nil
}

// dropPartials removes the partial tiles that full ones have replaced, as C2SP
// allows once the checkpoint of the full ones is out: readers of an older
// checkpoint take the full tile. What cannot be removed stays; it is not wrong.
func dropPartials(dir string, old, now int64) {
	for _, t := range tlog.NewTiles(tileHeight, old, now) {
		if t.W != 1<<tileHeight {
			continue
		}
		os.RemoveAll(filepath.Join(dir, filepath.FromSlash(TilePath(t))+".p")) //nolint:errcheck // see above
		if t.L == 0 {
			os.RemoveAll(filepath.Join(dir, filepath.FromSlash(EntriesPath(t))+".p")) //nolint:errcheck // see above
		}
	}
}

// fits answers ErrDiverged unless the entries hash to the tile.
func fits(rows []Placed, data []byte, t tlog.Tile) error {
	if len(rows) != t.W {
		return fmt.Errorf("%w: %d of %d entries of %s are there", ErrDiverged, len(rows), t.W, EntriesPath(t))
	}
	for i, row := range rows {
		h := tlog.RecordHash(row.Leaf)
		if !bytes.Equal(h[:], data[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return fmt.Errorf("%w: the leaf at place %d was changed", ErrDiverged, row.Index)
		}
	}
	return nil
}

// writeOnce writes a file that never changes. When it exists with other
// bytes, what was published is about to be rewritten: ErrDiverged.
func writeOnce(dir, path string, data []byte) error {
	full := filepath.Join(dir, filepath.FromSlash(path))
	have, err := os.ReadFile(full)
	if err == nil {
		if !bytes.Equal(have, data) {
			return fmt.Errorf("%w: %s was published with other bytes", ErrDiverged, path)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := replace(full, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// replace puts data at path whole or not at all, and synced.
func replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the files are public
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed when all went well
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
