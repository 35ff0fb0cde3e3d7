package sqlstore

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
)

// packed is a driver's map as [packArrays] leaves it.
func packed(tb testing.TB) *pgtype.Map {
	tb.Helper()
	m := pgtype.NewMap()
	if n := packInto(m); n != 3 {
		tb.Fatalf("%d of 3 types of arrays are written by us", n)
	}
	return m
}

func TestListsAreWrittenAsTheDriverWritesThem(t *testing.T) {
	ours, driver := packed(t), pgtype.NewMap()
	many := make([]string, 1000)
	for i := range many {
		many[i] = strings.Repeat("æ", i%70)
	}
	for _, c := range []struct {
		oid  uint32
		list any
	}{
		{pgtype.TextArrayOID, []string(nil)},
		{pgtype.TextArrayOID, []string{}},
		{pgtype.TextArrayOID, []string{"", "a", "NULL", "{,}", "\x00\xff"}},
		{pgtype.TextArrayOID, many},
		{pgtype.Int8ArrayOID, []int64{}},
		{pgtype.Int8ArrayOID, []int64{0, 1, -1, math.MaxInt64, math.MinInt64}},
		{pgtype.ByteaArrayOID, [][]byte{}},
		{pgtype.ByteaArrayOID, [][]byte{{}, {0}, bytes.Repeat([]byte{7}, 5000)}},
		{pgtype.ByteaArrayOID, [][]byte{nil, {1}, {}, nil}},
		// What is not one of ours is the driver's.
		{pgtype.TextArrayOID, [][]string{{"a"}, {"b"}}},
		{pgtype.Int8ArrayOID, []int32{1, 2}},
		{pgtype.Int8ArrayOID, []*int64{nil}},
		{pgtype.Int8ArrayOID, []string{"1"}},
	} {
		for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
			for _, before := range []string{"", "what is there already"} {
				got, err := ours.Encode(c.oid, format, c.list, []byte(before))
				want, wantErr := driver.Encode(c.oid, format, c.list, []byte(before))
				if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
					t.Errorf("%T of %d, format %d: %x (%v), the driver %x (%v)", c.list, c.oid, format, got, err, want, wantErr)
				}
			}
		}
	}
}

// A list that is read again is the one that was written, NULL and all.
func TestListsComeBackFromPostgres(t *testing.T) {
	address, ok := suite.Server(t, "lists that come back")
	if !ok {
		return
	}
	s := mustOpen(t, suite.Postgres(t, Open, address))
	var texts, numbers, some string
	err := s.read.QueryRowContext(t.Context(), `SELECT CAST(CAST($1 AS TEXT[]) AS TEXT), CAST(CAST($2 AS BIGINT[]) AS TEXT), CAST(CAST($3 AS BYTEA[]) AS TEXT)`,
		[]string{"a", "", "æ,"}, []int64{math.MinInt64, 2}, [][]byte{nil, {}, {1, 255}}).Scan(&texts, &numbers, &some)
	if err != nil || texts != `{a,"","æ,"}` || numbers != `{-9223372036854775808,2}` || some != `{NULL,"\\x","\\x01ff"}` {
		t.Error(texts, numbers, some, err)
	}
}

// BenchmarkLists measures the columns of 100 events, as we write them and as the driver does.
func BenchmarkLists(b *testing.B) {
	ids, leaves := make([]string, 100), make([][]byte, 100)
	times := make([]int64, 100)
	for i := range ids {
		ids[i], leaves[i] = fmt.Sprintf("%036d", i), make([]byte, 250)
	}
	for name, m := range map[string]*pgtype.Map{"ours": packed(b), "driver": pgtype.NewMap()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, err := m.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, ids, make([]byte, 0, 256))
				if err == nil {
					buf, err = m.Encode(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, times, buf)
				}
				if err == nil {
					_, err = m.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, leaves, buf)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
