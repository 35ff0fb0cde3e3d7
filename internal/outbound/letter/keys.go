package letter

import (
	"context"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/vault/seal"
)

// keyAge is how long one data key seals: an hour bounds what a stolen desk can
// open (DESIGN 3).
const keyAge = time.Hour

// Keys holds the current data key of a sealing program. It is safe for
// concurrent use.
type Keys struct {
	to   age.Recipient
	keep func(ctx context.Context, id string, wrapped []byte) error

	mu      sync.Mutex
	current *seal.DataKey // guarded by mu
}

// NewKeys returns keys wrapped to the recipient to. keep stores a wrapped key
// durably before the key seals anything.
func NewKeys(to age.Recipient, keep func(ctx context.Context, id string, wrapped []byte) error) *Keys {
	return &Keys{to: to, keep: keep}
}

// Current returns a data key at most an hour old. On failure nothing was sealed.
func (k *Keys) Current(ctx context.Context) (*seal.DataKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil && k.current.Age() < keyAge {
		return k.current, nil
	}
	fresh, wrapped, err := seal.NewDataKey(k.to)
	if err != nil {
		return nil, fmt.Errorf("make data key: %w", err)
	}
	if err := k.keep(ctx, fresh.ID(), wrapped); err != nil {
		return nil, fmt.Errorf("keep data key %s: %w", fresh.ID(), err)
	}
	k.current = fresh
	return fresh, nil
}
