package intake

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// statement says what the receipt of q vouches for.
func statement(q Inquiry) ledger.Statement {
	return ledger.Statement{
		Reference: q.Reference, Tenant: q.Tenant, Inquiry: q.ID, AcceptedAt: q.AcceptedAt,
		Digest: hex.EncodeToString(q.Digest), DueAt: q.DueAt,
	}
}

// A SignedReceipt is what a person downloads: the statement as a signed note
// and, once the log has it, the proof of that. It needs no other source to be
// checked than the two public keys.
type SignedReceipt struct {
	Statement string        `json:"statement"`
	Proof     *ledger.Proof `json:"proof"` // nil until a checkpoint covers the acceptance
}

// Signed returns the receipt of an inquiry that the caller may see.
func (d *Desk) Signed(ctx context.Context, q Inquiry, signed []byte) (SignedReceipt, error) {
	proof, err := d.proof(ctx, q.ID)
	if err != nil && !errors.Is(err, ledger.ErrPending) {
		return SignedReceipt{}, err
	}
	return SignedReceipt{Statement: string(signed), Proof: proof}, nil
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
// or the JSON of a [SignedReceipt]. It refuses what our receipt key has not
// signed; what it has signed it looks up in the ledger, so that a stolen key is
// found out.
func (d *Desk) CheckStatement(ctx context.Context, pasted string) (ledger.Statement, Place, error) {
	if len(pasted) > maxStatement {
		return ledger.Statement{}, "", post.FaultStatement.At("too long")
	}
	signed := []byte(strings.ReplaceAll(strings.TrimSpace(pasted), "\r\n", "\n") + "\n")
	if bytes.HasPrefix(signed, []byte("{")) {
		var r SignedReceipt
		if err := json.Unmarshal(signed, &r); err != nil {
			return ledger.Statement{}, "", post.FaultStatement.At("damaged")
		}
		signed = []byte(r.Statement)
	}
	s, err := ledger.VerifyStatement(signed, d.receiptKeys)
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
	if err := json.Unmarshal(row.Body, &e); err != nil || e.Digest != digest {
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
