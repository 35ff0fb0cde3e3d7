// Package seal closes things with public keys; it cannot open anything. An
// object is an age v1 file (age-encryption.org/v1) whose header is kept apart
// from its payload: the header belongs in the database, the payload in the blob
// store, and deleting the header shreds every copy of the payload. Header ‖
// payload is a plain age file that any age tool opens, given an identity.
//
// It refuses an empty list of recipients and a mixture of post-quantum and
// classic ones. It never buffers a payload and never writes a clear byte. When
// a write fails nothing is referenced: the putter forgets what it began.
package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
)

// A Putter stores sealed bytes.
type Putter interface {
	// Put stores what write writes, under a name that it draws, and returns
	// that name, the SHA-256 and the number of bytes. When it returns without
	// error the bytes survive a power loss; when it fails, or when write does,
	// nothing is kept and no name is valid.
	Put(ctx context.Context, write func(io.Writer) error) (blob string, sha256 []byte, size int64, err error)
}

// A Group is a putter whose blobs become durable together, later: what Put
// answers is a promise until whoever opened the group says that it is kept.
type Group interface {
	Putter
	// Leave takes one blob out of the group again: it will not be kept.
	Leave(blob string)
}

// An Object is a sealed thing: its age header, and where its payload is.
type Object struct {
	Header []byte
	Blob   string
	SHA256 []byte // of the payload as stored
	Size   int64  // of the payload as stored, in bytes
}

// Stream seals what write writes to recipients and puts the payload in p.
func Stream(ctx context.Context, p Putter, recipients []age.Recipient, write func(io.Writer) error) (Object, error) {
	var o Object
	var err error
	o.Blob, o.SHA256, o.Size, err = p.Put(ctx, func(w io.Writer) error {
		begun, err := envelope.Begin(recipients...)
		if err != nil {
			return err
		}
		sealed, err := begun.Payload(w)
		if err != nil {
			return err
		}
		defer sealed.Abandon()
		if err := write(sealed); err != nil {
			return err
		}
		if err := sealed.Close(); err != nil {
			return err
		}
		o.Header = begun.Header
		return nil
	})
	if err != nil {
		return Object{}, err
	}
	return o, nil
}

// Small seals plaintext, for a value kept in the database: one whole age file.
func Small(plaintext []byte, recipients ...age.Recipient) ([]byte, error) {
	begun, err := envelope.Begin(recipients...)
	if err != nil {
		return nil, err
	}
	return begun.Whole(plaintext)
}

// maxRecipients bounds a recipients file; a hybrid recipient is about 2 kB.
const maxRecipients = 1 << 20

// ReadRecipients reads public age recipients, one a line: all hybrid
// (age1pq1…) or all X25519 (age1…). Empty lines and lines that begin with #
// are skipped.
func ReadRecipients(r io.Reader) ([]age.Recipient, error) {
	list, err := age.ParseRecipients(io.LimitReader(r, maxRecipients))
	if err != nil {
		return nil, post.FaultRecipients.Because(err)
	}
	hybrid := 0
	for _, one := range list {
		if postQuantum(one) {
			hybrid++
		}
	}
	if hybrid != 0 && hybrid != len(list) {
		return nil, post.FaultRecipients.At("post-quantum and classic keys are mixed")
	}
	return list, nil
}

// ReadRecipientsFile reads the recipients in the file at path.
func ReadRecipientsFile(path string) ([]age.Recipient, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}
	defer f.Close()
	list, err := ReadRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("read recipients %s: %w", path, err)
	}
	return list, nil
}

// postQuantum reports whether r protects against a quantum computer, as age
// itself sees it.
func postQuantum(r age.Recipient) bool {
	_, ok := r.(*age.HybridRecipient)
	return ok
}

// Index returns the keyed look-up value of id (a CPR number's digits) for one
// tenant and purpose: HMAC-SHA-256 over the length-prefixed parts. The database
// does not hold key, so it cannot try all numbers.
func Index(key []byte, tenant post.TenantID, purpose, id string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{"sikkerpost.dk/index/v1", string(tenant), purpose, id} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}
