package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

func (db *DB) fenced(l queue.Lease) error {
	if j := db.jobs[jobKey{l.Kind, l.ID}]; j == nil || j.fence != l.Fence {
		return post.ErrStale
	}
	return nil
}

// Lease implements [dispatch.Store].
func (s *Store) Lease(_ context.Context, kind queue.Kind, id string, d time.Duration) (queue.Lease, bool, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	now := s.clock()
	j := s.db.jobs[jobKey{kind, id}]
	if j == nil || j.lease.After(now) || j.due.After(now) {
		return queue.Lease{Kind: kind, ID: id}, false, nil
	}
	j.fence++
	j.lease, j.road = micros(now.Add(d)), ""
	return queue.Lease{Kind: kind, ID: id, Fence: j.fence, Attempt: j.attempt}, true, nil
}

// LetterForStep implements [dispatch.Store].
func (s *Store) LetterForStep(_ context.Context, l queue.Lease) (dispatch.Record, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.db.fenced(l); err != nil {
		return dispatch.Record{}, fmt.Errorf("read letter %s: %w", l.ID, err)
	}
	r := s.db.letters[post.LetterID(l.ID)]
	if r == nil {
		return dispatch.Record{}, fmt.Errorf("read letter %s: %w", l.ID, post.ErrNotFound)
	}
	out := dispatch.Record{
		ID: r.ID, Reference: r.Reference, Tenant: r.Tenant, Inquiry: r.Inquiry, DigitalOnly: r.DigitalOnly, Released: true,
		State: r.state, Version: r.version, Channel: r.channel, Generation: r.generation, Code: r.code, Failures: r.failures,
		Registered: r.Registered, NotBefore: micros(r.NotBefore), Arrive: r.Arrive, Since: r.since, Recipient: r.Recipient, Content: r.Content, Manifest: r.manifest, Documents: r.Documents,
	}
	if b := s.db.lots[r.batch]; b != nil {
		out.Batch, out.Line, out.Policy, out.Released, out.Stopped = r.batch, r.line, b.Policy, b.going(), b.stopped()
	}
	if r.looksSince.Equal(r.since) {
		out.Looks = r.looks
	}
	if h := s.db.present(r); h != nil {
		in := h.Intent
		out.Intent = &in
	}
	out.Former = s.db.formerAddresses(r)
	return out, nil
}

// MoveLetter implements [dispatch.Store].
func (s *Store) MoveLetter(_ context.Context, l queue.Lease, m dispatch.Move) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	err := s.moveLetter(l, m)
	if err != nil {
		return fmt.Errorf("move letter %s to %s: %w", m.Letter, m.To, err)
	}
	return nil
}

func (s *Store) moveLetter(l queue.Lease, m dispatch.Move) error {
	if err := s.db.fenced(l); err != nil {
		return err
	}
	r, err := s.db.swap(m.Letter, m.From, m.Version)
	if err != nil {
		return err
	}
	if m.Intent != nil {
		if err := s.db.haltOf(r, m.Channel); err != nil {
			return err
		}
	}
	book, err := s.db.bookHandOver(m)
	if err != nil {
		return err
	}
	now := s.clock()
	for _, p := range m.Through {
		digest := ""
		if p.State == post.LetterSigned && m.Manifest != nil {
			digest = verify.ManifestDigest(m.Manifest)
		}
		s.db.move(now, r, p.State, p.Channel, p.Generation, p.Code, "dispatcher", digest)
	}
	s.db.move(now, r, m.To, m.Channel, m.Generation, m.Code, "dispatcher", digestOf(m))
	if m.Manifest != nil {
		r.manifest, r.signedAt = m.Manifest, now
	}
	book()
	k := jobKey{l.Kind, l.ID}
	if m.Due.IsZero() {
		delete(s.db.jobs, k)
		return nil
	}
	if m.Free || m.Due.After(now) { // else it is due already and keeps its place
		s.postpone(k, m.Due)
	}
	if m.Free {
		s.db.jobs[k].lease = time.Time{}
	}
	return nil
}

func digestOf(m dispatch.Move) string {
	switch {
	case m.Manifest != nil && m.To == post.LetterSigned:
		return verify.ManifestDigest(m.Manifest)
	case m.Intent != nil:
		return fmt.Sprintf("%x", m.Intent.SHA256)
	}
	return ""
}

// bookHandOver checks what m says of its hand-over and returns how to write it.
func (db *DB) bookHandOver(m dispatch.Move) (book func(), err error) {
	if in := m.Intent; in != nil {
		return db.bookIntent(m, *in)
	}
	if m.MessageID == "" {
		return func() {}, nil
	}
	h := db.handOvers[m.MessageID]
	if h == nil {
		return nil, post.ErrStale
	}
	return func() {
		h.Unsure = h.Unsure || m.Unsure
		if m.Spare {
			h.Spared++
		}
		if m.Answer == nil {
			return
		}
		h.answer = cmp.Or(string(m.Answer.Verdict), h.answer)
		h.transmission = cmp.Or(m.Answer.Transmission, h.transmission)
		if m.Answer.Verdict == dispatch.Taken && !m.Answer.At.IsZero() {
			h.taken = micros(m.Answer.At)
		}
	}, nil
}

func (db *DB) bookIntent(m dispatch.Move, in dispatch.Intent) (book func(), err error) {
	h := db.handOvers[in.MessageID]
	switch {
	case h == nil:
		for _, other := range db.handOvers {
			if other.letter == m.Letter && other.channel == m.Channel && other.generation == m.Generation {
				return nil, errors.New("hand-over has another message id")
			}
		}
	case h.SHA256 != in.SHA256 || h.Carrier != in.Carrier || h.Attempts >= in.Attempts:
		return nil, post.ErrStale
	}
	return func() {
		if h == nil {
			in.Unsure, in.Spared, in.CreatedAt = false, 0, micros(in.CreatedAt)
			db.handOvers[in.MessageID] = &handOver{Intent: in, letter: m.Letter, channel: m.Channel, generation: m.Generation}
		} else {
			h.Attempts = in.Attempts
		}
		for _, r := range db.receipts {
			if r.MessageID == in.MessageID && r.verdict == "parked" && r.reason == "unknown-hand-over" {
				r.verdict = "waiting"
			}
		}
	}, nil
}

// WaitLetter implements [dispatch.Store].
func (s *Store) WaitLetter(_ context.Context, l queue.Lease, w dispatch.Wait) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	stale := fmt.Errorf("let letter %s wait: %w", w.Letter, post.ErrStale)
	if s.db.fenced(l) != nil {
		return stale
	}
	if w.Version != 0 {
		r := s.db.letters[w.Letter]
		if r == nil || r.version != w.Version {
			return stale
		}
	}
	if w.While != (dispatch.Halt{}) && !s.db.stands(w.While) {
		return fmt.Errorf("let letter %s wait: %w", w.Letter, dispatch.ErrNotHalted)
	}
	if r := s.db.letters[w.Letter]; w.Version != 0 {
		r.code, r.failures = w.Code, w.Failures
		r.looks, r.looksSince = w.Looks, r.since
	}
	j := s.db.jobs[jobKey{l.Kind, l.ID}]
	if !w.Due.IsZero() {
		j.due = micros(w.Due)
	}
	j.lease, j.road = time.Time{}, w.Road
	return nil
}
