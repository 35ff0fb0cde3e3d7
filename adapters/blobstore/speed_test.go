package blobstore

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/internal/pagecache"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/ratio"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// sealedLen is a document of 100 KB, sealed.
const sealedLen, many = 102_416, 64

func BenchmarkRatio(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	doc, ctx := content(sealedLen), b.Context()
	var group, files []string
	put := func() { group = putDocuments(ctx, b, s, doc) }
	putFiles := func() { files = writeFiles(b, s.dir, doc) }
	ratio.Row{Name: "64_documents_put_in_one_file_to_64_files", AtMost: 0.6, Rounds: 11}.Cost(b, put, putFiles)
	put()
	putFiles()
	at, buf := 0, make([]byte, 65_553)
	next := func() int { at++; return at % many }
	ratio.Row{Name: "a_document_read_from_one_file_to_a_file_of_its_own", Each: 2 * many}.Cost(b,
		func() {
			r, err := s.Get(ctx, group[next()])
			drain(b, r, err, buf)
		},
		func() {
			f, err := os.Open(files[next()])
			drain(b, f, err, buf)
		})
}

func putDocuments(ctx context.Context, b *testing.B, s *Store, doc []byte) (blobs []string) {
	b.Helper()
	err := s.PutGroup(ctx, func(g seal.Group) error {
		for range many {
			blob, _, _, err := g.Put(ctx, writing(doc))
			if err != nil {
				return err
			}
			blobs = append(blobs, blob)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return blobs
}

// writeFiles keeps the same bytes in a file each, as fast as that goes: all
// written, then all synced, then all named, in one directory.
func writeFiles(b *testing.B, dir string, doc []byte) (paths []string) {
	b.Helper()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var open []*os.File
	for range many {
		f, err := os.Create(filepath.Join(dir, incoming, "0", post.NewID()))
		check(err)
		sum := sha256.New()
		_, err = io.MultiWriter(f, sum).Write(doc)
		check(err)
		pagecache.StartWriting(f, 0, 0)
		open = append(open, f)
	}
	for _, f := range open {
		check(f.Sync())
		check(f.Close())
	}
	for _, f := range open {
		path := filepath.Join(dir, filepath.Base(f.Name()))
		check(os.Rename(f.Name(), path))
		paths = append(paths, path)
	}
	check(syncDir(dir))
	return paths
}

func drain(b *testing.B, r io.ReadCloser, err error, buf []byte) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for {
		if _, err := r.Read(buf); err == io.EOF { //nolint:errorlint // a reader says it bare
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
