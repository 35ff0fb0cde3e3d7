//go:build linux

package letterbench

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
)

// books are the rows of the floor that keeps any: a letter's sealed values before its
// document is taken, its intent with the digest of the form before it is sent, its
// receipt and its end together. Four statements for up to a hundred letters, prepared
// once, three commits; no keys but one, no index, nobody else to wait for, and nothing
// that says what happened when.
type books struct{ db *sql.DB }

func openBooks(ctx context.Context, address string) (*books, error) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(16)
	context.AfterFunc(ctx, func() { _ = db.Close() })
	return &books{db}, nil
}

// makeBooks makes the tables, which end with the benchmark, and returns their address.
func makeBooks(b testing.TB, address string) string {
	at := suite.Schema(b, address)
	db, err := sql.Open("pgx", at)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{
		`CREATE TABLE floor_letter (id TEXT PRIMARY KEY, state TEXT NOT NULL, sealed BYTEA NOT NULL, digest BYTEA)`,
		`CREATE TABLE floor_receipt (id TEXT PRIMARY KEY, raw BYTEA NOT NULL)`,
	} {
		if _, err := db.ExecContext(b.Context(), table); err != nil {
			b.Fatal(err)
		}
	}
	return at
}

// sealedLen is about what is sealed of a letter beside its document: recipient and
// content.
const sealedLen = 1000

func same(n int, value []byte) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = value
	}
	return all
}

func (k *books) accept(ctx context.Context, ids []string) error {
	if k == nil {
		return nil
	}
	_, err := k.db.ExecContext(ctx, `INSERT INTO floor_letter SELECT id, 'accepted', sealed, NULL FROM unnest($1::text[], $2::bytea[]) AS a (id, sealed)`,
		ids, same(len(ids), make([]byte, sealedLen)))
	return err
}

func (k *books) intend(ctx context.Context, ids []string) error {
	if k == nil {
		return nil
	}
	_, err := k.db.ExecContext(ctx, `UPDATE floor_letter l SET state = 'handing-over', digest = a.digest FROM unnest($1::text[], $2::bytea[]) AS a (id, digest) WHERE l.id = a.id`,
		ids, same(len(ids), make([]byte, sha256.Size)))
	return err
}

func (k *books) settle(ctx context.Context, ids []string) error {
	if k == nil {
		return nil
	}
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // committed, or given up
	if _, err := tx.ExecContext(ctx, `INSERT INTO floor_receipt SELECT id, raw FROM unnest($1::text[], $2::bytea[]) AS a (id, raw)`,
		ids, same(len(ids), make([]byte, sealedLen))); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE floor_letter l SET state = 'delivered' FROM unnest($1::text[]) AS a (id) WHERE l.id = a.id`, ids); err != nil {
		return err
	}
	return tx.Commit()
}
