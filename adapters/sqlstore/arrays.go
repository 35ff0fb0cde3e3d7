package sqlstore

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// packArrays makes c write lists of texts, numbers and bytes by [list], in the form
// in which PostgreSQL takes arrays (src/backend/utils/adt/arrayfuncs.c, array_recv).
// The driver asks for the plan of each element, boxes it and grows its buffer as it
// goes, which cost more than anything else of a statement with many rows. All else, and what is
// read, is left to the driver. The tests hold both to the same bytes.
func packArrays(_ context.Context, c *pgx.Conn) error {
	packInto(c.TypeMap())
	return nil
}

// packInto answers how many types it knew.
func packInto(m *pgtype.Map) (known int) {
	for _, oid := range []uint32{pgtype.TextArrayOID, pgtype.Int8ArrayOID, pgtype.ByteaArrayOID} {
		if t, ok := m.TypeForOID(oid); ok {
			if of, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				m.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: arrays{of}})
				known++
			}
		}
	}
	return known
}

// arrays is the driver's codec but for lists.
type arrays struct{ *pgtype.ArrayCodec }

// PlanEncode implements [pgtype.Codec].
func (a arrays) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		of := a.ElementType.OID
		switch value.(type) {
		case []string:
			if of == pgtype.TextOID {
				return list[string]{of, func(s string) int { return len(s) }, func(b []byte, s string) []byte { return append(b, s...) }}
			}
		case []int64:
			if of == pgtype.Int8OID {
				return list[int64]{of, func(int64) int { return 8 }, func(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }}
			}
		case [][]byte:
			if of == pgtype.ByteaOID {
				return list[[]byte]{of, sizeOfBytes, func(b, p []byte) []byte { return append(b, p...) }}
			}
		}
	}
	return a.ArrayCodec.PlanEncode(m, oid, format, value)
}

const null = -1 // in the place of an element's size

func sizeOfBytes(p []byte) int {
	if p == nil {
		return null
	}
	return len(p)
}

// list writes an array of one dimension of elements of the type of.
type list[T any] struct {
	of   uint32
	size func(T) int // null for NULL
	put  func([]byte, T) []byte
}

// Encode implements [pgtype.EncodePlan].
func (l list[T]) Encode(value any, buf []byte) ([]byte, error) {
	all := value.([]T) //nolint:forcetypeassert // a plan is kept for one type
	room, nulls := 20, uint32(0)
	for _, v := range all {
		if n := l.size(v); n == null {
			room, nulls = room+4, 1
		} else {
			room += 4 + n
		}
	}
	buf = slices.Grow(buf, room)
	for _, word := range []uint32{1, nulls, l.of, uint32(len(all)), 1} { // dimensions, NULLs, of what, how many, from 1
		buf = binary.BigEndian.AppendUint32(buf, word)
	}
	for _, v := range all {
		n := l.size(v)
		buf = binary.BigEndian.AppendUint32(buf, uint32(n)) //nolint:gosec // null is all ones
		if n != null {
			buf = l.put(buf, v)
		}
	}
	return buf, nil
}
