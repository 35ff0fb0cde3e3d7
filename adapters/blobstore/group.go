package blobstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Put stores what write writes. See [seal.Putter].
func (s *Store) Put(ctx context.Context, write func(io.Writer) error) (blob string, sum []byte, size int64, err error) {
	err = s.PutGroup(ctx, func(g seal.Group) (err error) {
		blob, sum, size, err = g.Put(ctx, write)
		return err
	})
	if err != nil {
		return "", nil, 0, err
	}
	return blob, sum, size, nil
}

// PutGroup stores what fill puts, as one group: when it returns without error
// every blob of it is durable, when it fails, or when fill does, none is kept. A
// single Put within fill may fail and be left out. The group serves one
// goroutine at a time, and no longer than fill runs. It takes 127 blobs, those
// that are left out included.
func (s *Store) PutGroup(ctx context.Context, fill func(seal.Group) error) error {
	g := &group{store: s, id: post.NewID()}
	defer g.drop()
	err := fill(g)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = full(g.keep())
	}
	if err != nil {
		return fmt.Errorf("put blobs: %w", err)
	}
	return nil
}

// group is blobs on their way, all in one file.
type group struct {
	store *Store
	id    string
	out   *writer // nil before the first Put
	sum   hash.Hash
	slots []slot // what was left out is gone
}

var errMany = errors.New("a group takes no more blobs")

// Put writes a blob without making it durable. See [Store.PutGroup].
func (g *group) Put(ctx context.Context, write func(io.Writer) error) (blob string, sum []byte, size int64, err error) {
	if len(g.slots) == maxBlobs {
		return "", nil, 0, fmt.Errorf("put blob: %w", errMany)
	}
	if err := g.open(); err != nil {
		return "", nil, 0, fmt.Errorf("put blob: %w", full(err))
	}
	from := g.out.end()
	g.sum.Reset()
	c := counter{ctx: ctx, out: g.out, sum: g.sum}
	if err = write(&c); err == nil {
		err = g.out.align()
	}
	if err != nil {
		g.out.back(from)
		return "", nil, 0, fmt.Errorf("put blob: %w", full(err))
	}
	g.slots = append(g.slots, slot{from, c.n, kept})
	return place{g.id, len(g.slots) - 1}.blob(), c.sum.Sum(nil), c.n, nil
}

// open makes the file, in the directory that its last digit says.
func (g *group) open() error {
	if g.out != nil {
		return nil
	}
	path := filepath.Join(g.store.dir, incoming, g.id[len(g.id)-1:], g.id+suffix)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	g.out, g.sum = newWriter(f), sha256.New()
	return nil
}

// Leave implements [seal.Group].
func (g *group) Leave(blob string) {
	if p, ok := find(blob); ok && p.id == g.id && p.slot != alone && p.slot < len(g.slots) {
		g.slots[p.slot].state = gone
	}
}

// keep makes every blob durable, then gives the file its name, then makes that
// durable.
func (g *group) keep() error {
	last := len(g.slots) - 1
	for last >= 0 && g.slots[last].state != kept {
		last--
	}
	if last < 0 {
		return nil
	}
	slots := g.slots[:last+1]
	g.out.back(slots[last].end())
	if _, err := g.out.Write(encode(g.id, time.Now(), slots)); err != nil {
		return err
	}
	if err := g.out.flush(); err != nil {
		return err
	}
	for _, s := range slots {
		if s.state == kept {
			continue
		}
		if err := erase(g.out.f, s.offset, s.end()-s.offset); err != nil {
			return err
		}
	}
	if err := g.out.finish(); err != nil {
		return err
	}
	return g.name()
}

// name gives the file its name.
func (g *group) name() error {
	p := place{id: g.id}
	from, to, at := g.out.f.Name(), g.store.path(p), shardOf(g.id)
	if err := g.store.places.enter(at); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) { // the directory was taken away meanwhile
		g.store.places.forget(at)
		if err = g.store.places.enter(at); err == nil {
			err = os.Rename(from, to)
		}
	}
	if err != nil {
		return err
	}
	err = syncDir(filepath.Dir(to))
	if err != nil {
		os.Remove(to) //nolint:errcheck // nobody knows its blobs: retention sweeps them
		return err
	}
	g.store.recent.Touch(to, g.out.end())
	return nil
}

// drop ends the writing, and removes what has no name. What it cannot remove is
// nobody's: Open sweeps it.
func (g *group) drop() {
	if g.out != nil {
		g.out.close()
		os.Remove(g.out.f.Name()) //nolint:errcheck // it has its name, or is swept later
	}
}

// counter counts and digests one blob.
type counter struct {
	ctx context.Context //nolint:containedctx // io.Writer has no place for one; it lives for one Put
	out *writer
	sum hash.Hash
	n   int64
}

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.out.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	return n, err
}
