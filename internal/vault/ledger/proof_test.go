package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

func TestInclusionIsProvenOffline(t *testing.T) {
	m, k := &memory{}, newKeys(t, origin)
	ids := m.add(t, 300)
	if _, err := ledger.Prove(t.Context(), m, ids[0]); !errors.Is(err, ledger.ErrPending) {
		t.Errorf("before the checkpoint: %v", err)
	}
	g := integrator(t, m, t.TempDir(), k)
	step(t, g)
	late := m.add(t, 1)[0]
	if _, err := ledger.Prove(t.Context(), m, late); !errors.Is(err, ledger.ErrPending) {
		t.Errorf("waiting event: %v", err)
	}
	for _, i := range []int{0, 1, 127, 128, 255, 256, 298, 299} {
		p, err := ledger.Prove(t.Context(), m, ids[i])
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var carried ledger.Proof
		if err := json.Unmarshal(text, &carried); err != nil {
			t.Fatal(err)
		}
		e, err := ledger.CheckInclusion(carried, k.known)
		if err != nil || e.ID != ids[i] || e.Kind != "inquiry.accepted" {
			t.Errorf("event %d: %v, %v", i, e, err)
		}
		if _, err := ledger.CheckInclusion(carried, newKeys(t, origin).known); !errors.Is(err, post.FaultInclusion) {
			t.Errorf("another log's key: %v", err)
		}
	}
	if _, err := ledger.Prove(t.Context(), m, "unknown"); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("unknown event: %v", err)
	}
}

func TestAlteredProofsAreRefused(t *testing.T) {
	m, k := &memory{}, newKeys(t, origin)
	ids := m.add(t, 11)
	step(t, integrator(t, m, t.TempDir(), k))
	for name, alter := range map[string]func(*ledger.Proof){
		"body":                func(p *ledger.Proof) { p.Body = bytes.Replace(p.Body, []byte("accepted"), []byte("rejected"), 1) },
		"salt":                func(p *ledger.Proof) { p.Salt = bytes.Repeat([]byte{1}, 32) },
		"place":               func(p *ledger.Proof) { p.Index++ },
		"negative place":      func(p *ledger.Proof) { p.Index = -1 },
		"place beyond":        func(p *ledger.Proof) { p.Index = 11 },
		"path":                func(p *ledger.Proof) { p.Path[0][0] ^= 1 },
		"shorter path":        func(p *ledger.Proof) { p.Path = p.Path[1:] },
		"no path":             func(p *ledger.Proof) { p.Path = nil },
		"checkpoint":          func(p *ledger.Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n11\n", "\n12\n", 1) },
		"no checkpoint":       func(p *ledger.Proof) { p.Checkpoint = "" },
		"checkpoint unsigned": func(p *ledger.Proof) { p.Checkpoint, _, _ = strings.Cut(p.Checkpoint, "—") },
	} {
		p, err := ledger.Prove(t.Context(), m, ids[4])
		if err != nil {
			t.Fatal(err)
		}
		alter(&p)
		if _, err := ledger.CheckInclusion(p, k.known); !errors.Is(err, post.FaultInclusion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErasingTheSaltErasesTheEventNotTheLog(t *testing.T) {
	m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
	ids := m.add(t, 20)
	step(t, integrator(t, m, dir, k))
	m.rows[3].Salt, m.rows[3].Body = nil, nil
	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Audit(t.Context(), m, checkpoint, k.known)
	if err != nil || report != (ledger.Report{Size: 20, Erased: 1, Bodies: 19}) {
		t.Errorf("got %+v, %v", report, err)
	}
	if _, err := ledger.Prove(t.Context(), m, ids[3]); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("an erased event is proven: %v", err)
	}
}

func TestAuditFindsEveryTampering(t *testing.T) {
	for name, tamper := range map[string]func(m *memory){
		"body edited": func(m *memory) { m.rows[4].Body = bytes.Replace(m.rows[4].Body, []byte("engdal"), []byte("fjordb"), 1) },
		"body and leaf edited": func(m *memory) {
			m.rows[4].Body = []byte("{}")
			m.rows[4].Leaf = ledger.Leaf(m.rows[4].Salt, m.rows[4].Body)
		},
		"salt edited":    func(m *memory) { m.rows[4].Salt = bytes.Repeat([]byte{9}, 32) },
		"row deleted":    func(m *memory) { m.rows = append(m.rows[:4:4], m.rows[5:]...) },
		"last deleted":   func(m *memory) { m.rows = m.rows[:len(m.rows)-1] },
		"all deleted":    func(m *memory) { m.rows = nil },
		"rows reordered": func(m *memory) { m.rows[4], m.rows[5] = m.rows[5], m.rows[4] },
		"places swapped": func(m *memory) {
			m.rows[4], m.rows[5] = m.rows[5], m.rows[4]
			m.rows[4].Index, m.rows[5].Index = 4, 5
		},
		"row inserted":         func(m *memory) { m.rows = append(m.rows[:4:4], append([]ledger.Placed{m.rows[0]}, m.rows[4:]...)...) },
		"hash edited":          func(m *memory) { m.hashes[len(m.hashes)-1][0] ^= 1 },
		"only the body erased": func(m *memory) { m.rows[4].Body = nil },
	} {
		t.Run(name, func(t *testing.T) {
			m, k, dir := &memory{}, newKeys(t, origin), t.TempDir()
			m.add(t, 16)
			step(t, integrator(t, m, dir, k))
			checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
			if err != nil {
				t.Fatal(err)
			}
			if report, err := ledger.Audit(t.Context(), m, checkpoint, k.known); err != nil || report.Bodies != 16 {
				t.Fatalf("the untouched log: %+v, %v", report, err)
			}
			tamper(m)
			if _, err := ledger.Audit(t.Context(), m, checkpoint, k.known); !errors.Is(err, ledger.ErrDiverged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func statement() ledger.Statement {
	return ledger.Statement{Reference: "SP-0000-0000", Tenant: "engdal", Inquiry: "0190c3a0-0000-7000-8000-000000000001",
		AcceptedAt: time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC), Digest: strings.Repeat("ab", 32),
		DueAt: time.Date(2026, 9, 3, 21, 59, 59, 0, time.UTC)}
}

func TestReceiptIsVerifiedWithTheLogsKeyAlone(t *testing.T) {
	log, portal := newKeys(t, origin), newKeys(t, "receipt.test/portal-1")
	s := statement()
	cert, err := ledger.CertifyReceiptKey(portal.vkey, s.AcceptedAt.Add(-time.Hour), s.AcceptedAt.Add(time.Hour), log.signer)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ledger.SignStatement(s, portal.signer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ledger.VerifyReceipt(signed, cert, log.known)
	s.V = 1
	if err != nil || got != s {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i := range signed {
		flipped := bytes.Clone(signed)
		flipped[i] ^= 1
		if _, err := ledger.VerifyReceipt(flipped, cert, log.known); err == nil {
			t.Fatalf("byte %d of the receipt is free", i)
		}
	}
	for i := range cert {
		flipped := bytes.Clone(cert)
		flipped[i] ^= 1
		if _, err := ledger.VerifyReceipt(signed, flipped, log.known); !errors.Is(err, post.FaultStatement) {
			t.Fatalf("byte %d of the certificate: %v", i, err)
		}
	}
	early, late := s, s
	early.AcceptedAt, late.AcceptedAt = s.AcceptedAt.Add(-2*time.Hour), s.AcceptedAt.Add(time.Hour)
	for _, other := range []ledger.Statement{early, late} {
		signed, err := ledger.SignStatement(other, portal.signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.VerifyReceipt(signed, cert, log.known); !errors.Is(err, post.FaultStatement) {
			t.Errorf("signed outside the key's time: %v", err)
		}
	}
	stolen, err := ledger.SignStatement(s, newKeys(t, "receipt.test/portal-1").signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.VerifyReceipt(stolen, cert, log.known); !errors.Is(err, post.FaultStatement) {
		t.Errorf("another key of the same name: %v", err)
	}
	if len(ledger.StatementDigest(signed)) != 64 || ledger.StatementDigest(signed) == ledger.StatementDigest(stolen) {
		t.Error("the digest does not tell receipts apart")
	}
}

func TestSignedThingsAreNotTakenForOneAnother(t *testing.T) {
	log, portal := newKeys(t, origin), newKeys(t, "receipt.test/portal-1")
	now := time.Now()
	cert, err := ledger.CertifyReceiptKey(portal.vkey, now, now.Add(time.Hour), log.signer)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ledger.SignStatement(statement(), log.signer)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := note.Sign(&note.Note{Text: origin + "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"}, log.signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, thing := range map[string][]byte{"certificate": cert, "statement": signed} {
		if _, err := ledger.OpenCheckpoint(thing, log.known); err == nil {
			t.Errorf("a %s passes as checkpoint", name)
		}
	}
	for name, thing := range map[string][]byte{"certificate": cert, "checkpoint": checkpoint} {
		if _, err := ledger.VerifyStatement(thing, log.known); !errors.Is(err, post.FaultStatement) {
			t.Errorf("a %s passes as statement: %v", name, err)
		}
	}
	for name, thing := range map[string][]byte{"statement": signed, "checkpoint": checkpoint} {
		if _, err := ledger.CheckReceiptKey(thing, now, log.known); !errors.Is(err, post.FaultStatement) {
			t.Errorf("a %s passes as certificate: %v", name, err)
		}
	}
	if _, err := ledger.CertifyReceiptKey(log.vkey, now, now.Add(time.Hour), log.signer); err == nil {
		t.Error("the checkpoint key certifies itself")
	}
	if _, err := ledger.CertifyReceiptKey(portal.vkey, now, now, log.signer); err == nil {
		t.Error("an empty time is certified")
	}
}

func TestReadSigner(t *testing.T) {
	skey, vkey, err := ledger.GenerateCheckpointKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(skey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, got, err := ledger.ReadSigner(path)
	if err != nil || got != vkey || s.Name() != origin {
		t.Fatalf("got %s, %v", got, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ledger.ReadSigner(path); err == nil {
		t.Error("a key that others may read is taken")
	}
	if err := os.WriteFile(path, []byte(skey[:40]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ledger.ReadSigner(path); err == nil || strings.Contains(err.Error(), skey[30:40]) {
		t.Errorf("a broken key: %v", err)
	}
}
