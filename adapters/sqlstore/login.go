package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ login.Store = (*Store)(nil)

// touchEvery is how often an active session writes that it was seen.
const touchEvery = time.Minute

// StartLogin implements [login.Store].
func (s *Store) StartLogin(ctx context.Context, p login.Pending) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{
			`DELETE FROM login_request WHERE expires_at <= $1`,
			`DELETE FROM login_session WHERE ends_at <= $1`,
			`DELETE FROM login_used WHERE until <= $1`,
		} {
			if _, err := tx.ExecContext(ctx, q, micros(p.StartedAt)); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO login_request (id, browser, tenant, level, kind, return_to, relay, force, started_at, expires_at)
			 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			p.ID, p.Browser, string(p.Tenant), int64(p.Level), string(p.Kind), p.Return, p.RelayState, p.Force,
			micros(p.StartedAt), micros(p.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("write login %s: %w", p.ID, err)
	}
	return nil
}

// TryLogin implements [login.Store].
func (s *Store) TryLogin(ctx context.Context, browser []byte, now time.Time, max int) (login.Pending, error) {
	p := login.Pending{Browser: browser}
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var level, started, expires int64
		err := tx.QueryRowContext(ctx,
			`UPDATE login_request SET tries = tries + 1
			 WHERE browser = $1 AND expires_at > $2 AND tries < $3
			 RETURNING id, tenant, level, kind, return_to, relay, force, started_at, expires_at`,
			browser, micros(now), max).
			Scan(&p.ID, &p.Tenant, &level, &p.Kind, &p.Return, &p.RelayState, &p.Force, &started, &expires)
		p.Level, p.StartedAt, p.ExpiresAt = login.Level(level), fromMicros(started), fromMicros(expires)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return login.Pending{}, post.ErrNotFound
	}
	if err != nil {
		return login.Pending{}, fmt.Errorf("try login: %w", err)
	}
	return p, nil
}

// FinishLogin implements [login.Store].
func (s *Store) FinishLogin(ctx context.Context, p login.Pending, u login.Used, r login.Record, event ledger.Event) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx, `DELETE FROM login_request WHERE id = $1 AND browser = $2 AND expires_at > $3`,
			p.ID, p.Browser, micros(r.SeenAt)); err != nil {
			return fmt.Errorf("consume login %s: %w", p.ID, err)
		}
		if err := markUsed(ctx, tx, u); err != nil {
			return err
		}
		if ended, err := bar(ctx, tx, r.Name, r.Index, r.SeenAt); err != nil {
			return err
		} else if ended.After(r.SeenAt) {
			return fmt.Errorf("log in to a session that the provider has ended: %w", post.ErrStale)
		}
		if r.Replaces != nil {
			if _, err := tx.ExecContext(ctx, `DELETE FROM login_session WHERE cookie = $1`, r.Replaces); err != nil {
				return fmt.Errorf("end earlier session: %w", err)
			}
		}
		if _, err := tx.ExecContext(ctx,
			`INSERT INTO login_session (id, cookie, tenant, name, session_index, sealed, seen_at, ends_at)
			 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			r.ID, r.Cookie, string(r.Tenant), r.Name, r.Index, r.Sealed, micros(r.SeenAt), micros(r.EndsAt)); err != nil {
			return fmt.Errorf("write session %s: %w", r.ID, err)
		}
		return record(ctx, tx, event)
	})
}

// markUsed answers [post.ErrStale] when u was marked before.
func markUsed(ctx context.Context, tx *sql.Tx, u login.Used) error {
	err := swap(ctx, tx, `INSERT INTO login_used (key, until) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`,
		u.Key, micros(u.Until))
	if err != nil {
		return fmt.Errorf("mark message as used: %w", err)
	}
	return nil
}

// bar keeps assertions of the provider's session out until the given time, and
// returns until when they are out. A log-in bars until its own moment, which bars
// nothing: so a log-in and a log-off at the same time wait for each other here,
// and whichever comes second sees the first.
func bar(ctx context.Context, tx *sql.Tx, name, index []byte, until time.Time) (time.Time, error) {
	var at int64
	err := tx.QueryRowContext(ctx,
		`INSERT INTO login_used (key, until) VALUES ($1, $2)
		 ON CONFLICT (key) DO UPDATE SET until = CASE WHEN login_used.until > excluded.until THEN login_used.until ELSE excluded.until END
		 RETURNING until`, slices.Concat(name, index), micros(until)).Scan(&at)
	if err != nil {
		return time.Time{}, fmt.Errorf("bar a session: %w", err)
	}
	return fromMicros(at), nil
}

const sessionColumns = `id, cookie, tenant, name, session_index, sealed, seen_at, ends_at`

func scanSession(row interface{ Scan(...any) error }) (login.Record, error) {
	var r login.Record
	var seen, ends int64
	err := row.Scan(&r.ID, &r.Cookie, &r.Tenant, &r.Name, &r.Index, &r.Sealed, &seen, &ends)
	r.SeenAt, r.EndsAt = fromMicros(seen), fromMicros(ends)
	return r, err
}

// PeekSession implements [login.Store].
func (s *Store) PeekSession(ctx context.Context, cookie []byte, now time.Time, idle time.Duration) (login.Record, error) {
	r, err := scanSession(s.read.QueryRowContext(ctx,
		`SELECT `+sessionColumns+` FROM login_session WHERE cookie = $1 AND ends_at > $2 AND seen_at > $3`,
		cookie, micros(now), micros(now.Add(-idle))))
	if errors.Is(err, sql.ErrNoRows) {
		return login.Record{}, post.ErrNotFound
	}
	if err != nil {
		return login.Record{}, fmt.Errorf("read session: %w", err)
	}
	return r, nil
}

// RewriteSession implements [login.Store].
func (s *Store) RewriteSession(ctx context.Context, cookie, sealed []byte, event ledger.Event) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx, `UPDATE login_session SET sealed = $1 WHERE cookie = $2`, sealed, cookie); err != nil {
			return fmt.Errorf("rewrite session %s: %w", event.Subject, err)
		}
		return record(ctx, tx, event)
	})
}

// TouchSession implements [login.Store].
func (s *Store) TouchSession(ctx context.Context, cookie []byte, now time.Time, idle time.Duration) (login.Record, error) {
	r, err := s.PeekSession(ctx, cookie, now, idle)
	if err != nil {
		return login.Record{}, err
	}
	if now.Sub(r.SeenAt) < touchEvery {
		return r, nil
	}
	// A session that somebody ends at this moment stays ended.
	err = s.tx(ctx, func(tx *sql.Tx) error {
		return swap(ctx, tx, `UPDATE login_session SET seen_at = $1 WHERE id = $2`, micros(now), r.ID)
	})
	if errors.Is(err, post.ErrStale) {
		return login.Record{}, post.ErrNotFound
	}
	if err != nil {
		return login.Record{}, fmt.Errorf("touch session %s: %w", r.ID, err)
	}
	r.SeenAt = now
	return r, nil
}

// EndSessions implements [login.Store].
func (s *Store) EndSessions(ctx context.Context, e login.Ending, now time.Time) ([]login.Record, error) {
	query, args := `DELETE FROM login_session WHERE cookie = $1`, []any{e.Cookie}
	if e.Name != nil {
		query, args = `DELETE FROM login_session WHERE name = $1`, []any{e.Name}
		var places []string
		for _, x := range e.Indexes {
			args = append(args, x)
			places = append(places, fmt.Sprintf("$%d", len(args)))
		}
		if len(places) > 0 {
			query += ` AND session_index IN (` + strings.Join(places, ", ") + `)`
		}
	}
	var ended []login.Record
	err := s.tx(ctx, func(tx *sql.Tx) error {
		ended = nil
		if e.Used != nil {
			if err := markUsed(ctx, tx, *e.Used); err != nil {
				return err
			}
		}
		for _, x := range e.Indexes {
			if _, err := bar(ctx, tx, e.Name, x, e.Late); err != nil {
				return err
			}
		}
		rows, err := tx.QueryContext(ctx, query+` RETURNING `+sessionColumns, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanSession(rows)
			if err != nil {
				return err
			}
			ended = append(ended, r)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		for _, r := range ended {
			ev := ledger.New("auth.ended", r.Tenant, r.ID)
			ev.At, ev.Actor = now.UTC().Truncate(time.Microsecond), "person"
			if err := record(ctx, tx, ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// RecordLogin writes what happened to a log-in that changed nothing else, such
// as a refusal.
func (s *Store) RecordLogin(ctx context.Context, e ledger.Event) error {
	return s.tx(ctx, func(tx *sql.Tx) error { return record(ctx, tx, e) })
}
