package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/post"
)

// A Statement is what a person gets in hand when an inquiry is accepted. It
// holds no personal data. Signed, it is a note that begins with a line of its
// own, so that it can never be taken for a checkpoint.
type Statement struct {
	V          int            `json:"v"` // 1
	Reference  string         `json:"reference"`
	Tenant     post.TenantID  `json:"tenant"`
	Inquiry    post.InquiryID `json:"inquiry"`
	AcceptedAt time.Time      `json:"accepted_at"`     // UTC
	Digest     string         `json:"digest"`          // content digest, hex SHA-256
	DueAt      time.Time      `json:"due_at,omitzero"` // UTC; zero on the Digital Post road
}

const (
	statementLine = "sikkerpost.dk/receipt/v1"
	certLine      = "sikkerpost.dk/receipt-key/v1"
)

// SignStatement returns the signed note of s: the line
// "sikkerpost.dk/receipt/v1", the canonical JSON, the signature of the
// portal's receipt key.
func SignStatement(s Statement, key note.Signer) ([]byte, error) {
	s.V, s.AcceptedAt, s.DueAt = 1, s.AcceptedAt.UTC(), s.DueAt.UTC()
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sign receipt %s: %w", s.Inquiry, err)
	}
	signed, err := note.Sign(&note.Note{Text: statementLine + "\n" + string(body) + "\n"}, key)
	if err != nil {
		return nil, fmt.Errorf("sign receipt %s: %w", s.Inquiry, err)
	}
	return signed, nil
}

// StatementDigest is the hex SHA-256 of a signed statement: the digest that the
// ledger's event of acceptance vouches for, so that a receipt signed with a
// stolen key is exposed by its missing entry.
func StatementDigest(signed []byte) string {
	sum := sha256.Sum256(signed)
	return hex.EncodeToString(sum[:])
}

// VerifyStatement returns what a signed statement says. It refuses one that no
// key in known has signed, or that is not in canonical form
// ([post.FaultStatement]).
func VerifyStatement(signed []byte, known Verifiers) (Statement, error) {
	n, err := openNote(signed, known)
	if err != nil {
		return Statement{}, post.FaultStatement.Because(err)
	}
	body, ok := strings.CutPrefix(n.Text, statementLine+"\n")
	if !ok {
		return Statement{}, post.FaultStatement.At("it is not a receipt")
	}
	var s Statement
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return Statement{}, post.FaultStatement.Because(err)
	}
	again, err := json.Marshal(s)
	if err != nil || s.V != 1 || !bytes.Equal(append(again, '\n'), []byte(body)) {
		return Statement{}, post.FaultStatement.At("it is not in canonical form")
	}
	return s, nil
}

// CertifyReceiptKey signs the portal's public receipt key (a note key) with the
// checkpoint key, for a time.
func CertifyReceiptKey(vkey string, from, until time.Time, checkpoint note.Signer) ([]byte, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("certify receipt key: %w", err)
	}
	if v.Name() == checkpoint.Name() {
		return nil, errors.New("certify receipt key: it has the name of the checkpoint key")
	}
	if !from.Before(until) {
		return nil, errors.New("certify receipt key: the time is empty")
	}
	text := fmt.Sprintf("%s\n%s\n%s\n%s\n", certLine, vkey,
		from.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, checkpoint)
	if err != nil {
		return nil, fmt.Errorf("certify receipt key: %w", err)
	}
	return signed, nil
}

// CheckReceiptKey returns the receipt key that cert vouches for at a time (the
// statement's AcceptedAt), given the log's public keys.
func CheckReceiptKey(cert []byte, at time.Time, known Verifiers) (Verifiers, error) {
	n, err := openNote(cert, known)
	if err != nil {
		return nil, post.FaultStatement.Because(fmt.Errorf("open receipt key: %w", err))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 5 || lines[0] != certLine {
		return nil, post.FaultStatement.At("its key is not certified")
	}
	from, err1 := time.Parse(time.RFC3339, lines[2])
	until, err2 := time.Parse(time.RFC3339, lines[3])
	if err := errors.Join(err1, err2); err != nil {
		return nil, post.FaultStatement.Because(err)
	}
	if at.Before(from) || !at.Before(until) {
		return nil, post.FaultStatement.At("its key was not valid at that time")
	}
	return Known(lines[1])
}

// VerifyReceipt does all that somebody with a receipt in hand needs: cert by the
// log's key, statement by the certified key at the statement's own time.
func VerifyReceipt(signed, cert []byte, known Verifiers) (Statement, error) {
	claimed, err := claimedTime(signed)
	if err != nil {
		return Statement{}, err
	}
	key, err := CheckReceiptKey(cert, claimed, known)
	if err != nil {
		return Statement{}, err
	}
	return VerifyStatement(signed, key)
}

// claimedTime reads AcceptedAt before the signature is checked; VerifyStatement
// then vouches for it.
func claimedTime(signed []byte) (time.Time, error) {
	lines := strings.SplitN(string(signed), "\n", 3)
	if len(lines) < 3 || lines[0] != statementLine {
		return time.Time{}, post.FaultStatement.At("it is not a receipt")
	}
	var s Statement
	if err := json.Unmarshal([]byte(lines[1]), &s); err != nil {
		return time.Time{}, post.FaultStatement.Because(err)
	}
	return s.AcceptedAt, nil
}

// openNote is note.Open without its one looseness: base64 whose unused bits are
// not zero would let one signature be written in several ways.
func openNote(signed []byte, known note.Verifiers) (*note.Note, error) {
	n, err := note.Open(signed, known)
	if err != nil {
		return nil, err
	}
	for _, s := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return nil, fmt.Errorf("signature by %s: %w", s.Name, err)
		}
	}
	return n, nil
}
