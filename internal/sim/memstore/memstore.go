// Package memstore keeps letters in memory under the same contract as the SQL
// store: compare-and-swap on (state, version), leases with fencing tokens, one
// job for each record, an inbox of receipts. It exists so that a simulation can
// run thousands of worlds a second; it is never part of a program.
//
// It is held to the contract by the suite that the SQL store passes on both
// engines, and by runs of random calls on both stores side by side. Where the
// SQL store rolls back, this one has changed nothing: each method checks first
// and writes after.
//
// It leaves out what the simulation does not play: inquiries (a reply is
// [post.ErrNotFound]), retention, and the salts of ledger entries.
// Each node has a [Store] with a clock of its own on one shared [DB], as each
// process has on one database.
package memstore

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ letter.Store   = (*Store)(nil)
	_ letter.Records = (*Store)(nil)
	_ dispatch.Store = (*Store)(nil)
	_ track.Inbox    = (*Store)(nil)
	_ queue.Jobs     = (*Store)(nil)
)

// A DB is the one database of a world.
type DB struct {
	// Watch is told of each committed move, in order, before the mover is
	// answered; may be nil. It must not call the database.
	Watch func(Move)
	// Blind puts back a fault: intents are committed whatever is halted.
	Blind bool
	// PassOver is asked of each due job that a claim finds: whether somebody else is
	// writing it now, so that the claim does not see it. Nil: nobody is.
	PassOver func() bool
	// NewReference draws a reference in place of one that another letter has; nil is
	// [post.NewReference].
	NewReference func() string
	// Tear is asked how many of n receipts are kept before the database fails; nil: all.
	Tear func(n int) int
	// Locked is asked of each letter that a group of receipts would move: whether
	// somebody else is writing it now, so that the group passes it over. Nil: nobody is.
	Locked func() bool
	// Twins puts back a fault: a reference may be two letters'.
	Twins bool
	// Resign puts back a fault: a root may be kept over another.
	Resign bool
	// CancelsAll and Obeys put back faults: a letter is cancelled wherever it is; it is
	// issued anew each time that this is decided.
	CancelsAll, Obeys bool
	// Unmoved puts back a fault: what this carrier says moves nothing.
	Unmoved string

	mu        sync.Mutex // guards everything below
	letters   map[post.LetterID]*row
	keys      map[string]post.LetterID // tenant, NUL, key
	handOvers map[string]*handOver     // by message id
	jobs      map[jobKey]*job
	receipts  map[string]*receipt // carrier, NUL, event
	dataKeys  map[string][]byte
	leases    queue.Turns // whose turn it is to be leased
	rings     queue.Turns // and to be rung for
	lots      map[post.BatchID]*lot
	pauses    []letter.Pause
	events    []ledger.Event
}

// A Move is one committed change of a letter's state. From is "" when the
// letter was accepted.
type Move struct {
	Letter     post.LetterID
	From, To   post.LetterState
	On         post.Channel // before
	Channel    post.Channel // after
	Generation int
	Before     int // generation before
	Actor      string
	Code       string
}

// A Store is one node's view of a [DB].
type Store struct {
	db  *DB
	now func() time.Time
}

type row struct {
	letter.Accepted
	batch      post.BatchID
	line       int
	state      post.LetterState
	version    int64
	channel    post.Channel
	generation int
	code       string
	failures   int
	acceptedAt time.Time
	signedAt   time.Time
	since      time.Time
	looks      int // unsure answers of the directory, in the state entered at looksSince
	looksSince time.Time
	available  time.Time
	manifest   []byte
}

type handOver struct {
	dispatch.Intent
	letter       post.LetterID
	channel      post.Channel
	generation   int
	taken        time.Time
	answer       string
	transmission string
	tracking     string
}

type jobKey struct {
	kind queue.Kind
	id   string
}

type job struct {
	due, lease, rung time.Time
	attempt, fence   int64
	lane             queue.Lane
	tenant, road     string
}

type receipt struct {
	track.Receipt
	received time.Time
	letter   post.LetterID
	verdict  track.Verdict
	reason   string
}

// New returns an empty database.
func New() *DB {
	return &DB{
		letters: map[post.LetterID]*row{}, keys: map[string]post.LetterID{}, handOvers: map[string]*handOver{},
		jobs: map[jobKey]*job{}, receipts: map[string]*receipt{}, dataKeys: map[string][]byte{}, lots: map[post.BatchID]*lot{},
	}
}

// Node returns a store whose transactions happen at now.
func (db *DB) Node(now func() time.Time) *Store { return &Store{db: db, now: now} }

// clock is the node's time as the database keeps it: whole microseconds.
func (s *Store) clock() time.Time { return micros(s.now()) }

func micros(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (db *DB) record(at time.Time, kind string, tenant post.TenantID, subject, actor, outcome, digest string) {
	db.events = append(db.events, ledger.Event{ID: fmt.Sprintf("%012d", len(db.events)), At: at, Kind: kind, Tenant: tenant,
		Subject: subject, Actor: actor, Outcome: outcome, Digest: digest})
}

// swap answers [post.ErrStale] unless letter id is in state from at version.
func (db *DB) swap(id post.LetterID, from post.LetterState, version int64) (*row, error) {
	r := db.letters[id]
	if r == nil || r.state != from || r.version != version {
		return nil, post.ErrStale
	}
	return r, nil
}

// move writes a move that [DB.swap] allowed, with its ledger entry.
func (db *DB) move(at time.Time, r *row, to post.LetterState, ch post.Channel, generation int, code, actor, digest string) {
	m := Move{Letter: r.ID, From: r.state, To: to, On: r.channel, Before: r.generation, Channel: ch, Generation: generation, Actor: actor, Code: code}
	r.state, r.channel, r.generation, r.code, r.failures, r.since = to, ch, generation, code, 0, at
	r.version++
	outcome := code
	if ch != "" {
		outcome = fmt.Sprintf("%s/%d", ch, generation)
		if code != "" {
			outcome += " " + code
		}
	}
	db.record(at, "letter."+string(to), r.Tenant, string(r.ID), actor, outcome, digest)
	if db.Watch != nil {
		db.Watch(m)
	}
}

// present returns the hand-over of the letter's (channel, generation), or nil.
func (db *DB) present(r *row) *handOver {
	if r.channel == "" {
		return nil
	}
	return db.handOvers[post.DerivedID(r.ID, r.channel, r.generation)]
}

// postpone writes or moves the job that continues a record. The fences of a new
// job begin at the clock, as in the database.
func (s *Store) postpone(k jobKey, due time.Time) {
	if j := s.db.jobs[k]; j != nil {
		j.due, j.road = micros(due), ""
		return
	}
	j := &job{due: micros(due), fence: s.now().UnixMicro(), lane: queue.Ordinary}
	if l := s.db.letters[post.LetterID(k.id)]; l != nil {
		j.tenant = string(l.Tenant)
		if l.Urgent {
			j.lane = queue.Urgent
		}
	}
	s.db.jobs[k] = j
}

func jobOf(id post.LetterID) jobKey { return jobKey{queue.AdvanceLetter, string(id)} }

// sorted returns the values of m in the order of less.
func sorted[K comparable, V any](m map[K]V, keep func(V) bool, less func(a, b V) int) []V {
	var all []V
	for _, v := range m {
		if keep(v) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, less)
	return all
}

// byReceipt is the order in which receipts are matched: what the carrier says came
// first, whatever the clocks of those who kept it.
func byReceipt(a, b *receipt) int {
	return cmp.Or(a.At.Compare(b.At), a.received.Compare(b.received), cmp.Compare(a.EventID, b.EventID))
}
