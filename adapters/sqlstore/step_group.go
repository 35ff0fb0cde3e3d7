package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// steps are the groups in which the workers' calls are read and written.
type steps struct {
	reads  combiner[queue.Lease, dispatch.Record]
	writes combiner[step, struct{}]
	// For tests; zero in programs.
	single bool                // each call is done alone
	commit func(*sql.Tx) error // instead of the transaction's own
}

// groupTime bounds a group; the callers' own contexts do not end it.
const groupTime = 20 * time.Second

// LetterForStep implements [dispatch.Store]. Calls that come together are one
// statement.
func (s *Store) LetterForStep(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
	r, err := s.steps.reads.do(ctx, l.ID, l, s.readSteps)
	if err != nil {
		return dispatch.Record{}, fmt.Errorf("read letter %s: %w", l.ID, err)
	}
	return r, nil
}

// readSteps answers all from one statement. Whoever is not in it, and everybody
// when it fails, asks alone.
func (s *Store) readSteps(group []*member[queue.Lease, dispatch.Record]) {
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	leases := make([]queue.Lease, len(group))
	for i, m := range group {
		leases[i] = m.ask
	}
	found, err := s.stepRecords(ctx, leases)
	for _, m := range group {
		r, ok := found[m.ask.ID]
		if err == nil && ok {
			m.end(r, nil)
			continue
		}
		go func() { m.end(s.stepAlone(m.ctx, m.ask)) }()
	}
}

// A step is a move or a wait under a lease.
type step struct {
	lease queue.Lease
	move  *dispatch.Move
	wait  *dispatch.Wait
	batch string // of the letter, found under its lock
}

// MoveLetter implements [dispatch.Store]. Calls that come together are one
// transaction. A move that ends its job goes alone; it is rare.
func (s *Store) MoveLetter(ctx context.Context, l queue.Lease, m dispatch.Move) (err error) {
	if m.Due.IsZero() || string(m.Letter) != l.ID {
		err = s.moveAlone(ctx, l, m)
	} else {
		_, err = s.steps.writes.do(ctx, l.ID, step{lease: l, move: &m}, s.writeSteps)
	}
	if err != nil {
		return fmt.Errorf("move letter %s to %s: %w", m.Letter, m.To, err)
	}
	return nil
}

// WaitLetter implements [dispatch.Store]. Calls that come together are one
// transaction.
func (s *Store) WaitLetter(ctx context.Context, l queue.Lease, w dispatch.Wait) (err error) {
	if string(w.Letter) != l.ID {
		err = s.waitAlone(ctx, l, w)
	} else {
		_, err = s.steps.writes.do(ctx, l.ID, step{lease: l, wait: &w}, s.writeSteps)
	}
	if err != nil {
		return fmt.Errorf("let letter %s wait: %w", w.Letter, err)
	}
	return nil
}

type writer = member[step, struct{}]

// alone does one call by itself, under its caller's context.
func (s *Store) alone(m *writer) error {
	if m.ask.move != nil {
		return s.moveAlone(m.ctx, m.ask.lease, *m.ask.move)
	}
	return s.waitAlone(m.ctx, m.ask.lease, *m.ask.wait)
}

// errCommit says that the commit of a group was not answered: it may have been
// done or not, for each of its members, as for a single one.
var errCommit = errors.New("commit of a group")

// writeSteps writes a group in one transaction. Members are told apart under the
// locks of their rows: a stale one is answered so and left out, and one whose row
// somebody else holds is done alone, so a group never waits for a lock and no two
// can block each other. When anything else is not as expected the transaction is
// rolled back and each member is done alone.
func (s *Store) writeSteps(group []*writer) {
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	var sorted standings
	err := s.onceCommitting(ctx, func(tx *sql.Tx) (err error) {
		if s.steps.single {
			return errors.New("not together")
		}
		if slices.ContainsFunc(group, func(m *writer) bool { return m.ask.minds() }) {
			if err := s.mindHalts(ctx, tx, shareHalts); err != nil {
				return err
			}
		}
		if sorted, err = s.standings(ctx, tx, group); err != nil {
			return err
		}
		if err := s.turnBack(ctx, tx, &sorted); err != nil {
			return err
		}
		return s.writeGroup(ctx, tx, sorted.good)
	})
	switch {
	case err == nil:
	case errors.Is(err, errCommit) && !collided(err):
		for _, m := range sorted.good {
			m.end(struct{}{}, err)
		}
	default:
		sorted = standings{alone: group}
	}
	if err == nil {
		for _, m := range sorted.good {
			m.end(struct{}{}, nil)
		}
	}
	for _, m := range sorted.stale {
		m.end(struct{}{}, post.ErrStale)
	}
	for m, err := range sorted.halted {
		m.end(struct{}{}, err)
	}
	for _, m := range sorted.alone {
		go func() { m.end(struct{}{}, s.alone(m)) }()
	}
}

// onceCommitting is [Store.once] that tells the commit's failure apart.
func (s *Store) onceCommitting(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
	if err := f(tx); err != nil {
		return err
	}
	commit := (*sql.Tx).Commit
	if s.steps.commit != nil {
		commit = s.steps.commit
	}
	if err := commit(tx); err != nil {
		return fmt.Errorf("%w: %w", errCommit, err)
	}
	return nil
}

// standings are the members of a group, told apart.
type standings struct {
	good, stale, alone []*writer
	halted             map[*writer]error // and why
}

// standings locks letters and jobs and looks how they stand.
func (s *Store) standings(ctx context.Context, tx *sql.Tx, group []*writer) (all standings, err error) {
	ids := make([]string, len(group))
	for i, m := range group {
		ids[i] = m.ask.lease.ID
	}
	slices.Sort(ids)
	among, args := s.d.among("l.id", ids)
	type row struct {
		state          post.LetterState
		version, fence int64
		batch          string
	}
	rows := make(map[string]row, len(group))
	err = each(ctx, tx, func(r *sql.Rows) error {
		var id string
		var is row
		err := r.Scan(&id, &is.state, &is.version, &is.fence, &is.batch)
		rows[id] = is
		return err
	}, `SELECT l.id, l.state, l.version, j.fence, l.batch FROM letter l JOIN job j ON j.id = l.id
		 WHERE `+among+` AND j.kind || '' = '`+string(queue.AdvanceLetter)+`'`+s.d.skipLocked, args...)
	if err != nil {
		return all, err
	}
	for _, m := range group {
		is, ok := rows[m.ask.lease.ID]
		mv, w := m.ask.move, m.ask.wait
		switch {
		case !ok || m.ask.lease.Kind != queue.AdvanceLetter:
			all.alone = append(all.alone, m)
		case is.fence != m.ask.lease.Fence,
			mv != nil && (is.state != mv.From || is.version != mv.Version),
			w != nil && w.Version != 0 && is.version != w.Version:
			all.stale = append(all.stale, m)
		default:
			m.ask.batch = is.batch
			all.good = append(all.good, m)
		}
	}
	return all, nil
}

// writeGroup writes what good members ask for, whose rows are locked.
func (s *Store) writeGroup(ctx context.Context, tx *sql.Tx, good []*writer) error {
	var moved, signed, waited, jobs, kept [][]any
	var events []ledger.Event
	var intents []*dispatch.Move
	var answers [][]any
	now := time.Now()
	for _, w := range good {
		l := w.ask.lease
		if m := w.ask.move; m != nil {
			mv := moveOf(*m)
			row := []any{string(m.Letter), m.Version, string(m.To), mv.steps(), string(m.Channel), int64(m.Generation), m.Code, micros(now)}
			if m.Manifest != nil {
				kept, rooted, err := s.withoutRoot(ctx, tx, w.ask.batch, m.Manifest)
				if err != nil {
					return err
				}
				signed = append(signed, append(row, kept, rooted))
			} else {
				moved = append(moved, row)
			}
			events = append(events, mv.events()...)
			switch {
			case m.Intent != nil:
				intents = append(intents, m)
			case m.MessageID != "":
				answers = append(answers, answerOf(m))
			}
			jobs = append(jobs, jobRow(l, m.Due, m.Free, now))
			continue
		}
		if w.ask.wait.Version != 0 {
			waited = append(waited, []any{l.ID, w.ask.wait.Version, w.ask.wait.Code, int64(w.ask.wait.Failures), int64(w.ask.wait.Looks)})
		}
		if road := w.ask.wait.Road; road != "" { // the lease has forgotten any other
			kept = append(kept, []any{l.ID, l.Fence, road})
		}
		jobs = append(jobs, jobRow(l, w.ask.wait.Due, true, now))
	}
	const set = `UPDATE letter SET state = v.state, version = letter.version + v.steps, channel = v.channel, generation = v.generation,
		     code = v.code, failures = 0, since = v.at`
	const which = ` FROM v WHERE letter.id = v.i AND letter.version = v.version`
	const columns = "i, version, state, steps, channel, generation, code, at"
	if err := s.setAll(ctx, tx, columns, moved, set+which); err != nil {
		return err
	}
	if err := s.setAll(ctx, tx, columns+", manifest, rooted", signed, set+`, manifest = v.manifest, rooted = v.rooted, signed_at = v.at`+which); err != nil {
		return err
	}
	if err := s.setAll(ctx, tx, "i, version, code, failures, looks", waited, `UPDATE letter SET code = v.code, failures = v.failures, looks = v.looks, looks_since = letter.since`+which); err != nil {
		return err
	}
	if err := s.recordAll(ctx, tx, events); err != nil {
		return err
	}
	if err := s.bookIntents(ctx, tx, intents); err != nil {
		return err
	}
	if err := s.setAll(ctx, tx, "m, unsure, said, number, taken, spare", answers, setAnswers); err != nil {
		return err
	}
	if err := s.setAll(ctx, tx, "kind, i, fence, due, free", jobs, setJobs); err != nil {
		return err
	}
	return s.setAll(ctx, tx, "i, fence, road", kept, setRoads)
}

const (
	setAnswers = `UPDATE hand_over SET unsure = CASE WHEN v.unsure = 1 THEN 1 ELSE hand_over.unsure END,
	     answer = CASE WHEN v.said = '' THEN hand_over.answer ELSE v.said END,
	     transmission = CASE WHEN v.number = '' THEN hand_over.transmission ELSE v.number END,
	     taken_at = CASE WHEN v.taken = 0 THEN hand_over.taken_at ELSE v.taken END,
	     spared = hand_over.spared + v.spare
	 FROM v WHERE hand_over.message_id = v.m`
	setJobs = `UPDATE job SET due_at = CASE WHEN v.due = 0 THEN job.due_at ELSE v.due END,
	     lease_until = CASE WHEN v.free = 1 THEN 0 ELSE job.lease_until END
	 FROM v WHERE ` + jobKind + ` = v.kind AND job.id = v.i AND job.fence = v.fence`
	setRoads = `UPDATE job SET road = v.road FROM v WHERE ` + jobKind + ` = '` + string(queue.AdvanceLetter) + `' AND job.id = v.i AND job.fence = v.fence`
)

// jobRow is what becomes of a job, as [rebook] and a wait have it: due 0 leaves
// its time.
func jobRow(l queue.Lease, due time.Time, free bool, now time.Time) []any {
	at, freed := micros(due), int64(0)
	if free {
		freed = 1
	} else if !due.After(now) {
		at = 0
	}
	return []any{string(l.Kind), l.ID, l.Fence, at, freed}
}

// answerOf is what a move says of its hand-over, as in [bookHandOver].
func answerOf(m *dispatch.Move) []any {
	var taken int64
	var said, number string
	if m.Answer != nil {
		said, number = string(m.Answer.Verdict), m.Answer.Transmission
		if m.Answer.Verdict == dispatch.Taken {
			taken = micros(m.Answer.At)
		}
	}
	return []any{m.MessageID, truth(m.Unsure), said, number, taken, truth(m.Spare)}
}

// bookIntents keeps intents before the first byte of any of them, as
// [bookHandOver] does.
func (s *Store) bookIntents(ctx context.Context, tx *sql.Tx, moves []*dispatch.Move) error {
	if len(moves) == 0 {
		return nil
	}
	var rows [][]any
	var ids []string
	for _, m := range moves {
		in := m.Intent
		ids = append(ids, in.MessageID)
		rows = append(rows, []any{in.MessageID, string(m.Letter), string(m.Channel), int64(m.Generation), micros(in.CreatedAt),
			in.Size, in.SHA256[:], int64(in.Attempts), string(in.Carrier), []byte(in.Address)})
	}
	with, args := s.d.withAny("message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, carrier, address", rows)
	n, err := exec(ctx, tx, with+`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, carrier, address)
		 SELECT message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, carrier, address FROM v WHERE message_id <> ''
		 ON CONFLICT (message_id) DO UPDATE SET attempts = excluded.attempts
		 WHERE hand_over.form_sha256 = excluded.form_sha256 AND hand_over.carrier = excluded.carrier AND hand_over.attempts < excluded.attempts`, args...)
	if err != nil {
		return err
	}
	if n != int64(len(moves)) {
		return fmt.Errorf("%d of %d intents kept", n, len(moves))
	}
	among, args := s.d.among("message_id", ids)
	_, err = exec(ctx, tx, `UPDATE receipt SET verdict = 'waiting' WHERE `+among+`
		 AND verdict || '' = 'parked' AND reason = 'unknown-hand-over'`, args...)
	return err
}

// setAll changes as many rows as there are values, or fails.
func (s *Store) setAll(ctx context.Context, tx *sql.Tx, columns string, rows [][]any, update string) error {
	if len(rows) == 0 {
		return nil
	}
	with, args := s.d.withAny(columns, rows)
	n, err := exec(ctx, tx, with+update, args...)
	if err == nil && n != int64(len(rows)) {
		err = fmt.Errorf("%d of %d rows changed", n, len(rows))
	}
	return err
}
