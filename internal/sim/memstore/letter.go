package memstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// PutDataKey implements [letter.Store].
func (s *Store) PutDataKey(_ context.Context, id string, wrapped []byte) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.db.dataKeys[id] != nil {
		return errors.New("data key is kept already")
	}
	s.db.dataKeys[id] = bytes.Clone(wrapped)
	return nil
}

// WrappedDataKey implements unseal.WrappedKeys.
func (s *Store) WrappedDataKey(_ context.Context, id string) ([]byte, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if k := s.db.dataKeys[id]; k != nil {
		return k, nil
	}
	return nil, post.ErrNotFound
}

// LetterByKey implements [letter.Store].
func (s *Store) LetterByKey(_ context.Context, tenant post.TenantID, key []byte) (letter.First, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.first(tenant, key)
}

func (db *DB) first(tenant post.TenantID, key []byte) (letter.First, error) {
	id, ok := db.keys[string(tenant)+"\x00"+string(key)]
	if !ok || key == nil {
		return letter.First{}, post.ErrNotFound
	}
	r := db.letters[id]
	return letter.First{ID: id, Reference: r.Reference, State: r.state, Digest: r.Digest, Batch: r.batch}, nil
}

// AcceptLetter implements [letter.Store].
func (s *Store) AcceptLetter(_ context.Context, a letter.Accepted) (letter.First, bool, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if a.Inquiry != "" {
		return letter.First{}, false, fmt.Errorf("accept letter %s: %w", a.ID, post.ErrNotFound)
	}
	key := string(a.Tenant) + "\x00" + string(a.Key)
	_, known := s.db.keys[key]
	if s.db.letters[a.ID] != nil || a.Key != nil && known {
		f, err := s.db.first(a.Tenant, a.Key)
		if err != nil {
			err = fmt.Errorf("accept letter %s: %w", a.ID, err)
		}
		return f, false, err
	}
	a.Reference = s.db.free(a.Reference)
	now := s.clock()
	s.db.letters[a.ID] = &row{Accepted: a, state: post.LetterAccepted, version: 1, acceptedAt: now, since: now}
	if a.Key != nil {
		s.db.keys[key] = a.ID
	}
	s.db.record(now, "letter.accepted", a.Tenant, string(a.ID), string(a.Client), string(post.LetterAccepted), "")
	s.postpone(jobOf(a.ID), now)
	if s.db.Watch != nil {
		s.db.Watch(Move{Letter: a.ID, To: post.LetterAccepted, Actor: string(a.Client)})
	}
	return letter.First{ID: a.ID, Reference: a.Reference, State: post.LetterAccepted, Digest: a.Digest}, true, nil
}

// free returns reference, or another one when a letter has it: nobody has seen this
// one yet.
func (db *DB) free(reference string) string {
	draw := post.NewReference
	if db.NewReference != nil {
		draw = db.NewReference
	}
	for !db.Twins && db.refers(reference) {
		reference = draw()
	}
	return reference
}

func (db *DB) refers(reference string) bool {
	for _, r := range db.letters {
		if r.Reference == reference {
			return true
		}
	}
	return false
}

func (db *DB) view(r *row) letter.View {
	v := letter.View{ID: r.ID, Reference: r.Reference, Tenant: r.Tenant, Batch: r.batch, Line: r.line, State: r.state, Channel: r.channel, Generation: r.generation, Code: r.code,
		AcceptedAt: r.acceptedAt, SignedAt: r.signedAt, NotBefore: micros(r.NotBefore), AvailableAt: r.available,
		Since: r.since, Arrive: r.Arrive, Urgent: r.Urgent, Registered: r.Registered}
	if h := db.present(r); h != nil {
		v.MessageID, v.Carrier, v.Transmission, v.Tracking, v.SentAt = h.MessageID, h.Carrier, h.transmission, h.tracking, h.CreatedAt
	}
	return v
}

func (db *DB) find(tenant post.TenantID, id post.LetterID) *row {
	if r := db.letters[id]; r != nil && (tenant == "" || r.Tenant == tenant) {
		return r
	}
	return nil
}

// LetterView implements [letter.Records].
func (s *Store) LetterView(_ context.Context, tenant post.TenantID, id post.LetterID) (letter.View, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	r := s.db.find(tenant, id)
	if r == nil {
		return letter.View{}, post.ErrNotFound
	}
	v := s.db.view(r)
	for _, e := range s.db.events {
		if e.Subject == string(id) {
			v.Events = append(v.Events, letter.Event{ID: e.ID, At: e.At, Kind: e.Kind, Actor: e.Actor, Outcome: e.Outcome, Digest: e.Digest})
		}
	}
	slices.SortStableFunc(v.Events, func(a, b letter.Event) int { return a.At.Compare(b.At) })
	return v, nil
}

// LetterList implements [letter.Records].
func (s *Store) LetterList(_ context.Context, f letter.Filter) ([]letter.View, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	rows := sorted(s.db.letters, func(r *row) bool {
		return (f.Tenant == "" || r.Tenant == f.Tenant) && (f.Batch == "" || r.batch == f.Batch) && (f.State == "" || r.state == f.State) && (f.Reference == "" || r.Reference == f.Reference) && r.ID > f.After
	}, func(a, b *row) int { return cmp.Compare(a.ID, b.ID) })
	var all []letter.View
	for _, r := range rows[:min(len(rows), cmp.Or(min(f.Limit, 1000), 100))] {
		all = append(all, s.db.view(r))
	}
	return all, nil
}

// LetterCounts implements [letter.Records].
func (s *Store) LetterCounts(_ context.Context, tenant post.TenantID) ([]letter.Count, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	counts := map[post.TenantID]*letter.Count{}
	of := func(t post.TenantID) *letter.Count {
		if counts[t] == nil {
			counts[t] = &letter.Count{Tenant: t, States: map[post.LetterState]int{}}
		}
		return counts[t]
	}
	for _, r := range s.db.letters {
		if tenant == "" || r.Tenant == tenant {
			of(r.Tenant).States[r.state]++
		}
	}
	for _, e := range s.db.events {
		if e.Kind == "letter.accepted" && (tenant == "" || e.Tenant == tenant) {
			of(e.Tenant).Accepted++
		}
	}
	var all []letter.Count
	for _, c := range sorted(counts, func(*letter.Count) bool { return true }, func(a, b *letter.Count) int { return cmp.Compare(a.Tenant, b.Tenant) }) {
		all = append(all, *c)
	}
	return all, nil
}

// LetterProof implements [letter.Records], without the salts of ledger entries.
func (s *Store) LetterProof(ctx context.Context, tenant post.TenantID, id post.LetterID) (letter.Proof, error) {
	v, err := s.LetterView(ctx, tenant, id)
	if err != nil {
		return letter.Proof{}, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	p := letter.Proof{View: v, Manifest: s.db.letters[id].manifest}
	for _, r := range sorted(s.db.receipts, func(r *receipt) bool { return r.letter == id }, byReceipt) {
		p.Receipts = append(p.Receipts, letter.CarrierReceipt{Carrier: r.Carrier, EventID: r.EventID, MessageID: r.MessageID,
			Kind: string(r.Kind), At: r.At, Code: r.Code, Tracking: r.Tracking, Verdict: string(r.verdict)})
	}
	for _, e := range s.db.events {
		if e.Subject == string(id) {
			body, err := json.Marshal(e)
			if err != nil {
				return letter.Proof{}, err
			}
			p.Events = append(p.Events, verify.Entry{Body: body})
		}
	}
	return p, nil
}

// DecideLetter implements [letter.Records].
func (s *Store) DecideLetter(_ context.Context, d letter.Decided) (post.LetterState, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	r := s.db.find(d.Tenant, d.Letter)
	if r == nil {
		return "", fmt.Errorf("decide letter %s: %w", d.Letter, post.ErrNotFound)
	}
	b := s.db.lots[r.batch]
	c := letter.Case{Stopped: b != nil && b.stopped(), State: r.state, Channel: r.channel, Generation: r.generation, DigitalOnly: r.DigitalOnly, Signed: !r.signedAt.IsZero()}
	if h := s.db.present(r); h != nil {
		c.Unsure = h.Unsure
		refused := h.answer == "refused-recipient" || h.answer == "refused-content"
		c.Taken, c.Spent = !h.taken.IsZero() && !refused, !h.taken.IsZero() && refused
	}
	switch {
	case s.db.CancelsAll && d.Decision == letter.Cancel && c.State == post.LetterHandingOver:
		c.State, c.Unsure = post.LetterRouted, false
	case s.db.Obeys && d.Decision == letter.Reissue:
		c.State = post.LetterReturned
	}
	ruling, err := letter.Judge(d.Decision, c)
	if err != nil {
		return "", fmt.Errorf("decide letter %s: %w", d.Letter, err)
	}
	now := s.clock()
	if ruling.Through != "" {
		s.db.move(now, r, ruling.Through, ruling.Channel, ruling.Generation, "decided: "+string(d.Decision), string(d.Actor), "")
	}
	s.db.move(now, r, ruling.To, ruling.Channel, ruling.Generation, "decided: "+string(d.Decision), string(d.Actor), "")
	if ruling.To.Final() {
		delete(s.db.jobs, jobOf(r.ID))
	} else {
		s.postpone(jobOf(r.ID), now)
	}
	return ruling.To, nil
}
