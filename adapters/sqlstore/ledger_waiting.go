package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// waitingInRow is how many events wait for their places in one row: as many as fit in
// 2 KB, beyond which PostgreSQL keeps a row in pieces. A row for each would be written,
// found and deleted eight times for a letter.
const waitingInRow = 24

// awaiting is an event that waits for its place.
type awaiting struct {
	id   string
	leaf []byte
	row  string // the row that holds it, by its first event
}

// waitingRows are the rows of ledger_waiting for events: their ids with a blank
// between them, in order, and their leaves one behind the other. A row is called by its
// first id.
func waitingRows(events []awaiting) (rows [][]any) {
	events = slices.SortedFunc(slices.Values(events), byID)
	for some := range slices.Chunk(events, waitingInRow) {
		ids, leaves := make([]string, 0, len(some)), make([]byte, 0, len(some)*sha256.Size)
		for _, e := range some {
			ids, leaves = append(ids, e.id), append(leaves, e.leaf...)
		}
		rows = append(rows, []any{ids[0], strings.Join(ids, " "), leaves})
	}
	return rows
}

func byID(a, b awaiting) int { return cmp.Compare(a.id, b.id) }

// awaited are the events of a row of ledger_waiting.
func awaited(row, ids string, leaves []byte) ([]awaiting, error) {
	names := strings.Split(ids, " ")
	if len(leaves) != len(names)*sha256.Size {
		return nil, fmt.Errorf("%w: %d bytes of leaves for %d events that wait", ledger.ErrDiverged, len(leaves), len(names))
	}
	all := make([]awaiting, len(names))
	for i, id := range names {
		all[i] = awaiting{id, leaves[i*sha256.Size : (i+1)*sha256.Size], row}
	}
	return all, nil
}

// unplaced returns up to n waiting events in the order of their ids, and what else waits
// in the same rows. Rows are of one transaction each, and those of two that ran beside each
// other may overlap; so it goes on reading until no row that is left can hold an earlier id.
func unplaced(ctx context.Context, q querier, n int) (next, rest []awaiting, err error) {
	var all []awaiting
	after, sure := "", 0
	for more := true; more && sure < n; {
		limit, rows := (n-sure)/waitingInRow+2, 0
		err := each(ctx, q, func(r *sql.Rows) error {
			var row, ids string
			var leaves []byte
			if err := r.Scan(&row, &ids, &leaves); err != nil {
				return err
			}
			some, err := awaited(row, ids, leaves)
			all, after, rows = append(all, some...), row, rows+1
			return err
		}, `SELECT first, events, leaves FROM ledger_waiting WHERE first > $1 ORDER BY first LIMIT $2`, after, limit)
		if err != nil {
			return nil, nil, err
		}
		slices.SortFunc(all, byID)
		if more = rows == limit; more {
			// Rows that are left begin behind the last one read.
			sure, _ = slices.BinarySearchFunc(all, after, func(e awaiting, id string) int { return cmp.Compare(e.id, id) })
		} else {
			sure = len(all)
		}
	}
	next = all[:min(n, sure)]
	touched := map[string]bool{}
	for _, e := range next {
		touched[e.row] = true
	}
	for _, e := range all[len(next):] {
		if touched[e.row] {
			rest = append(rest, e)
		}
	}
	return next, rest, nil
}

// noLongerWaiting takes placed events from those that wait; rest are the others of
// their rows. Only the holder of the ledger's right changes rows.
func (s *Store) noLongerWaiting(ctx context.Context, tx *sql.Tx, placed, rest []awaiting) error {
	var rows []string
	for _, e := range placed {
		rows = append(rows, e.row)
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	among, args := s.d.among("first", rows)
	n, err := exec(ctx, tx, `DELETE FROM ledger_waiting WHERE `+among, args...)
	if err == nil && n != int64(len(rows)) {
		return post.ErrStale
	}
	if err != nil {
		return err
	}
	_, err = s.d.insertRows(ctx, tx, "ledger_waiting", "first, events, leaves", "", waitingRows(rest))
	return err
}

// UnplacedEvents counts the events that have no place in the log yet.
func (s *Store) UnplacedEvents(ctx context.Context) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT CAST(coalesce(sum(length(leaves)), 0) / 32 AS BIGINT) FROM ledger_waiting`).Scan(&n)
	return n, err
}

// outsideTheLog returns events that neither have a place nor wait for one, and what
// waits although it would get a wrong place, or none: what is in the log is for its
// audit to say.
func outsideTheLog(ctx context.Context, q querier) (all []account.Stray, err error) {
	waits := map[string][]byte{}
	err = each(ctx, q, func(r *sql.Rows) error {
		var row, events string
		var leaves []byte
		if err := r.Scan(&row, &events, &leaves); err != nil {
			return err
		}
		some, err := awaited(row, events, leaves)
		if err != nil || some[0].id != row {
			all = append(all, account.Stray{What: "row of waiting events", ID: row, Why: "is damaged"})
		}
		for _, e := range some {
			if _, twice := waits[e.id]; twice {
				all = append(all, account.Stray{What: "waiting event", ID: e.id, Why: "waits twice"})
			}
			waits[e.id] = e.leaf
		}
		return nil
	}, `SELECT first, events, leaves FROM ledger_waiting`)
	if err != nil {
		return nil, err
	}
	err = each(ctx, q, func(r *sql.Rows) error {
		var id string
		var leaf []byte
		err := r.Scan(&id, &leaf)
		switch waiting, ok := waits[id]; {
		case !ok:
			all = append(all, account.Stray{What: "event outside the log", ID: id})
		case !bytes.Equal(waiting, leaf):
			all = append(all, account.Stray{What: "waiting event", ID: id, Why: "waits with the leaf of another"})
		}
		delete(waits, id)
		return err
	}, `SELECT id, commitment FROM ledger_event WHERE NOT EXISTS (SELECT 1 FROM ledger_place p WHERE p.event = ledger_event.id)`)
	for id := range waits {
		all = append(all, account.Stray{What: "waiting event", ID: id, Why: "has its place already, or is gone"})
	}
	return all, err
}
