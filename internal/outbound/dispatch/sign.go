package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// throughSigned: nothing outside happens between signing and the look-up.
var throughSigned = []Passage{{State: post.LetterSigned}}

// sign signs the manifest, after every document was read and found to be what
// the content says.
//
// Crash before commit: nothing is kept; it is signed again. After: signed; the
// kept signature is the one that counts.
func (a *Advancer) sign(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	o, err := a.open(r)
	if err != nil {
		return false, err
	}
	if r.Manifest != nil {
		// A letter that a person let go on: its signature still stands.
		if _, err := a.check(ctx, r, o); err != nil {
			return false, err
		}
		return true, r.run.goOn(r, Move{Through: throughSigned, To: post.LetterAwaitingLookup, Manifest: r.Manifest}, a.Now())
	}
	at, whole := a.Now(), (*signedBatch)(nil)
	if r.Policy == post.SignBatch { // signed already, with all of its batch
		if whole, err = a.signedBatch(ctx, r.Batch); err != nil {
			return false, err
		}
		at = whole.root.SignedAt
	}
	m, err := a.manifest(r, o, at)
	if err != nil {
		return false, err
	}
	if err := a.checkDocuments(ctx, r, m); err != nil {
		return false, err
	}
	var signed []byte
	if whole != nil {
		signed, err = whole.form(r.Line, m)
	} else {
		signed, err = a.Signer.Sign(m)
	}
	if err != nil {
		return false, err
	}
	a.notePassed(r.State)
	return true, r.run.goOn(r, Move{Through: throughSigned, To: post.LetterAwaitingLookup, Manifest: signed}, a.Now())
}

// manifest returns what the letter's signature must cover.
func (a *Advancer) manifest(r Record, o opened, at time.Time) (verify.Manifest, error) {
	t, err := o.terms()
	if err != nil {
		return verify.Manifest{}, err
	}
	m := verify.Manifest{
		Letter: r.ID, Reference: r.Reference, Tenant: r.Tenant, CVR: a.tenants[r.Tenant].CVR, SignedAt: at.UTC().Truncate(time.Second),
		Recipient: t.recipient, Title: t.title, Documents: slices.Clone(t.documents),
	}
	for i := range m.Documents {
		m.Documents[i].Size = r.Documents[i].Clear
	}
	return m, nil
}

// check verifies signature, commitments and every document, and returns what
// was signed. Nothing is rendered that has not passed here in the same step.
func (a *Advancer) check(ctx context.Context, r Record, o opened) (verify.Manifest, error) {
	m, err := a.Check(r.Manifest)
	if err != nil {
		return m, err
	}
	want, err := a.manifest(r, o, m.SignedAt)
	if err != nil {
		return m, err
	}
	if !same(m, want) {
		return m, fmt.Errorf("%w: the signature is for another letter", verify.ErrNotProven)
	}
	return m, a.checkDocuments(ctx, r, m)
}

func same(a, b verify.Manifest) bool {
	if len(a.Documents) != len(b.Documents) {
		return false
	}
	for i := range a.Documents {
		if a.Documents[i] != b.Documents[i] {
			return false
		}
	}
	return a.Letter == b.Letter && a.Reference == b.Reference && a.Tenant == b.Tenant && a.CVR == b.CVR &&
		a.SignedAt.Equal(b.SignedAt) && a.Recipient == b.Recipient && a.Title == b.Title
}

// checkDocuments reads every document of r and finds it to be what m says. What
// it has found so in this run is in memory, under its digest.
func (a *Advancer) checkDocuments(ctx context.Context, r Record, m verify.Manifest) error {
	for i, d := range m.Documents {
		if err := a.checkDocument(ctx, r.run, r.Documents[i], d); err != nil {
			return fmt.Errorf("document %d: %w", i+1, err)
		}
	}
	return nil
}

func (a *Advancer) checkDocument(ctx context.Context, k *run, s letter.Sealed, d verify.Document) error {
	if k.document(s, d.Size, d.SHA256) != nil {
		return nil
	}
	rc, err := a.payload(ctx, s)
	if err != nil {
		return err
	}
	defer rc.Close()
	room := k.room(d.Size)
	if room == nil {
		return d.Bytes(rc)
	}
	if err := d.Into(room.b, rc); err != nil {
		return err
	}
	k.keepDocument(s, d.SHA256, room)
	return nil
}
