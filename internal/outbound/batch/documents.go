package batch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Limits of one call of [Desk.PutDocuments].
const (
	MaxDocuments = 500
	// A group is made durable together: so many documents, or so many bytes,
	// whichever comes first.
	groupDocuments = 64
	groupBytes     = 8 << 20
	// groups come in at the same time, with one document of each in memory;
	// others wait.
	groups = 4
	// spaceKept is how much memory a group leaves to the next.
	spaceKept = 1 << 20
	// spaceWait is how long a call waits for its turn before the caller is told
	// to come back.
	spaceWait = 20 * time.Second
)

// A Document is one of many that come in a row.
type Document struct {
	SHA256 string    // what it says it is: 64 lower-case hexadecimal digits
	Size   int64     // bytes
	Body   io.Reader // of exactly Size bytes, until the next document is asked for
}

// Readable reports whether the bytes are looked at at all: what has no usable
// name, or is too large, is refused unread.
func (d Document) Readable() bool { return d.Unread().Fault == nil }

// Unread returns what is said of a document before its bytes are read: refused,
// when they will not be.
func (d Document) Unread() Verdict {
	v := Verdict{Size: d.Size, State: Refused, Fault: post.FaultDocumentName256}
	if name, ok := letter.ParseDigest(d.SHA256); !ok || name != d.SHA256 {
		return v
	}
	if v.SHA256, v.Fault = d.SHA256, post.FaultDocumentSize; d.Size <= letter.MaxDocument {
		v.State, v.Fault = Stored, nil
	}
	return v
}

// DocumentState is what became of one document.
type DocumentState string

// The states of a document that came.
const (
	Stored  DocumentState = "stored"  // it is durable now
	Known   DocumentState = "known"   // it was here before; nothing changed
	Refused DocumentState = "refused" // nothing of it is kept; Fault says why
)

// A Verdict is what became of one document.
type Verdict struct {
	SHA256 string // as it came, "" when that was no digest
	Size   int64
	Sum    [32]byte // of the bytes that were read; zero when none were
	State  DocumentState
	Fault  *post.Fault // of a refused one
}

// A Need is what a batch says of a document.
type Need string

// What an open batch may say of a document.
const (
	Unannounced Need = ""       // no line names it
	Wanted      Need = "wanted" // it has not come yet
	Here        Need = "here"
)

// KeptDocument is a sealed document as the database has it.
type KeptDocument struct {
	SHA256 string // hex, of the plaintext
	letter.Sealed
}

// PutDocuments takes documents that the batch waits for, one after the other as
// next yields them, until that answers [io.EOF]. It returns a verdict for each,
// in their order: one that is refused does not spoil the others. Stored
// documents are durable.
//
// They are kept in groups. When the call fails as a whole (the batch is not
// open, next or a store fails) the groups before are kept: sent again they are
// known. At most one document of each of a few calls is in memory; others wait.
func (d *Desk) PutDocuments(ctx context.Context, tenant post.TenantID, id post.BatchID, next func() (Document, error)) ([]Verdict, error) {
	if _, err := d.Store.BatchDocuments(ctx, tenant, id, nil); err != nil { // before anything is read
		return nil, fmt.Errorf("put documents into batch %s: %w", id, err)
	}
	r := &row{desk: d, tenant: tenant, id: id, next: next}
	for !r.ended {
		if err := r.group(ctx); err != nil {
			return nil, fmt.Errorf("put documents into batch %s: %w", id, err)
		}
	}
	return r.verdicts, nil
}

// row is documents coming in a row.
type row struct {
	desk     *Desk
	tenant   post.TenantID
	id       post.BatchID
	next     func() (Document, error)
	held     *Document // the next one, seen but not taken
	ended    bool
	verdicts []Verdict
}

// arrived is a document that was read: good ones are sealed, not yet durable.
type arrived struct {
	verdict int // its place among the verdicts
	sealed  letter.Sealed
}

// group takes as many documents as go together. Each is read, checked and sealed
// before the next one is read, so that only one of them is in memory; which of
// them the batch waits for is asked once for all, before any is durable.
func (r *row) group(ctx context.Context) error {
	space, err := r.desk.room(ctx)
	if err != nil {
		return err
	}
	defer func() { r.desk.giveBack(space) }()
	doc, err := r.peek()
	if err != nil || r.ended {
		return err
	}
	if doc.Readable() && doc.Size > groupBytes {
		return r.large(ctx)
	}
	return r.keep(ctx, func(g seal.Group) (docs []arrived, err error) {
		for free := int64(groupBytes); len(docs) < groupDocuments; {
			doc, err := r.peek()
			if err != nil {
				return nil, err
			}
			if r.ended || doc.Readable() && doc.Size > free {
				break
			}
			if !doc.Readable() {
				r.held, r.verdicts = nil, append(r.verdicts, doc.Unread())
				continue
			}
			space = slices.Grow(space[:0], int(doc.Size))
			a, err := r.read(ctx, g, doc, space[:doc.Size])
			if err != nil {
				return nil, err
			}
			docs, free = append(docs, a), free-doc.Size
		}
		return docs, nil
	})
}

// large takes a document that is too large to go with others.
func (r *row) large(ctx context.Context) error {
	done, err := r.desk.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	doc, err := r.peek()
	if err != nil {
		return err
	}
	return r.keep(ctx, func(g seal.Group) ([]arrived, error) {
		a, err := r.read(ctx, g, doc, make([]byte, doc.Size))
		return []arrived{a}, err
	})
}

// peek returns the next document without taking it; after the last one the row
// has ended.
func (r *row) peek() (Document, error) {
	if r.held != nil {
		return *r.held, nil
	}
	doc, err := r.next()
	if errors.Is(err, io.EOF) {
		r.ended = true
		return Document{}, nil
	}
	if err == nil && len(r.verdicts) == MaxDocuments {
		err = post.FaultDocumentsMany
	}
	if err != nil {
		return Document{}, err
	}
	r.held = &doc
	return doc, nil
}

// read reads a document into space, and seals it when it is good.
func (r *row) read(ctx context.Context, g seal.Group, doc Document, space []byte) (arrived, error) {
	if _, err := io.ReadFull(doc.Body, space); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return arrived{}, err
	}
	r.held = nil
	v := doc.Unread()
	v.Sum = sha256.Sum256(space)
	a := arrived{verdict: len(r.verdicts)}
	err := r.good(ctx, v, space)
	if err != nil {
		if v.State = Refused; !errors.As(err, &v.Fault) {
			return arrived{}, err
		}
	}
	r.verdicts = append(r.verdicts, v)
	if v.State == Refused {
		return a, nil
	}
	key, err := r.desk.keys.Current(ctx)
	if err != nil {
		return arrived{}, err
	}
	a.sealed, err = letter.SealBytes(ctx, g, key, space)
	return a, err
}

// good applies the rules that need nothing but the document.
func (r *row) good(ctx context.Context, v Verdict, content []byte) error {
	if hex.EncodeToString(v.Sum[:]) != v.SHA256 {
		return post.FaultDocumentDigest
	}
	if err := letter.CheckPDF(content); err != nil {
		return err
	}
	return r.desk.printable(ctx, r.tenant, content)
}

// keep makes those documents durable that are good and that the batch waits for:
// their blobs first, then the rows that name them.
func (r *row) keep(ctx context.Context, take func(seal.Group) ([]arrived, error)) error {
	var kept []KeptDocument
	err := r.desk.Blobs.PutGroup(ctx, func(g seal.Group) error {
		docs, err := take(g)
		if err != nil {
			return err
		}
		kept, err = r.sift(ctx, g, docs)
		return err
	})
	if err != nil || len(kept) == 0 {
		return err
	}
	return r.desk.Store.PutBatchDocuments(ctx, r.tenant, r.id, kept)
}

// sift leaves out what the batch does not wait for, and says so in the verdicts.
// That nobody announced a document is said before what is wrong with it, and one
// that is here needs not be good again.
func (r *row) sift(ctx context.Context, g seal.Group, docs []arrived) ([]KeptDocument, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	names := make([]string, 0, len(docs))
	for _, a := range docs {
		names = append(names, r.verdicts[a.verdict].SHA256)
	}
	needs, err := r.desk.Store.BatchDocuments(ctx, r.tenant, r.id, names)
	if err != nil {
		return nil, err
	}
	var kept []KeptDocument
	for _, a := range docs {
		v := &r.verdicts[a.verdict]
		sealed := v.State == Stored
		switch need := needs[v.SHA256]; {
		case need == Unannounced:
			v.State, v.Fault = Refused, post.FaultDocumentUnannounced
		case need == Here && hex.EncodeToString(v.Sum[:]) == v.SHA256:
			v.State, v.Fault = Known, nil
		case sealed:
			needs[v.SHA256] = Here // the same one again in this group is known
			kept = append(kept, KeptDocument{v.SHA256, a.sealed})
			continue
		}
		if sealed {
			g.Leave(a.sealed.Blob)
		}
	}
	return kept, nil
}

// turn waits until one more document may be held in memory. It does not wait
// for ever: documents that come over one HTTP/2 connection share its window, and
// those that wait unread could keep those from coming that are being read.
func (d *Desk) turn(ctx context.Context) (done func(), err error) {
	late := time.NewTimer(d.wait)
	defer late.Stop()
	select {
	case d.reading <- struct{}{}:
		return func() { <-d.reading }, nil
	case <-late.C:
		return nil, post.FaultUnavailable
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// room waits for the memory of one document of a group, as turn does.
func (d *Desk) room(ctx context.Context) ([]byte, error) {
	late := time.NewTimer(d.wait)
	defer late.Stop()
	select {
	case space := <-d.space:
		return space, nil
	case <-late.C:
		return nil, post.FaultUnavailable
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// giveBack ends the use of what room gave. What a large document needed is not
// kept for small ones.
func (d *Desk) giveBack(space []byte) {
	if cap(space) > spaceKept {
		space = nil
	}
	d.space <- space
}
