package queue

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"sikkerpost.dk/gateway/internal/post"
)

// ErrForged says that a task was not made by this installation, or is not one
// that we know. It is dropped, counted and reported; nothing is done for it.
var ErrForged = errors.New("task refused")

// maxTask bounds a task; a real one has about 180 bytes.
const maxTask = 512

// task is the wire form of a [Ring].
type task struct {
	V       int    `json:"v"`
	Kind    Kind   `json:"kind"`
	ID      string `json:"id"`
	Attempt int64  `json:"attempt"`
	MAC     []byte `json:"mac"` // HMAC-SHA-256 over the rest
}

// A Key authenticates tasks: whoever can write to Redis cannot make one.
type Key struct{ secret []byte }

// NewKey returns a key of at least 32 bytes.
func NewKey(secret []byte) (Key, error) {
	if len(secret) < 32 {
		return Key{}, errors.New("queue: task key has fewer than 32 bytes")
	}
	return Key{bytes.Clone(secret)}, nil
}

// Encode returns the task that asks for r. It holds names, never content.
func (k Key) Encode(r Ring) ([]byte, error) {
	if err := check(r); err != nil {
		return nil, err
	}
	return json.Marshal(task{V: 1, Kind: r.Kind, ID: r.ID, Attempt: r.Attempt, MAC: k.mac(r)})
}

// Decode reads a task. It refuses another version, an unknown kind, unknown or
// trailing bytes and a wrong MAC, each with [ErrForged]. The MAC is compared in
// constant time.
func (k Key) Decode(b []byte) (Ring, error) {
	if len(b) > maxTask {
		return Ring{}, fmt.Errorf("%w: too long", ErrForged)
	}
	var t task
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return Ring{}, fmt.Errorf("%w: not readable", ErrForged)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Ring{}, fmt.Errorf("%w: something follows", ErrForged)
	}
	r := Ring{Kind: t.Kind, ID: t.ID, Attempt: t.Attempt}
	if t.V != 1 {
		return Ring{}, fmt.Errorf("%w: version", ErrForged)
	}
	if err := check(r); err != nil {
		return Ring{}, err
	}
	if !hmac.Equal(t.MAC, k.mac(r)) {
		return Ring{}, fmt.Errorf("%w: mac", ErrForged)
	}
	return r, nil
}

// TaskID is the task's identity in the queue: a second ring with the same one
// is the same ring.
func (r Ring) TaskID() string { return r.ID + ":" + strconv.FormatInt(r.Attempt, 10) }

func check(r Ring) error {
	if r.Kind != AdvanceLetter && r.Kind != ForwardInquiry && r.Kind != ReleaseBatch {
		return fmt.Errorf("%w: kind", ErrForged)
	}
	if !post.ValidUUID(r.ID) || r.Attempt < 0 {
		return fmt.Errorf("%w: id", ErrForged)
	}
	return nil
}

// mac is unambiguous: kind and id come from closed alphabets without NUL.
func (k Key) mac(r Ring) []byte {
	h := hmac.New(sha256.New, k.secret)
	fmt.Fprintf(h, "sikkerpost.dk/task/v1\x00%s\x00%s\x00%d", r.Kind, r.ID, r.Attempt)
	return h.Sum(nil)
}
