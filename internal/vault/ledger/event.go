// Package ledger is the house's memory that nobody can quietly change. Each
// security event and each receipt is an [Event], written in the same
// transaction as the change it describes. One integrator turns events into a
// Merkle log in the C2SP tlog-tiles layout and signs checkpoints as signed
// notes; the files are served to anybody.
//
// A leaf is a salted commitment, not the event: erasing the salt erases the
// data while the log stays whole. Events hold ids, states and digests, never
// personal data, never content.
//
// On failure the integrator stops and alarms; it never skips an event, never
// rewrites a published tile and never signs a checkpoint that is not an
// extension of the last one.
package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// An Event says who did what to which record. Kind is the verb of the step in
// the past tense, e.g. "inquiry.accepted", "letter.handed-over".
type Event struct {
	ID      string        `json:"id"` // UUIDv7
	At      time.Time     `json:"at"`
	Kind    string        `json:"kind"`
	Tenant  post.TenantID `json:"tenant,omitempty"`
	Subject string        `json:"subject"`           // the record's id
	Actor   string        `json:"actor,omitempty"`   // client id, program, or "person"; never a name
	Outcome string        `json:"outcome,omitempty"` // state reached, reason code
	Digest  string        `json:"digest,omitempty"`  // hex SHA-256 of what the event vouches for
}

// New returns an event that happens now.
func New(kind string, tenant post.TenantID, subject string) Event {
	return Event{ID: post.NewID(), At: time.Now().UTC().Truncate(time.Microsecond), Kind: kind, Tenant: tenant, Subject: subject}
}

// A Row is an event as the database keeps it: canonical body, salt and leaf.
type Row struct {
	Event Event
	Body  []byte // canonical JSON of Event
	Salt  []byte // 32 random bytes; erasing it erases the event
	Leaf  []byte // what the log holds: the commitment
}

// Commit draws a salt and returns the row to store with the change.
func Commit(e Event) (Row, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return Row{}, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	salt := make([]byte, 32)
	rand.Read(salt)
	return Row{Event: e, Body: body, Salt: salt, Leaf: Leaf(salt, body)}, nil
}

// Leaf returns the commitment to body under salt:
// SHA-256("sikkerpost.dk/leaf/v1" ‖ 0 ‖ salt ‖ body).
func Leaf(salt, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte("sikkerpost.dk/leaf/v1\x00"))
	h.Write(salt)
	h.Write(body)
	return h.Sum(nil)
}
