// Package intaketest holds an honest stand-in for the store and the blob store
// of intake: in memory, with the same promises, and with a switch that makes
// one step fail.
package intaketest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// NewSigning makes a receipt key, and a ledger's key that vouches for it from
// yesterday until tomorrow.
func NewSigning() (intake.Signing, error) {
	logKey, logSigner, err := newKey("log.example")
	if err != nil {
		return intake.Signing{}, err
	}
	known, err := ledger.Known(logKey)
	if err != nil {
		return intake.Signing{}, err
	}
	vkey, signer, err := newKey("portal.example/receipts")
	if err != nil {
		return intake.Signing{}, err
	}
	now := time.Now()
	cert, err := ledger.CertifyReceiptKey(vkey, now.AddDate(0, 0, -1), now.AddDate(0, 0, 1), logSigner)
	return intake.Signing{Key: signer, VKey: vkey, Cert: cert, LogKeys: known}, err
}

func newKey(name string) (string, note.Signer, error) {
	skey, vkey, err := ledger.GenerateCheckpointKey(name)
	if err != nil {
		return "", nil, err
	}
	s, err := note.NewSigner(skey)
	return vkey, s, err
}

// ErrBroken is the failure that a broken step answers.
var ErrBroken = errors.New("broken on purpose")

// Store keeps drafts, inquiries and their ledger events in memory.
type Store struct {
	mu        sync.Mutex
	drafts    map[string]intake.DraftRow
	Accepted  map[post.InquiryID]intake.Accepted
	Forwarded []post.InquiryID
	events    []ledger.Row
	// Broken makes AcceptInquiry fail before anything is written; Lost makes it
	// fail after the commit, as when the answer of the database is lost.
	Broken, Lost bool
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{drafts: map[string]intake.DraftRow{}, Accepted: map[post.InquiryID]intake.Accepted{}}
}

var (
	_ intake.Drafts      = (*Store)(nil)
	_ intake.Inquiries   = (*Store)(nil)
	_ intake.Receipts    = (*Store)(nil)
	_ ledger.ProofSource = (*Store)(nil)
	_ intake.Blobs       = (*Blobs)(nil)
)

// OpenDraft implements [intake.Drafts].
func (s *Store) OpenDraft(_ context.Context, owner []byte) (intake.DraftRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.drafts {
		if bytes.Equal(d.Owner, owner) {
			return d, nil
		}
	}
	return intake.DraftRow{}, post.ErrNotFound
}

// SaveDraft implements [intake.Drafts].
func (s *Store) SaveDraft(_ context.Context, d intake.DraftRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.drafts {
		if other.ID != d.ID && bytes.Equal(other.Owner, d.Owner) {
			return post.ErrStale
		}
	}
	if s.drafts[d.ID].Version != d.Version {
		return post.ErrStale
	}
	d.Version++
	s.drafts[d.ID] = d
	return nil
}

// DropDraft implements [intake.Drafts].
func (s *Store) DropDraft(_ context.Context, id string, version int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.drafts[id]; !ok || d.Version != version {
		return post.ErrStale
	}
	delete(s.drafts, id)
	return nil
}

// ExpiredDrafts implements [intake.Drafts].
func (s *Store) ExpiredDrafts(_ context.Context, now time.Time, n int) ([]intake.DraftRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []intake.DraftRow
	for _, d := range s.drafts {
		if !d.ExpiresAt.After(now) && len(all) < n {
			all = append(all, d)
		}
	}
	return all, nil
}

// DropCopies implements [intake.Drafts].
func (s *Store) DropCopies(_ context.Context, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.Accepted {
		if !a.CopyUntil.After(now) {
			a.Copy = nil
			s.Accepted[id] = a
		}
	}
	return nil
}

// Drafts returns every draft.
func (s *Store) Drafts() []intake.DraftRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.drafts))
}

// AcceptInquiry implements [intake.Inquiries].
func (s *Store) AcceptInquiry(_ context.Context, a intake.Accepted) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Broken {
		return ErrBroken
	}
	if d, ok := s.drafts[string(a.Inquiry.ID)]; !ok || d.Version != a.Version {
		return post.ErrStale
	}
	for _, other := range s.Accepted {
		if other.Inquiry.Reference == a.Inquiry.Reference {
			return intake.ErrReferenceTaken
		}
	}
	row, err := ledger.Commit(a.Event)
	if err != nil {
		return err
	}
	delete(s.drafts, string(a.Inquiry.ID))
	s.Accepted[a.Inquiry.ID] = a
	s.events = append(s.events, row)
	if a.Forward {
		s.Forwarded = append(s.Forwarded, a.Inquiry.ID)
	}
	if s.Lost {
		return ErrBroken
	}
	return nil
}

// OwnInquiry implements [intake.Inquiries].
func (s *Store) OwnInquiry(_ context.Context, idOrReference string, own map[post.TenantID][]byte) (intake.Inquiry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.Accepted {
		if string(a.Inquiry.ID) != idOrReference && a.Inquiry.Reference != idOrReference {
			continue
		}
		if bytes.Equal(a.PersonIndex, own[a.Inquiry.Tenant]) {
			return a.Inquiry, nil
		}
	}
	return intake.Inquiry{}, post.ErrNotFound
}

// OwnInquiries implements [intake.Inquiries].
func (s *Store) OwnInquiries(_ context.Context, own map[post.TenantID][]byte) ([]intake.Inquiry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []intake.Inquiry
	for _, a := range s.Accepted {
		if bytes.Equal(a.PersonIndex, own[a.Inquiry.Tenant]) {
			all = append(all, a.Inquiry)
		}
	}
	slices.SortFunc(all, func(a, b intake.Inquiry) int { return b.AcceptedAt.Compare(a.AcceptedAt) })
	return all, nil
}

// InquiryStatement implements [intake.Receipts].
func (s *Store) InquiryStatement(_ context.Context, id post.InquiryID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.Accepted[id]; ok {
		return a.Statement, nil
	}
	return nil, post.ErrNotFound
}

// AcceptanceEvent implements [intake.Receipts].
func (s *Store) AcceptanceEvent(_ context.Context, id post.InquiryID) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Event.Subject == string(id) {
			return e.Event.ID, nil
		}
	}
	return "", post.ErrNotFound
}

// InquiryCopy implements [intake.Receipts].
func (s *Store) InquiryCopy(_ context.Context, id post.InquiryID, now time.Time) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.Accepted[id]; ok && a.Copy != nil && a.CopyUntil.After(now) {
		return a.Copy, nil
	}
	return nil, post.ErrNotFound
}

// Events returns the ledger events written so far.
func (s *Store) Events() []ledger.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []ledger.Event
	for _, e := range s.events {
		all = append(all, e.Event)
	}
	return all
}

// Erase removes the salt and the body of an event, as a purge does.
func (s *Store) Erase(subject post.InquiryID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.events {
		if s.events[i].Event.Subject == string(subject) {
			s.events[i].Body, s.events[i].Salt = nil, nil
		}
	}
}

// LedgerRow implements [ledger.ProofSource]. No event has a place yet.
func (s *Store) LedgerRow(_ context.Context, id string) (ledger.Placed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Event.ID == id {
			return ledger.Placed{ID: id, Index: -1, Body: e.Body, Salt: e.Salt, Leaf: e.Leaf}, nil
		}
	}
	return ledger.Placed{}, post.ErrNotFound
}

// LedgerState implements [ledger.ProofSource].
func (s *Store) LedgerState(context.Context) (int64, []byte, error) { return 0, nil, nil }

// LedgerHashes implements [ledger.ProofSource].
func (s *Store) LedgerHashes(context.Context, []int64) ([]tlog.Hash, error) { return nil, ErrBroken }

// Blobs keeps sealed bytes in memory.
type Blobs struct {
	mu   sync.Mutex
	kept map[string][]byte
	// Broken makes Put fail after the content was written to it.
	Broken bool
}

// NewBlobs returns an empty blob store.
func NewBlobs() *Blobs { return &Blobs{kept: map[string][]byte{}} }

// Put implements [intake.Blobs].
func (b *Blobs) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		return "", nil, 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Broken {
		return "", nil, 0, ErrBroken
	}
	id := post.NewID()
	b.kept[id] = buf.Bytes()
	sum := sha256.Sum256(buf.Bytes())
	return id, sum[:], int64(buf.Len()), nil
}

// Get implements [intake.Blobs].
func (b *Blobs) Get(_ context.Context, blob string) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.kept[blob]
	if !ok {
		return nil, post.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Delete implements [intake.Blobs].
func (b *Blobs) Delete(_ context.Context, blob string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.kept, blob)
	return nil
}

// Names returns what is kept.
func (b *Blobs) Names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.kept))
}

// Alter changes one byte of a blob.
func (b *Blobs) Alter(blob string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept[blob][len(b.kept[blob])/2] ^= 1
}

// Holds reports whether any blob contains text in clear.
func (b *Blobs) Holds(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, data := range b.kept {
		if strings.Contains(string(data), text) {
			return true
		}
	}
	return false
}
