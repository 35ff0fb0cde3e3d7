// Package draft is the portal's short memory: a ring of keys that live in this
// process only, one an hour, each dropped after 24 hours. Drafts, sessions and
// pending logins are sealed under it; when their key is dropped, or the process
// ends, nobody can open them again.
//
// It opens only what it sealed itself. An opening that fails answers
// [post.FaultSealed], whether the key is gone or the bytes were altered.
package draft

import (
	"io"
	"sync"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Life is how long a draft can be opened at most. A key seals during its first
// hour, so a draft may lose its key up to an hour earlier.
const Life = 24 * time.Hour

const (
	turn   = time.Hour // how long one key seals
	stanza = "sikkerpost.dk/draft-key/v1"
)

// A Ring holds the keys of the last 24 hours.
type Ring struct {
	mu   sync.Mutex // guards keys
	keys []entry    // oldest first; the last one seals
}

type entry struct {
	key  *envelope.Key
	made time.Time
}

// NewRing returns a ring with one key.
func NewRing() *Ring {
	r := &Ring{}
	r.current()
	return r
}

// current returns the key that seals now, having dropped those that are too old.
func (r *Ring) current() *envelope.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.drop(now)
	if n := len(r.keys); n == 0 || now.Sub(r.keys[n-1].made) >= turn {
		r.keys = append(r.keys, entry{envelope.NewKey(stanza, post.NewID()), now})
	}
	return r.keys[len(r.keys)-1].key
}

// drop forgets the keys older than Life. The caller holds mu.
func (r *Ring) drop(now time.Time) {
	for len(r.keys) > 0 && now.Sub(r.keys[0].made) >= Life {
		clear(r.keys[0].key.Secret[:])
		r.keys = r.keys[1:]
	}
}

// Recipient returns the recipient to seal to; it turns with the hours by itself.
func (r *Ring) Recipient() age.Recipient { return recipient{r} }

type recipient struct{ r *Ring }

// Wrap implements age.Recipient.
func (p recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) { return p.r.current().Wrap(fileKey) }

// Unwrap tries the keys that are alive.
func (p recipient) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	p.r.drop(time.Now())
	for _, id := range envelope.KeyIDs(stanza, stanzas) {
		for _, e := range p.r.keys {
			if e.key.ID == id {
				return e.key.Unwrap(stanzas)
			}
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// Small seals a value kept in the database.
func (r *Ring) Small(plaintext []byte) ([]byte, error) { return seal.Small(plaintext, r.Recipient()) }

// Open opens what [Ring.Small] sealed.
func (r *Ring) Open(sealed []byte) ([]byte, error) { return envelope.OpenSmall(sealed, recipient{r}) }

// Payload opens what seal.Stream sealed to [Ring.Recipient].
func (r *Ring) Payload(header []byte, payload io.Reader) (io.Reader, error) {
	return envelope.Open(header, payload, recipient{r})
}
