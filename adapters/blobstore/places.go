package blobstore

import (
	"os"
	"path/filepath"
	"sync"
)

// A shard is the end of a file's UUID: two times two hexadecimal digits, which
// name the directory that holds it and the one above.
type shard string

func shardOf(blob string) shard { return shard(blob[len(blob)-4:]) }

func (s shard) outer() string { return string(s[2:]) }
func (s shard) inner() string { return string(s[:2]) }

// places makes the directories of shards, and remembers which of their names are
// durable, so that these are not synced again. What another process made is not
// trusted: it may have died before it synced.
type places struct {
	dir     string
	mu      sync.Mutex
	durable map[string]bool // paths below dir; at most 65,792
}

func (p *places) path(s shard) string { return filepath.Join(p.dir, s.outer(), s.inner()) }

// enter makes the directory of a shard, and its name durable.
func (p *places) enter(s shard) error {
	inner := filepath.Join(s.outer(), s.inner())
	if p.known(inner) {
		return nil
	}
	if err := os.MkdirAll(p.path(s), 0o700); err != nil {
		return err
	}
	if !p.known(s.outer()) {
		if err := syncDir(p.dir); err != nil {
			return err
		}
		p.learn(s.outer())
	}
	if err := syncDir(filepath.Join(p.dir, s.outer())); err != nil {
		return err
	}
	p.learn(inner)
	return nil
}

func (p *places) known(path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.durable[path]
}

func (p *places) learn(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.durable == nil {
		p.durable = map[string]bool{}
	}
	p.durable[path] = true
}

// forget is for a shard whose directory is gone.
func (p *places) forget(s shard) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.durable, s.outer())
	delete(p.durable, filepath.Join(s.outer(), s.inner()))
}
