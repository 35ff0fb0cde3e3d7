// Package unseal opens what package seal closed. It is a package of its own so
// that a program which must never open anything does not link it.
//
// It refuses whatever was altered by one bit, a header that belongs to another
// payload, and a package whose facts are not those asked for. An opening that
// fails answers [post.FaultSealed] and never says which key was tried. What a
// stream gives before it fails is authentic but perhaps not whole: use nothing
// of it before io.EOF.
package unseal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// maxIdentities bounds an identity file.
const maxIdentities = 1 << 20

// ReadIdentitiesFile reads age identities (AGE-SECRET-KEY-PQ-1… or
// AGE-SECRET-KEY-1…), one a line. It refuses a file that others may read.
func ReadIdentitiesFile(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read identities %s: %w", path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read identities %s: %w", path, post.FaultIdentity.At("others may read it: mode %04o", info.Mode().Perm()))
	}
	ids, err := age.ParseIdentities(io.LimitReader(f, maxIdentities))
	if err != nil {
		// The parser's words may hold a part of the line, which is a secret.
		return nil, fmt.Errorf("read identities %s: %w", path, post.FaultIdentity)
	}
	return ids, nil
}

// Payload opens payload, whose header was kept apart. The reader gives only
// authentic bytes; a failure before io.EOF means that the whole is not to be
// used.
func Payload(header []byte, payload io.Reader, ids ...age.Identity) (io.Reader, error) {
	return envelope.Open(header, payload, ids...)
}

// Small opens a value kept in the database.
func Small(sealed []byte, ids ...age.Identity) ([]byte, error) {
	return envelope.OpenSmall(sealed, ids...)
}

// WrappedKeys is where wrapped data keys are stored.
type WrappedKeys interface {
	// WrappedDataKey returns the wrapped key with id. A key that is gone is
	// [post.ErrNotFound]: what was sealed under it can never be opened again.
	// Any other failure is passing.
	WrappedDataKey(ctx context.Context, id string) ([]byte, error)
}

// maxCached bounds the opened data keys held in memory: about ten days of
// hourly keys of one desk.
const maxCached = 256

// DataKeys returns an identity that opens what is sealed under data keys which
// ids can open. Each data key is fetched and opened once. ctx bounds the
// fetching for as long as the identity is used.
func DataKeys(ctx context.Context, src WrappedKeys, ids ...age.Identity) age.Identity {
	return &dataKeys{ctx: ctx, src: src, ids: ids, open: map[string]*envelope.Key{}}
}

type dataKeys struct {
	ctx context.Context //nolint:containedctx // age.Identity has no place for one
	src WrappedKeys
	ids []age.Identity

	mu   sync.Mutex // guards open
	open map[string]*envelope.Key
}

// Unwrap implements age.Identity.
func (d *dataKeys) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	ids := envelope.KeyIDs(seal.DataKeyStanza, stanzas)
	if len(ids) == 0 {
		return nil, age.ErrIncorrectIdentity
	}
	if !post.ValidUUID(ids[0]) { // a letter's file key is wrapped once
		return nil, envelope.ErrSealed
	}
	k, err := d.key(ids[0])
	if err != nil {
		return nil, err
	}
	return k.Unwrap(stanzas)
}

func (d *dataKeys) key(id string) (*envelope.Key, error) {
	d.mu.Lock()
	k := d.open[id]
	d.mu.Unlock()
	if k != nil {
		return k, nil
	}
	wrapped, err := d.src.WrappedDataKey(d.ctx, id)
	if errors.Is(err, post.ErrNotFound) {
		return nil, envelope.ErrSealed
	}
	if err != nil {
		return nil, &envelope.Passing{Err: fmt.Errorf("fetch data key %s: %w", id, err)}
	}
	text, err := Small(wrapped, d.ids...)
	if err != nil {
		return nil, err
	}
	k = &envelope.Key{Type: seal.DataKeyStanza, ID: id}
	secret, ok := bytes.CutPrefix(text, seal.DataKeyText(id, nil))
	if !ok || len(secret) != len(k.Secret) {
		return nil, envelope.ErrSealed
	}
	copy(k.Secret[:], secret)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.open) >= maxCached {
		clear(d.open)
	}
	d.open[id] = k
	return k, nil
}
