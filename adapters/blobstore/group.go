package blobstore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

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
// goroutine at a time, and no longer than fill runs. A file stays open for each
// blob until the end, so a group has some hundred at most.
func (s *Store) PutGroup(ctx context.Context, fill func(seal.Group) error) error {
	g := &group{store: s}
	err := fill(g)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = full(g.keep())
	}
	if err != nil {
		g.drop()
		return fmt.Errorf("put blobs: %w", err)
	}
	return nil
}

// group is blobs on their way, all in one shard: their names end alike.
type group struct {
	store *Store
	shard shard
	files []*incomingFile
}

type incomingFile struct {
	*os.File
	blob string
	end  string // where it is kept
	done bool   // it is there
}

// Put writes a blob without making it durable. See [Store.PutGroup].
func (g *group) Put(ctx context.Context, write func(io.Writer) error) (blob string, sum []byte, size int64, err error) {
	blob = post.NewID()
	if len(g.files) == 0 {
		g.shard = shardOf(blob)
	}
	blob = g.shard.named(blob)
	f, err := os.OpenFile(filepath.Join(g.store.dir, incoming, blob[len(blob)-1:], blob), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, 0, fmt.Errorf("put blob: %w", full(err))
	}
	w := writers.Get().(*counter) //nolint:forcetypeassert // the pool holds nothing else
	defer w.free()
	w.begin(ctx, f)
	err = write(w)
	if err == nil {
		err = w.out.Flush()
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name()) //nolint:errcheck // swept later
		return "", nil, 0, fmt.Errorf("put blob: %w", full(err))
	}
	startWriting(f)
	g.files = append(g.files, &incomingFile{File: f, blob: blob, end: g.store.path(blob)})
	return blob, w.sum.Sum(nil), w.n, nil
}

// Leave implements [seal.Group].
func (g *group) Leave(blob string) {
	g.files = slices.DeleteFunc(g.files, func(f *incomingFile) bool {
		if f.blob != blob {
			return false
		}
		f.Close()
		os.Remove(f.Name()) //nolint:errcheck // swept later
		return true
	})
}

// keep makes every blob durable, then gives all their names, then makes those
// durable.
func (g *group) keep() error {
	if len(g.files) == 0 {
		return nil
	}
	for _, f := range g.files {
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if err := g.store.places.enter(g.shard); err != nil {
		return err
	}
	for i := 0; i < len(g.files); i++ {
		f := g.files[i]
		err := os.Rename(f.Name(), f.end)
		if errors.Is(err, fs.ErrNotExist) && i == 0 { // the directory was taken away meanwhile
			g.store.places.forget(g.shard)
			if err = g.store.places.enter(g.shard); err == nil {
				err = os.Rename(f.Name(), f.end)
			}
		}
		if err != nil {
			return err
		}
		f.done = true
	}
	return syncDir(g.store.places.path(g.shard))
}

// drop removes all of the group. What it cannot remove is nobody's: the next
// Open sweeps it, or retention does.
func (g *group) drop() {
	for _, f := range g.files {
		f.Close() // closed already, or given up
		at := f.Name()
		if f.done {
			at = f.end
		}
		os.Remove(at) //nolint:errcheck // see above
	}
}

// counter counts and digests what goes into a file. Sealed bytes come in
// pieces of 16 bytes and of 64 KB; the buffer makes one write of most blobs.
type counter struct {
	ctx context.Context //nolint:containedctx // io.Writer has no place for one; it lives for one Put
	out *bufio.Writer
	sum hash.Hash
	n   int64
}

var writers = sync.Pool{New: func() any {
	return &counter{out: bufio.NewWriterSize(nil, 256<<10), sum: sha256.New()}
}}

func (c *counter) begin(ctx context.Context, f *os.File) {
	c.ctx, c.n = ctx, 0
	c.out.Reset(f)
	c.sum.Reset()
}

func (c *counter) free() {
	c.ctx = nil
	c.out.Reset(nil)
	writers.Put(c)
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
