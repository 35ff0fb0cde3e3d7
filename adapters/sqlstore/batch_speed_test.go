package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/ratio"
)

// speedStore opens a store of the benchmark's own: PostgreSQL when
// SIKKERPOST_POSTGRES is set, else SQLite.
func speedStore(b *testing.B) (*Store, string) {
	b.Helper()
	ctx := context.Background()
	address, engine := "sqlite://"+filepath.Join(b.TempDir(), "speed.db"), "SQLite"
	if server := os.Getenv("SIKKERPOST_POSTGRES"); server != "" {
		address, engine = suite.Schema(b, server), "PostgreSQL"
	}
	s, err := Open(ctx, address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s, engine
}

func speedPart(n int) batch.Part {
	p := batch.Part{N: n, Digest: []byte("digest")}
	for i := range batch.PartLines {
		l := batch.SealedLine{N: (n-1)*batch.PartLines + i + 1, Letter: post.LetterID(post.NewID()), Reference: post.NewReference(),
			Document: strings.Repeat("ab", 32), Key: make([]byte, 32), Digest: make([]byte, 32), Recipient: make([]byte, 380), Content: make([]byte, 520)}
		for _, c := range [][]byte{l.Key, l.Digest, l.Recipient, l.Content} {
			rand.Read(c)
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}

// BenchmarkRatio compares the intake of a part, with everything that it checks
// and keeps, with a bare multi-row insert of the same rows in one transaction.
func BenchmarkRatio(b *testing.B) {
	ctx := context.Background()
	s, engine := speedStore(b)
	if _, err := s.write.ExecContext(ctx, `CREATE TABLE bare (batch TEXT NOT NULL, n BIGINT NOT NULL, letter TEXT NOT NULL, reference TEXT NOT NULL,
		business BYTEA NOT NULL, digest BYTEA NOT NULL, document TEXT NOT NULL, recipient BYTEA NOT NULL, content BYTEA NOT NULL,
		arrive TEXT NOT NULL, registered BIGINT NOT NULL, PRIMARY KEY (batch, n))`); err != nil {
		b.Fatal(err)
	}
	id := post.BatchID(post.NewID())
	const parts = 60
	if _, err := s.OpenBatch(ctx, batch.Opened{ID: id, Tenant: "engdal", Client: "case", Key: []byte("k"), Digest: []byte("d"), Count: parts * batch.PartLines}); err != nil {
		b.Fatal(err)
	}
	var made, bare []batch.Part
	for n := range parts {
		made, bare = append(made, speedPart(n+1)), append(bare, speedPart(n+1))
	}
	ratio.Row{Name: "batch_intake,_speed_to_bare_multi-row_insert_(" + engine + ")", AtLeast: 0.6, Rounds: 15}.Speed(b, func() {
		p := made[0]
		made = made[1:]
		if _, err := s.PutBatchLines(ctx, "engdal", id, p); err != nil {
			b.Fatal(err)
		}
	}, func() {
		p := bare[0]
		bare = bare[1:]
		if err := insertBare(ctx, s, id, p); err != nil {
			b.Fatal(err)
		}
	})
}

func insertBare(ctx context.Context, s *Store, id post.BatchID, p batch.Part) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		rows := make([][]any, 0, len(p.Lines))
		for _, l := range p.Lines {
			rows = append(rows, []any{string(id), int64(l.N), string(l.Letter), l.Reference, l.Key, l.Digest, l.Document, l.Recipient, l.Content, string(l.Arrive), truth(l.Registered)})
		}
		_, err := s.d.insertRows(ctx, tx, "bare", "batch, n, letter, reference, business, digest, document, recipient, content, arrive, registered", "", rows)
		return err
	})
}

// BenchmarkClose tells how many letters a second closing and releasing make.
func BenchmarkClose(b *testing.B) {
	ctx := context.Background()
	s, _ := speedStore(b)
	const parts = 10
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		id := post.BatchID(post.NewID())
		key := []byte(fmt.Sprint(round))
		if _, err := s.OpenBatch(ctx, batch.Opened{ID: id, Tenant: "engdal", Client: "case", Key: key, Digest: key, Count: parts * batch.PartLines}); err != nil {
			b.Fatal(err)
		}
		for n := range parts {
			if _, err := s.PutBatchLines(ctx, "engdal", id, speedPart(n+1)); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := s.write.ExecContext(ctx, `INSERT INTO batch_document (batch, sha256, header, blob, blob_sha256, blob_size, clear_size)
			SELECT id, $1, digest, 'blob', digest, 1, 1 FROM batch WHERE id = $2`, strings.Repeat("ab", 32), string(id)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		from := time.Now()
		for _, step := range []func() (int, error){
			func() (int, error) { return s.CloseBatch(ctx, "engdal", id, 100) },
			func() (int, error) { return s.ApproveBatch(ctx, "engdal", id, "approver", 100) },
		} {
			for left := 1; left > 0; {
				var err error
				if left, err = step(); err != nil {
					b.Fatal(err)
				}
			}
			b.Logf("%d letters in %s", parts*batch.PartLines, time.Since(from))
			from = time.Now()
		}
	}
}
