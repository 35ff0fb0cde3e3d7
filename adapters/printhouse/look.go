package printhouse

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

// look has the documents looked at before they are rendered, when the tenant
// asks for it. What was found good stays good: the same letter is rendered
// several times.
func (h *House) look(ctx context.Context, j dispatch.Job) error {
	if !h.preflight.Checks(j.Tenant.ID) {
		return nil
	}
	lines, err := address(j.Recipient)
	if err != nil {
		return permanent(err)
	}
	key, err := lookKey(j, lines)
	if err != nil || h.good.has(key) {
		return err
	}
	documents := make([]preflight.Document, len(j.Documents))
	var total int64
	for i, d := range j.Documents {
		if total += d.Size; total > maxDocuments {
			return permanent(post.FaultPrintTooLarge)
		}
		if documents[i].Content, err = content(d); err != nil {
			return fmt.Errorf("document %d: %w", i+1, err)
		}
		if i == 0 {
			documents[i].Address = lines
		}
	}
	err = h.preflight.Check(ctx, j.Tenant.ID, documents)
	var fault *post.Fault
	switch {
	case errors.As(err, &fault):
		return permanent(err)
	case err != nil:
		return err
	}
	h.good.add(key)
	return nil
}

func content(d dispatch.Document) ([]byte, error) {
	r, err := d.Open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxDocuments))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return b, nil
}

// lookKey is what a look depends on.
func lookKey(j dispatch.Job, lines []string) ([32]byte, error) {
	var sums [][32]byte
	for _, d := range j.Documents {
		sums = append(sums, d.SHA256)
	}
	text, err := json.Marshal(struct {
		Tenant post.TenantID
		Lines  []string
		Sums   [][32]byte
	}{j.Tenant.ID, lines, sums})
	if err != nil {
		return [32]byte{}, fmt.Errorf("key of a look: %w", err)
	}
	return sha256.Sum256(text), nil
}

// memory holds the last few keys.
type memory struct {
	mu   sync.Mutex
	keys [][32]byte
}

// remembered bounds a memory.
const remembered = 256

func (m *memory) has(key [32]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.keys, key)
}

func (m *memory) add(key [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.keys) == remembered {
		m.keys = m.keys[1:]
	}
	m.keys = append(m.keys, key)
}
