package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
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
func bundle(leaves [][]byte) []byte {
	b := make([]byte, 0, len(leaves)*(2+tlog.HashSize))
	for _, leaf := range leaves {
		b = binary.BigEndian.AppendUint16(b, uint16(len(leaf)))
		b = append(b, leaf...)
	}
	return b
}

// publishTiles writes the tiles that a tree of size now has and one of size
// old had not. All of them are there for good before it returns: tiles come before
// any checkpoint that needs them.
func publishTiles(ctx context.Context, p *press, r Reader, old, now int64) error {
	for _, t := range tlog.NewTiles(tileHeight, old, now) {
		data, err := tlog.ReadTileData(t, hashes(ctx, r))
		if err != nil {
			return fmt.Errorf("read tile %s: %w", TilePath(t), err)
		}
		if err := p.writeOnce(TilePath(t), data); err != nil {
			return err
		}
		if t.L != 0 {
			continue
		}
		from := t.N << tileHeight
		leaves, err := r.LedgerLeaves(ctx, from, from+int64(t.W))
		if err != nil {
			return fmt.Errorf("read entries %s: %w", EntriesPath(t), err)
		}
		if err := fits(leaves, data, t); err != nil {
			return err
		}
		if err := p.writeOnce(EntriesPath(t), bundle(leaves)); err != nil {
			return err
		}
	}
	return p.settle()
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
func fits(leaves [][]byte, data []byte, t tlog.Tile) error {
	if len(leaves) != t.W {
		return fmt.Errorf("%w: %d of %d entries of %s are there", ErrDiverged, len(leaves), t.W, EntriesPath(t))
	}
	for i, leaf := range leaves {
		h := tlog.RecordHash(leaf)
		if !bytes.Equal(h[:], data[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return fmt.Errorf("%w: the leaf at place %d was changed", ErrDiverged, t.N<<tileHeight+int64(i))
		}
	}
	return nil
}
