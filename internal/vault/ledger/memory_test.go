package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

const origin = "log.test/engdal"

// memory is a small honest store; failKeep makes the next KeepCheckpoint fail.
type memory struct {
	mu       sync.Mutex
	waiting  []ledger.Placed
	rows     []ledger.Placed
	hashes   []tlog.Hash
	note     []byte
	noteSize int64
	owner    string
	until    time.Time
	fence    int64
	failKeep error
	keys     keys // of its log, where a test needs them later
}

func (m *memory) add(t *testing.T, n int) (ids []string) {
	t.Helper()
	for range n {
		e := ledger.New("inquiry.accepted", "engdal", post.NewID())
		r, err := ledger.Commit(e)
		if err != nil {
			t.Fatal(err)
		}
		m.waiting = append(m.waiting, ledger.Placed{ID: e.ID, Index: -1, Body: r.Body, Salt: r.Salt, Leaf: r.Leaf})
		ids = append(ids, e.ID)
	}
	return ids
}

func (m *memory) HoldSole(_ context.Context, _, owner string, d time.Duration) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner != owner {
		if time.Now().Before(m.until) {
			return 0, false, nil
		}
		m.owner = owner
		m.fence++
	}
	m.until = time.Now().Add(d)
	return m.fence, true, nil
}

func (m *memory) PlaceEvents(_ context.Context, _ string, fence int64, n int) (int, error) {
	if fence != m.fence {
		return 0, post.ErrStale
	}
	n = min(n, len(m.waiting))
	var leaves [][]byte
	for _, w := range m.waiting[:n] {
		leaves = append(leaves, w.Leaf)
	}
	fresh, err := ledger.Extend(int64(len(m.rows)), leaves, m.reader())
	if err != nil {
		return 0, err
	}
	for _, w := range m.waiting[:n] {
		w.Index = int64(len(m.rows))
		m.rows = append(m.rows, w)
	}
	m.hashes, m.waiting = append(m.hashes, fresh...), m.waiting[n:]
	return n, nil
}

func (m *memory) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(x []int64) ([]tlog.Hash, error) { return m.LedgerHashes(context.Background(), x) })
}

func (m *memory) KeepCheckpoint(_ context.Context, _ string, fence, size int64, checkpoint []byte) error {
	if err := m.failKeep; err != nil {
		m.failKeep = nil
		return err
	}
	if fence != m.fence || size < m.noteSize {
		return post.ErrStale
	}
	m.note, m.noteSize = checkpoint, size
	return nil
}

func (m *memory) LedgerState(context.Context) (int64, []byte, error) {
	return int64(len(m.rows)), m.note, nil
}

func (m *memory) LedgerHashes(_ context.Context, indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, x := range indexes {
		if x >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("hash %d is missing", x)
		}
		out = append(out, m.hashes[x])
	}
	return out, nil
}

func (m *memory) LedgerRows(_ context.Context, from, to int64) ([]ledger.Placed, error) {
	size := int64(len(m.rows))
	return slices.Clone(m.rows[min(from, size):min(to, size)]), nil
}

func (m *memory) LedgerLeaves(ctx context.Context, from, to int64) (leaves [][]byte, err error) {
	rows, err := m.LedgerRows(ctx, from, to)
	for _, r := range rows {
		leaves = append(leaves, r.Leaf)
	}
	return leaves, err
}

func (m *memory) LedgerRow(_ context.Context, id string) (ledger.Placed, error) {
	for _, r := range append(slices.Clone(m.rows), m.waiting...) {
		if r.ID == id {
			return r, nil
		}
	}
	return ledger.Placed{}, post.ErrNotFound
}

var (
	_ ledger.Store       = (*memory)(nil)
	_ ledger.ProofSource = (*memory)(nil)
)

// keys of one log.
type keys struct {
	signer note.Signer
	vkey   string
	known  ledger.Verifiers
}

func newKeys(t *testing.T, name string) keys {
	t.Helper()
	skey, vkey, err := ledger.GenerateCheckpointKey(name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	known, err := ledger.Known(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return keys{signer, vkey, known}
}

func integrator(t *testing.T, s ledger.Store, dir string, k keys) *ledger.Integrator {
	t.Helper()
	return integratorOf(t, ledger.Config{Store: s, Dir: dir, Signer: k.signer})
}

func integratorOf(t *testing.T, c ledger.Config) *ledger.Integrator {
	t.Helper()
	c.Origin, c.Log = origin, slog.New(slog.DiscardHandler)
	g, err := ledger.NewIntegrator(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func step(t *testing.T, g *ledger.Integrator) int64 {
	t.Helper()
	size, err := g.Step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func (m *memory) release() { m.until = time.Time{} }

var errCrash = errors.New("the machine stopped")
