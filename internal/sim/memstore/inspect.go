package memstore

import (
	"cmp"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// A Row is a letter as a checker sees it.
type Row struct {
	ID         post.LetterID
	Key        string
	Reference  string
	State      post.LetterState
	Channel    post.Channel
	Generation int
	Code       string
	Manifest   []byte
	Available  time.Time
	Taken      time.Time // of the present hand-over
	Job        bool      // a step is due, now or later
	Due        time.Time
	Unsure     bool // some attempt of the present hand-over was unclear
	Batch      post.BatchID
	Line       int
}

// Rows returns every letter, ordered by id, and how many jobs no letter has.
func (db *DB) Rows() (rows []Row, orphans int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, r := range db.letters {
		out := Row{ID: r.ID, Key: string(r.Key), Reference: r.Reference, State: r.state, Channel: r.channel, Generation: r.generation, Code: r.code, Manifest: r.manifest, Available: r.available}
		out.Batch, out.Line = r.batch, r.line
		if h := db.present(r); h != nil {
			out.Taken, out.Unsure = h.taken, h.Unsure
		}
		if j := db.jobs[jobOf(r.ID)]; j != nil {
			out.Job, out.Due = true, j.due
		}
		rows = append(rows, out)
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	for k := range db.jobs {
		if db.letters[post.LetterID(k.id)] == nil {
			orphans++
		}
	}
	return rows, orphans
}

// A Kept is a receipt with what became of it.
type Kept struct {
	track.Receipt
	Verdict track.Verdict
	Reason  string
}

// Kept returns every receipt, in the order in which they are matched.
func (db *DB) Kept() []Kept {
	db.mu.Lock()
	defer db.mu.Unlock()
	var all []Kept
	for _, r := range sorted(db.receipts, func(*receipt) bool { return true }, byReceipt) {
		all = append(all, Kept{r.Receipt, r.verdict, r.reason})
	}
	return all
}

// Kinds returns the kinds of all entries of the ledger.
func (db *DB) Kinds() (kinds []string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, e := range db.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// Rewind puts back a fault: what a carrier took of a batch is sent once more.
func (db *DB) Rewind(id post.BatchID) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, r := range db.lettersOf(id) {
		if r.state == post.LetterHandedOver {
			db.move(r.since, r, post.LetterRouted, r.channel, r.generation, "", "batch "+string(id), "")
		}
	}
}

// Accepted returns how many letters the ledger says were accepted.
func (db *DB) Accepted() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	n := 0
	for _, e := range db.events {
		if e.Kind == "letter.accepted" {
			n++
		}
	}
	return n
}

// Reference returns what a letter goes by; "" when there is none.
func (db *DB) Reference(id post.LetterID) string {
	db.mu.Lock()
	defer db.mu.Unlock()
	if r := db.letters[id]; r != nil {
		return r.Reference
	}
	return ""
}

// Manifest returns the signed manifest of a letter; nil until signed.
func (db *DB) Manifest(id post.LetterID) []byte {
	db.mu.Lock()
	defer db.mu.Unlock()
	if r := db.letters[id]; r != nil {
		return r.manifest
	}
	return nil
}

// Intent returns the digest of the form that was committed for a hand-over.
func (db *DB) Intent(messageID string) (sum [32]byte, ok bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if h := db.handOvers[messageID]; h != nil {
		return h.SHA256, true
	}
	return sum, false
}
