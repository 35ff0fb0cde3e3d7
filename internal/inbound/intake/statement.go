package intake

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Signing is what receipts are signed with, and what lets others check them.
// All four are required.
type Signing struct {
	Key  note.Signer // signs statements to persons and nothing else
	VKey string      // its public half
	// Cert is the ledger's word for VKey, as [ledger.CertifyReceiptKey] makes it;
	// it must hold at the start.
	Cert    []byte
	LogKeys ledger.Verifiers // the public keys of the ledger
}

// check tells whether the ledger vouches for the key at a time. A receipt that
// nobody can check is worth nothing, so none is given without.
func (s Signing) check(at time.Time) error {
	if s.Key == nil || s.VKey == "" || len(s.Cert) == 0 || s.LogKeys == nil {
		return errors.New("intake: Signing with Key, VKey, Cert and LogKeys is required")
	}
	own, err := note.NewVerifier(s.VKey)
	if err != nil {
		return fmt.Errorf("intake: Signing.VKey: %w", err)
	}
	vouched, err := ledger.CheckReceiptKey(s.Cert, at, s.LogKeys)
	if err != nil {
		return fmt.Errorf("intake: Signing.Cert: %w", err)
	}
	if _, err := vouched.Verifier(own.Name(), own.KeyHash()); err != nil {
		return errors.New("intake: Signing.Cert is for another key than VKey")
	}
	return nil
}

// Statement says what the receipt of q vouches for.
func (q Inquiry) Statement() ledger.Statement {
	return ledger.Statement{
		Reference: q.Reference, Tenant: q.Tenant, Inquiry: q.ID, AcceptedAt: q.AcceptedAt,
		Digest: hex.EncodeToString(q.Digest), DueAt: q.DueAt,
	}
}

// A SignedReceipt is what a person downloads: the statement as a signed note,
// what the log's key says of the key that signed it and, once the log has it,
// the proof of that. It needs no other source to be checked than the log's
// public key.
type SignedReceipt struct {
	Statement   string        `json:"statement"`
	Certificate string        `json:"certificate"`
	Proof       *ledger.Proof `json:"proof"` // nil until a checkpoint covers the acceptance
}

// Signed returns the receipt of an inquiry that the caller may see.
func (d *Desk) Signed(ctx context.Context, q Inquiry, signed []byte) (SignedReceipt, error) {
	proof, err := d.proof(ctx, q.ID)
	if err != nil && !errors.Is(err, ledger.ErrPending) {
		return SignedReceipt{}, err
	}
	r := SignedReceipt{Statement: string(signed), Certificate: string(d.Signing.Cert)}
	if bytes.HasPrefix(signed, []byte("{")) { // of mail: it brings its own certificate
		if err := json.Unmarshal(signed, &r); err != nil {
			return SignedReceipt{}, fmt.Errorf("read statement of inquiry %s: %w", q.ID, err)
		}
	}
	r.Proof = proof
	return r, nil
}

func (d *Desk) proof(ctx context.Context, id post.InquiryID) (*ledger.Proof, error) {
	event, err := d.Receipts.AcceptanceEvent(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find acceptance of inquiry %s: %w", id, err)
	}
	p, err := ledger.Prove(ctx, d.Ledger, event)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Place is what the log knows of a receipt.
type Place string

// Places.
const (
	InLog   Place = "in-log"  // the log vouches for exactly this statement
	Pending Place = "pending" // accepted; the next checkpoint will cover it
	Absent  Place = "absent"  // signed with our key, but never accepted: forged
	Erased  Place = "erased"  // the inquiry was purged; the log cannot say any more
)

// maxStatement bounds what may be pasted.
const maxStatement = 64 << 10

// CheckStatement tells whether a statement is genuine. It takes a signed note
// or the JSON of a [SignedReceipt], whose own certificate lets a receipt outlive
// the key that signed it. It refuses what no key has signed that the log vouches
// for; the rest it looks up in the ledger, so that a stolen key is found out.
func (d *Desk) CheckStatement(ctx context.Context, pasted string) (ledger.Statement, Place, error) {
	if len(pasted) > maxStatement {
		return ledger.Statement{}, "", post.FaultStatement.At("too long")
	}
	signed := []byte(strings.ReplaceAll(strings.TrimSpace(pasted), "\r\n", "\n") + "\n")
	cert := d.Signing.Cert
	if bytes.HasPrefix(signed, []byte("{")) {
		var r SignedReceipt
		if err := json.Unmarshal(signed, &r); err != nil {
			return ledger.Statement{}, "", post.FaultStatement.At("damaged")
		}
		signed = []byte(r.Statement)
		if r.Certificate != "" {
			cert = []byte(r.Certificate)
		}
	}
	s, err := ledger.VerifyReceipt(signed, cert, d.Signing.LogKeys)
	if err != nil {
		return ledger.Statement{}, "", err
	}
	place, err := d.place(ctx, s.Inquiry, ledger.StatementDigest(signed))
	return s, place, err
}

// place looks the acceptance up in the ledger.
func (d *Desk) place(ctx context.Context, id post.InquiryID, digest string) (Place, error) {
	event, err := d.Receipts.AcceptanceEvent(ctx, id)
	if errors.Is(err, post.ErrNotFound) {
		return Absent, nil
	}
	if err != nil {
		return "", fmt.Errorf("find acceptance of inquiry %s: %w", id, err)
	}
	row, err := d.Ledger.LedgerRow(ctx, event)
	if err != nil {
		return "", fmt.Errorf("read acceptance of inquiry %s: %w", id, err)
	}
	if len(row.Salt) == 0 {
		return Erased, nil
	}
	var e ledger.Event
	if err := json.Unmarshal(row.Body, &e); err != nil {
		return "", fmt.Errorf("read acceptance of inquiry %s: %w", id, err)
	}
	if e.Digest != digest {
		return Absent, nil
	}
	_, err = ledger.Prove(ctx, d.Ledger, event)
	switch {
	case errors.Is(err, ledger.ErrPending):
		return Pending, nil
	case err != nil:
		return "", err
	}
	return InLog, nil
}
