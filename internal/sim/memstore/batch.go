package memstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

var _ batch.Store = (*Store)(nil)

// lot is a batch.
type lot struct {
	batch.Opened
	state      batch.State
	lines      []batch.SealedLine // by number
	parts      map[int][]byte     // digests, by number
	documents  map[string]letter.Sealed
	made       int // of lines, letters
	allowed    int // lines that may go
	paused     bool
	approver   post.ClientID
	approvedAt time.Time
	openedAt   time.Time
	signAt     time.Time
	leaves     []tlog.Hash
	root       []byte
}

// going reports whether letters of the batch may be handed over.
func (b *lot) going() bool {
	return (b.state == batch.Approved || b.state == batch.Released) && !b.paused
}

func (b *lot) stopped() bool { return b.state == batch.Stopping || b.state == batch.Stopped }

// lot finds a batch of tenant; of any when tenant is "".
func (db *DB) lot(tenant post.TenantID, id post.BatchID) (*lot, error) {
	if b := db.lots[id]; b != nil && (tenant == "" || b.Tenant == tenant) {
		return b, nil
	}
	return nil, post.ErrNotFound
}

func (s *Store) recordBatch(kind string, b *lot, actor, outcome string) {
	s.db.record(s.clock(), kind, b.Tenant, string(b.ID), actor, outcome, "")
}

// OpenBatch implements [batch.Intake].
func (s *Store) OpenBatch(_ context.Context, o batch.Opened) (batch.View, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	for _, b := range s.db.lots {
		if b.Tenant != o.Tenant || !bytes.Equal(b.Key, o.Key) {
			continue
		}
		if !bytes.Equal(b.Digest, o.Digest) {
			return batch.View{}, post.FaultBatchKeyUsed.At("first used for %s", b.ID)
		}
		v := s.db.batchView(b)
		v.Repeated = true
		return v, nil
	}
	if o.Refuse != nil {
		return batch.View{}, o.Refuse
	}
	b := &lot{Opened: o, state: batch.Receiving, parts: map[int][]byte{}, documents: map[string]letter.Sealed{}, openedAt: s.clock()}
	if len(o.Lines) > 0 {
		b.state = batch.Open
	}
	if err := s.db.addLines(b, o.Lines); err != nil {
		return batch.View{}, err
	}
	s.db.lots[o.ID] = b
	s.recordBatch("batch.opened", b, string(o.Client), fmt.Sprintf("%d lines", o.Count))
	return s.db.batchView(b), nil
}

// addLines keeps lines whose keys nobody has, or none.
func (db *DB) addLines(b *lot, lines []batch.SealedLine) error {
	var faults []error
	for _, l := range lines {
		for _, have := range b.lines {
			if bytes.Equal(have.Key, l.Key) {
				faults = append(faults, post.FaultLineKeyTwice.At("lines %d and %d", min(have.N, l.N), max(have.N, l.N)))
			}
		}
		if id, ok := db.keys[string(b.Tenant)+"\x00"+string(l.Key)]; ok {
			faults = append(faults, post.FaultLineKeyUsed.At("line %d, first used for letter %s", l.N, id))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	b.lines = append(b.lines, lines...)
	slices.SortFunc(b.lines, func(x, y batch.SealedLine) int { return cmp.Compare(x.N, y.N) })
	return nil
}

// PutBatchLines implements [batch.Intake].
func (s *Store) PutBatchLines(_ context.Context, tenant post.TenantID, id post.BatchID, p batch.Part) (repeated bool, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return false, err
	}
	if digest, ok := b.parts[p.N]; ok {
		if !bytes.Equal(digest, p.Digest) {
			return false, post.FaultBatchPartChanged.At("part %d", p.N)
		}
		return true, nil
	}
	if b.state != batch.Receiving {
		return false, post.FaultBatchState
	}
	if p.Refuse != nil {
		return false, p.Refuse
	}
	if err := s.db.addLines(b, p.Lines); err != nil {
		return false, err
	}
	b.parts[p.N] = p.Digest
	if len(b.lines) == b.Count {
		b.state = batch.Open
	}
	return false, nil
}

// BatchDocuments implements [batch.Intake].
func (s *Store) BatchDocuments(_ context.Context, tenant post.TenantID, id post.BatchID, sha256 []string) (map[string]batch.Need, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return nil, err
	}
	if b.state != batch.Open {
		return nil, post.FaultBatchState
	}
	needs := map[string]batch.Need{}
	for _, one := range sha256 {
		if !slices.ContainsFunc(b.lines, func(l batch.SealedLine) bool { return l.Document == one }) {
			continue
		}
		needs[one] = batch.Wanted
		if _, here := b.documents[one]; here {
			needs[one] = batch.Here
		}
	}
	return needs, nil
}

// PutBatchDocuments implements [batch.Intake].
func (s *Store) PutBatchDocuments(_ context.Context, tenant post.TenantID, id post.BatchID, docs []batch.KeptDocument) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return err
	}
	if b.state != batch.Open {
		return post.FaultBatchState
	}
	for _, d := range docs {
		if _, here := b.documents[d.SHA256]; !here {
			b.documents[d.SHA256] = d.Sealed
		}
	}
	return nil
}

// CloseBatch implements [batch.Intake].
func (s *Store) CloseBatch(_ context.Context, tenant post.TenantID, id post.BatchID, n int) (left int, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return 0, err
	}
	switch b.state {
	case batch.Receiving:
		return 0, post.FaultBatchState
	case batch.Open:
		if missing := b.missing(); len(missing) > 0 {
			return 0, post.FaultDocumentsMissing.At("%d documents", len(missing))
		}
	case batch.Closing:
	default:
		return 0, nil
	}
	upto := min(b.made+n, len(b.lines))
	for _, l := range b.lines[b.made:upto] { // all or none
		if _, taken := s.db.keys[string(b.Tenant)+"\x00"+string(l.Key)]; taken {
			return 0, errors.Join(post.FaultLineKeyUsed.At("line %d", l.N), post.ErrStale)
		}
	}
	for i := range b.lines[b.made:upto] {
		s.makeLetter(b, &b.lines[b.made+i])
	}
	b.made, b.state = upto, batch.Closing
	if left = len(b.lines) - upto; left == 0 {
		b.state = batch.Closed
		s.recordBatch("batch.closed", b, string(b.Client), "")
	}
	return left, nil
}

// makeLetter makes a held letter, without a job, of a line.
func (s *Store) makeLetter(b *lot, l *batch.SealedLine) {
	l.Reference = s.db.free(l.Reference)
	now := s.clock()
	s.db.letters[l.Letter] = &row{Accepted: letter.Accepted{ID: l.Letter, Reference: l.Reference, Tenant: b.Tenant, Client: b.Client, Key: l.Key,
		Digest: l.Digest, Recipient: l.Recipient, Content: l.Content, Documents: []letter.Sealed{b.documents[l.Document]}, Arrive: l.Arrive,
		Urgent: b.Urgent, Registered: l.Registered},
		batch: b.ID, line: l.N, state: post.LetterHeld, version: 1, acceptedAt: now, since: now}
	s.db.keys[string(b.Tenant)+"\x00"+string(l.Key)] = l.Letter
	s.db.record(now, "letter.accepted", b.Tenant, string(l.Letter), string(b.Client), string(post.LetterHeld), "")
	if s.db.Watch != nil {
		s.db.Watch(Move{Letter: l.Letter, To: post.LetterHeld, Actor: string(b.Client)})
	}
}

func (b *lot) missing() (missing []string) {
	for _, l := range b.lines {
		if _, here := b.documents[l.Document]; !here && !slices.Contains(missing, l.Document) {
			missing = append(missing, l.Document)
		}
	}
	return missing
}

// BatchView implements [batch.Steering].
func (s *Store) BatchView(_ context.Context, tenant post.TenantID, id post.BatchID) (batch.View, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return batch.View{}, err
	}
	return s.db.batchView(b), nil
}

func (db *DB) batchView(b *lot) batch.View {
	v := batch.View{ID: b.ID, Tenant: b.Tenant, State: b.state, Lines: b.Count, Received: len(b.lines), Policy: b.Policy, Urgent: b.Urgent,
		Canary: b.Canary, Paused: b.paused, Signed: b.root != nil, Submitter: b.Client, Approver: b.approver, OpenedAt: b.openedAt}
	switch b.state {
	case batch.Receiving:
		for n := range b.parts {
			v.Parts = append(v.Parts, n)
		}
		slices.Sort(v.Parts)
		return v
	case batch.Open:
		v.Missing = b.missing()
		return v
	case batch.Approved:
		v.Waiting = v.Lines - b.allowed
	default:
	}
	v.Letters = map[post.LetterState]int{}
	for _, r := range db.lettersOf(b.ID) {
		v.Letters[r.state]++
	}
	return v
}

// lettersOf lists a batch's letters by line.
func (db *DB) lettersOf(id post.BatchID) []*row {
	return sorted(db.letters, func(r *row) bool { return id != "" && r.batch == id }, func(x, y *row) int { return cmp.Compare(x.line, y.line) })
}
