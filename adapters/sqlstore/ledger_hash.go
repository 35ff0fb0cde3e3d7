package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// hashesInRow is how many stored hashes one row of ledger_hash holds, one behind the
// other: row n those from n × 32 on. All rows but the last are full. A row for each hash
// would be two for each event, sixteen for a letter.
const hashesInRow = 32

// hashRow are the hashes of one row. end says that no row follows.
type hashRow struct {
	hashes []byte
	end    bool
}

// at returns the stored hash x, which this row holds.
func (r hashRow) at(x int64) (tlog.Hash, error) {
	from := int(x%hashesInRow) * tlog.HashSize
	switch {
	case len(r.hashes)%tlog.HashSize != 0 || len(r.hashes) > hashesInRow*tlog.HashSize,
		!r.end && len(r.hashes) != hashesInRow*tlog.HashSize: // what was behind a hash that is gone would stand in its place
		return tlog.Hash{}, fmt.Errorf("%w: %d bytes of hashes in the row of hash %d", ledger.ErrDiverged, len(r.hashes), x)
	case from >= len(r.hashes):
		return tlog.Hash{}, fmt.Errorf("%w: stored hash %d is missing", ledger.ErrDiverged, x)
	}
	return tlog.Hash(r.hashes[from : from+tlog.HashSize]), nil
}

// storeHashes stores fresh as the hashes from first on, behind those that are there.
func (d dialect) storeHashes(ctx context.Context, tx *sql.Tx, first int64, fresh []tlog.Hash) error {
	bytes := make([]byte, 0, len(fresh)*tlog.HashSize)
	for _, h := range fresh {
		bytes = append(bytes, h[:]...)
	}
	n := first / hashesInRow
	if begun := int(first%hashesInRow) * tlog.HashSize; begun > 0 {
		found, err := d.hashRows(ctx, tx, []int64{n})
		if err != nil {
			return err
		}
		was := found[n].hashes
		if len(was) != begun {
			return fmt.Errorf("%w: %d bytes of hashes before hash %d, want %d", ledger.ErrDiverged, len(was), first, begun)
		}
		add := bytes[:min(len(bytes), hashesInRow*tlog.HashSize-begun)]
		if err := swap(ctx, tx, `UPDATE ledger_hash SET hashes = $1 WHERE n = $2 AND hashes = $3`, append(slices.Clone(was), add...), n, was); err != nil {
			return err
		}
		bytes, n = bytes[len(add):], n+1
	}
	var rows [][]any
	for some := range slices.Chunk(bytes, hashesInRow*tlog.HashSize) {
		rows, n = append(rows, []any{n, some}), n+1
	}
	_, err := d.insertRows(ctx, tx, "ledger_hash", "n, hashes", "", rows)
	return err
}

// maxList is how many values one IN list holds; both engines take far more.
const maxList = 512

func (d dialect) ledgerHashes(ctx context.Context, q querier, indexes []int64) ([]tlog.Hash, error) {
	wanted := make([]int64, len(indexes))
	for i, x := range indexes {
		wanted[i] = x / hashesInRow
	}
	slices.Sort(wanted)
	found := map[int64]hashRow{}
	for some := range slices.Chunk(slices.Compact(wanted), maxList) {
		part, err := d.hashRows(ctx, q, some)
		if err != nil {
			return nil, err
		}
		for n, row := range part {
			found[n] = row
		}
	}
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		row, ok := found[x/hashesInRow]
		if !ok {
			return nil, fmt.Errorf("%w: stored hash %d is missing", ledger.ErrDiverged, x)
		}
		var err error
		if out[i], err = row.at(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hashRows returns those of the rows that are there.
func (d dialect) hashRows(ctx context.Context, q querier, rows []int64) (map[int64]hashRow, error) {
	among, args := " = ANY($1)", []any{rows}
	if !d.arrays() {
		among, args = inList(stretch(rows), 1)
		among = " IN (" + among + ")"
	}
	found := make(map[int64]hashRow, len(rows))
	err := each(ctx, q, func(r *sql.Rows) error {
		var n, last int64
		var row hashRow
		err := r.Scan(&n, &row.hashes, &last)
		row.end = n == last
		found[n] = row
		return err
	}, `SELECT n, hashes, (SELECT max(n) FROM ledger_hash) FROM ledger_hash WHERE n`+among, args...)
	return found, err
}

// storedHashes is how many hashes are stored if all rows but the last are full.
const storedHashes = `(SELECT coalesce((SELECT n * 32 + length(hashes) / 32 FROM ledger_hash ORDER BY n DESC LIMIT 1), 0))`
