package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ letter.Pauses = (*Store)(nil)

// PauseChannel implements [letter.Pauses].
func (s *Store) PauseChannel(ctx context.Context, p letter.Pause) error {
	return s.setPause(ctx, p, "channel.paused", func(tx *sql.Tx) (int64, error) {
		return exec(ctx, tx, `INSERT INTO pause (tenant, channel, actor, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			string(p.Tenant), string(p.Channel), string(p.Actor), micros(time.Now()))
	})
}

// ResumeChannel implements [letter.Pauses]. Whoever dies in it has lifted nothing, or
// has woken all that waited. Intents wait meanwhile: 100,000 letters that are woken hold
// them up for five seconds.
func (s *Store) ResumeChannel(ctx context.Context, p letter.Pause) error {
	return s.setPause(ctx, p, "channel.resumed", func(tx *sql.Tx) (int64, error) {
		// The letters that wait for this need not wait out their time, and are kept back
		// no more. One that is still halted for another reason goes back to waiting.
		if _, err := exec(ctx, tx,
			`UPDATE job SET due_at = $1, road = '' WHERE kind = $2 AND lease_until = 0 AND (due_at > $1 OR road <> '') AND EXISTS (
			     SELECT 1 FROM letter WHERE letter.id = job.id AND code = 'paused' AND ($3 = '' OR letter.tenant = $3) AND ($4 = '' OR channel IN ('', $4)))`,
			micros(time.Now()), string(queue.AdvanceLetter), string(p.Tenant), string(p.Channel)); err != nil {
			return 0, fmt.Errorf("wake paused letters: %w", err)
		}
		return exec(ctx, tx, `DELETE FROM pause WHERE tenant = $1 AND ($2 = '' OR channel = $2)`, string(p.Tenant), string(p.Channel))
	})
}

// setPause changes the table, with its ledger event when anything changed.
func (s *Store) setPause(ctx context.Context, p letter.Pause, kind string, change func(*sql.Tx) (int64, error)) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := s.mindHalts(ctx, tx, ownHalts); err != nil {
			return err
		}
		n, err := change(tx)
		if err != nil || n == 0 {
			return err
		}
		e := ledger.New(kind, p.Tenant, "channel/"+string(p.Channel))
		e.Actor = string(p.Actor)
		return record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// Paused implements [letter.Pauses].
func (s *Store) Paused(ctx context.Context) (all []letter.Pause, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var p letter.Pause
		var at int64
		err := rows.Scan(&p.Tenant, &p.Channel, &p.Actor, &at)
		p.At = fromMicros(at)
		all = append(all, p)
		return err
	}, `SELECT tenant, channel, actor, at FROM pause ORDER BY tenant, channel`)
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	return all, nil
}
