package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ account.Books = (*Store)(nil)

// look reads in one snapshot, which holds no writer up.
func (s *Store) look(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.read.BeginTx(ctx, s.d.snapshot)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it has changed nothing
	return f(tx)
}

// whole reads in one snapshot what is as large as a table, and lets PostgreSQL do so
// in any way: see [byKeys], which is not for this.
func (s *Store) whole(ctx context.Context, f func(*sql.Tx) error) error {
	return s.look(ctx, func(tx *sql.Tx) error {
		if s.d.arrays() {
			if _, err := tx.ExecContext(ctx, `SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
				set_config('enable_mergejoin', 'on', true), set_config('enable_material', 'on', true), set_config('work_mem', '64MB', true)`); err != nil {
				return fmt.Errorf("allow a look at all: %w", err)
			}
		}
		return f(tx)
	})
}

// LetterCounts implements [letter.Records]. Accepted is counted from the
// ledger, states from the letters, both in one snapshot.
func (s *Store) LetterCounts(ctx context.Context, tenant post.TenantID) ([]letter.Count, error) {
	counts := map[post.TenantID]*letter.Count{}
	var order []post.TenantID
	of := func(t post.TenantID) *letter.Count {
		if counts[t] == nil {
			counts[t] = &letter.Count{Tenant: t, States: map[post.LetterState]int{}}
			order = append(order, t)
		}
		return counts[t]
	}
	err := s.whole(ctx, func(tx *sql.Tx) error {
		err := each(ctx, tx, func(rows *sql.Rows) error {
			var t post.TenantID
			var st post.LetterState
			var n int
			err := rows.Scan(&t, &st, &n)
			of(t).States[st] = n
			return err
		}, `SELECT tenant, state, count(*) FROM letter WHERE $1 = '' OR tenant = $1 GROUP BY tenant, state ORDER BY tenant, state`, string(tenant))
		if err != nil {
			return err
		}
		if err := each(ctx, tx, func(rows *sql.Rows) error {
			var t post.TenantID
			var n int
			if err := rows.Scan(&t, &n); err != nil {
				return err
			}
			of(t).Accepted += n
			return nil
		}, `SELECT tenant, count(*) FROM ledger_event WHERE kind = 'letter.accepted' AND ($1 = '' OR tenant = $1)
		    GROUP BY tenant ORDER BY tenant`, string(tenant)); err != nil {
			return err
		}
		return unnamedAccepted(ctx, tx, func(t post.TenantID) {
			if tenant == "" || t == tenant {
				of(t).Accepted++
			}
		})
	})
	var all []letter.Count
	for _, t := range order {
		all = append(all, *counts[t])
	}
	return all, err
}

// unnamedAccepted calls f for each accepted letter whose event has no kind
// beside its body.
func unnamedAccepted(ctx context.Context, tx *sql.Tx, f func(post.TenantID)) error {
	return each(ctx, tx, func(rows *sql.Rows) error {
		var body []byte
		var e ledger.Event
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if json.Unmarshal(body, &e) == nil && e.Kind == "letter.accepted" { // an erased one does not read
			f(e.Tenant)
		}
		return nil
	}, `SELECT body FROM ledger_event WHERE kind = ''`)
}

// each calls f for each row.
func each(ctx context.Context, q querier, f func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Dossiers implements [account.Books].
func (s *Store) Dossiers(ctx context.Context, after post.LetterID, n int) (all []account.Dossier, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		at := map[string]int{}
		err := each(ctx, tx, func(rows *sql.Rows) error {
			var d account.Dossier
			if err := rows.Scan(&d.ID, &d.Tenant, &d.State, &d.Version, &d.Channel, &d.Generation, &d.Batch); err != nil {
				return err
			}
			at[string(d.ID)] = len(all)
			all = append(all, d)
			return nil
		}, `SELECT id, tenant, state, version, channel, generation, batch FROM letter WHERE id > $1 ORDER BY id LIMIT $2`, string(after), n)
		if err != nil || len(all) == 0 {
			return err
		}
		return fillDossiers(ctx, tx, all, at)
	})
	if err != nil {
		return nil, fmt.Errorf("read dossiers: %w", err)
	}
	return all, nil
}

// fillDossiers adds what belongs to letters that follow each other.
func fillDossiers(ctx context.Context, tx *sql.Tx, all []account.Dossier, at map[string]int) error {
	first, last := string(all[0].ID), string(all[len(all)-1].ID)
	// find returns the dossier of id, or one that nobody looks at.
	find := func(id string) *account.Dossier {
		if i, ok := at[id]; ok {
			return &all[i]
		}
		return new(account.Dossier)
	}
	for _, part := range []struct {
		query string
		scan  func(rows *sql.Rows) error
	}{
		{`SELECT subject, body FROM ledger_event WHERE subject >= $1 AND subject <= $2 ORDER BY subject, at, id`, func(rows *sql.Rows) error {
			var id string
			var body []byte
			var e ledger.Event
			if err := rows.Scan(&id, &body); err != nil {
				return err
			}
			if json.Unmarshal(body, &e) == nil && strings.HasPrefix(e.Kind, "letter.") {
				find(id).Events = append(find(id).Events, e)
			}
			return nil
		}},
		{`SELECT letter, message_id, carrier, channel, generation, taken_at, unsure, answer FROM hand_over
		  WHERE letter >= $1 AND letter <= $2 ORDER BY letter, generation, channel`, func(rows *sql.Rows) error {
			var id string
			var h account.HandOver
			var taken, unsure int64
			err := rows.Scan(&id, &h.MessageID, &h.Carrier, &h.Channel, &h.Generation, &taken, &unsure, &h.Answer)
			h.Taken, h.Unsure = taken > 0, unsure == 1
			find(id).HandOvers = append(find(id).HandOvers, h)
			return err
		}},
		{`SELECT letter, blob, blob_sha256, blob_size FROM letter_document WHERE letter >= $1 AND letter <= $2 ORDER BY letter, n`, func(rows *sql.Rows) error {
			var id string
			var b account.Blob
			err := rows.Scan(&id, &b.Name, &b.SHA256, &b.Size)
			find(id).Documents = append(find(id).Documents, b)
			return err
		}},
		{`SELECT id FROM job WHERE id >= $1 AND id <= $2 AND ` + jobKind + ` = '` + string(queue.AdvanceLetter) + `'`, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			find(id).Job = true
			return err
		}},
	} {
		if err := each(ctx, tx, part.scan, part.query, first, last); err != nil {
			return err
		}
	}
	return nil
}

// StrayRows implements [account.Books].
func (s *Store) StrayRows(ctx context.Context) (all []account.Stray, err error) {
	err = s.whole(ctx, func(tx *sql.Tx) error {
		for what, query := range map[string]string{
			"job":           `SELECT id FROM job WHERE kind = 'letter.advance' AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = job.id)`,
			"forwarding":    `SELECT id FROM job WHERE kind = 'inquiry.forward' AND NOT EXISTS (SELECT 1 FROM inquiry WHERE inquiry.id = job.id)`,
			"hand-over":     `SELECT message_id FROM hand_over WHERE NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = hand_over.letter)`,
			"document":      `SELECT letter FROM letter_document WHERE NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = letter_document.letter)`,
			"receipt":       `SELECT event_id FROM receipt WHERE letter <> '' AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = receipt.letter)`,
			"ledger event":  `SELECT subject FROM ledger_event WHERE kind = 'letter.accepted' AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = ledger_event.subject)`,
			"line of batch": `SELECT letter FROM batch_line WHERE n <= (SELECT made FROM batch WHERE batch.id = batch_line.batch) AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = batch_line.letter)`,
		} {
			if err := each(ctx, tx, func(rows *sql.Rows) error {
				var id string
				err := rows.Scan(&id)
				all = append(all, account.Stray{What: what, ID: id})
				return err
			}, query); err != nil {
				return fmt.Errorf("find each %s: %w", what, err)
			}
		}
		outside, err := outsideTheLog(ctx, tx)
		if err != nil {
			return fmt.Errorf("find each event outside the log: %w", err)
		}
		all = append(all, outside...)
		return nil
	})
	return all, err
}

// SharedTracking implements [account.Books].
func (s *Store) SharedTracking(ctx context.Context) (all []string, err error) {
	err = s.whole(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var number string
			err := rows.Scan(&number)
			all = append(all, number)
			return err
		}, `SELECT tracking FROM hand_over WHERE tracking <> '' GROUP BY tracking HAVING count(*) > 1 ORDER BY tracking LIMIT 1000`)
	})
	return all, err
}

// ReceiptTally implements [account.Books].
func (s *Store) ReceiptTally(ctx context.Context) (t account.Receipts, err error) {
	err = s.whole(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var verdict string
			var n int
			var oldest int64
			if err := rows.Scan(&verdict, &n, &oldest); err != nil {
				return err
			}
			switch verdict {
			case "waiting", "again":
				if at := fromMicros(oldest); t.Waiting == 0 || at.Before(t.OldestWaiting) {
					t.OldestWaiting = at
				}
				t.Waiting += n
			case "closed":
				t.Closed = n
			case "applied":
				t.Applied = n
			case "noted":
				t.Noted = n
			case "parked":
				t.Parked = n
			}
			return nil
		}, `SELECT verdict, count(*), min(received_at) FROM receipt GROUP BY verdict`)
	})
	return t, err
}
