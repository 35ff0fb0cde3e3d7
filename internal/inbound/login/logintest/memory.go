// Package logintest holds an honest store in memory for tests of whoever logs
// people in. Its sub-package suite checks any [login.Store] against the contract.
package logintest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ login.Store        = (*Memory)(nil)
	_ login.ArchiveStore = (*Memory)(nil)
)

// Memory keeps everything in maps. The zero value is ready.
type Memory struct {
	mu       sync.Mutex // guards what follows
	pending  map[string]*try
	sessions map[string]login.Record
	used     map[string]time.Time
	events   []ledger.Event
	messages []login.Sealed
}

type try struct {
	p login.Pending
	n int
}

func (m *Memory) lock() func() {
	m.mu.Lock()
	if m.pending == nil {
		m.pending, m.sessions, m.used = map[string]*try{}, map[string]login.Record{}, map[string]time.Time{}
	}
	return m.mu.Unlock
}

// StartLogin implements [login.Store].
func (m *Memory) StartLogin(_ context.Context, p login.Pending) error {
	defer m.lock()()
	for k, t := range m.pending {
		if !t.p.ExpiresAt.After(p.StartedAt) {
			delete(m.pending, k)
		}
	}
	for k, until := range m.used {
		if !until.After(p.StartedAt) {
			delete(m.used, k)
		}
	}
	m.pending[string(p.Browser)] = &try{p: p}
	return nil
}

// TryLogin implements [login.Store].
func (m *Memory) TryLogin(_ context.Context, browser []byte, now time.Time, max int) (login.Pending, error) {
	defer m.lock()()
	t := m.pending[string(browser)]
	if t == nil || t.n >= max || !t.p.ExpiresAt.After(now) {
		return login.Pending{}, post.ErrNotFound
	}
	t.n++
	return t.p, nil
}

// FinishLogin implements [login.Store].
func (m *Memory) FinishLogin(_ context.Context, p login.Pending, u login.Used, r login.Record, e ledger.Event) error {
	defer m.lock()()
	t := m.pending[string(p.Browser)]
	if _, seen := m.used[string(u.Key)]; t == nil || t.p.ID != p.ID || !t.p.ExpiresAt.After(r.SeenAt) || seen ||
		m.used[string(r.Name)+string(r.Index)].After(r.SeenAt) {
		return post.ErrStale
	}
	delete(m.pending, string(p.Browser))
	m.used[string(u.Key)] = u.Until
	delete(m.sessions, string(r.Replaces))
	m.sessions[string(r.Cookie)] = r
	m.events = append(m.events, e)
	return nil
}

// TouchSession implements [login.Store].
func (m *Memory) TouchSession(_ context.Context, cookie []byte, now time.Time, idle time.Duration) (login.Record, error) {
	defer m.lock()()
	r, ok := m.sessions[string(cookie)]
	if !ok || !r.EndsAt.After(now) || !r.SeenAt.After(now.Add(-idle)) {
		return login.Record{}, post.ErrNotFound
	}
	r.SeenAt = now
	m.sessions[string(cookie)] = r
	return r, nil
}

// PeekSession implements [login.Store].
func (m *Memory) PeekSession(_ context.Context, cookie []byte, now time.Time, idle time.Duration) (login.Record, error) {
	defer m.lock()()
	r, ok := m.sessions[string(cookie)]
	if !ok || !r.EndsAt.After(now) || !r.SeenAt.After(now.Add(-idle)) {
		return login.Record{}, post.ErrNotFound
	}
	return r, nil
}

// RewriteSession implements [login.Store].
func (m *Memory) RewriteSession(_ context.Context, cookie, sealed []byte, e ledger.Event) error {
	defer m.lock()()
	r, ok := m.sessions[string(cookie)]
	if !ok {
		return post.ErrStale
	}
	r.Sealed = sealed
	m.sessions[string(cookie)] = r
	m.events = append(m.events, e)
	return nil
}

// EndSessions implements [login.Store].
func (m *Memory) EndSessions(_ context.Context, e login.Ending, _ time.Time) ([]login.Record, error) {
	defer m.lock()()
	if e.Used != nil {
		if _, seen := m.used[string(e.Used.Key)]; seen {
			return nil, post.ErrStale
		}
		m.used[string(e.Used.Key)] = e.Used.Until
	}
	for _, x := range e.Indexes {
		m.used[string(e.Name)+string(x)] = e.Late
	}
	var ended []login.Record
	for k, r := range m.sessions {
		match := bytes.Equal(r.Cookie, e.Cookie)
		if e.Name != nil {
			match = bytes.Equal(r.Name, e.Name) && (len(e.Indexes) == 0 ||
				slices.ContainsFunc(e.Indexes, func(x []byte) bool { return bytes.Equal(x, r.Index) }))
		}
		if match {
			ended = append(ended, r)
			delete(m.sessions, k)
		}
	}
	return ended, nil
}

// RecordLogin keeps an event.
func (m *Memory) RecordLogin(_ context.Context, e ledger.Event) error {
	defer m.lock()()
	m.events = append(m.events, e)
	return nil
}

// KeepMessage implements [login.ArchiveStore].
func (m *Memory) KeepMessage(_ context.Context, s login.Sealed) error {
	defer m.lock()()
	m.messages = append(m.messages, s)
	return nil
}

// PurgeMessages implements [login.ArchiveStore].
func (m *Memory) PurgeMessages(_ context.Context, now time.Time, n int) (int, error) {
	defer m.lock()()
	gone := 0
	m.messages = slices.DeleteFunc(m.messages, func(s login.Sealed) bool {
		over := !s.ExpiresAt.After(now) && gone < n
		if over {
			gone++
		}
		return over
	})
	return gone, nil
}

// Messages returns what the archive holds.
func (m *Memory) Messages() []login.Sealed {
	defer m.lock()()
	return slices.Clone(m.messages)
}

// Events returns what was recorded so far.
func (m *Memory) Events() []ledger.Event {
	defer m.lock()()
	return slices.Clone(m.events)
}

// Sessions returns how many sessions there are.
func (m *Memory) Sessions() int {
	defer m.lock()()
	return len(m.sessions)
}

// Clear is a sealer that closes nothing; it shows in tests what would be sealed.
type Clear struct{}

// Small implements [login.Sealer].
func (Clear) Small(b []byte) ([]byte, error) { return append([]byte("sealed:"), b...), nil }

// Open implements [login.Sealer].
func (Clear) Open(b []byte) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(b, []byte("sealed:")); ok {
		return rest, nil
	}
	return nil, post.ErrNotFound
}
