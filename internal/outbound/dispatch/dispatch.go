// Package dispatch sends each letter once: to Digital Post, or on paper when
// the recipient certainly cannot receive it there. It takes a letter from step
// to step, each a compare-and-swap that carries a fencing token, until the
// letter must wait for time, for a carrier or for a person.
//
// The intent to hand over (message id, form, time) is committed before the
// first byte goes out, and every later attempt repeats it byte for byte. An
// outcome that is not clear is a state of its own: it is resolved by a receipt
// or by sending the same again, never by another channel. Signature, document
// digests and the form's digest are checked before anything leaves.
//
// It refuses paper on an outage, a failed look-up or a guess; it refuses to
// send a form that differs from its intent. What fails again and again, or
// cannot be decided by rule, becomes needs-person with a code; it is never
// lost and never sent on a hunch.
//
// A process may die between any two lines: each step says in a comment what
// the next process finds.
package dispatch

import (
	"context"
	"io"

	"sikkerpost.dk/gateway/internal/outbound/verify"
)

// Blobs yields sealed bytes.
type Blobs interface {
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
}

// An Opener opens what was sealed to the dispatcher or under a data key of its
// own. An error that no retry can cure wraps [post.ErrPermanent].
type Opener interface {
	Small(sealed []byte) ([]byte, error)
	Payload(header []byte, payload io.Reader) (io.Reader, error)
}

// Signer signs manifests.
type Signer interface {
	Sign(m verify.Manifest) ([]byte, error)
}
