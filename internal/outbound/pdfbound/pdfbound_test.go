package pdfbound_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/pdfbound"
)

// packed returns head and then mb MiB of zeros, deflated.
func packed(t *testing.T, head []byte, mb int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	_, err = z.Write(head)
	for range mb {
		if err == nil {
			_, err = z.Write(zeros)
		}
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file makes a one-page PDF with a table stream of tableMB, and objects streams
// that unpack to objectsMB each.
func file(t *testing.T, tableMB, objects, objectsMB int, names string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("%PDF-1.5\n")
	offsets := []int{0}
	object := func(format string, args ...any) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n", len(offsets)-1)
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\nendobj\n")
	}
	object("<</Type/Catalog/Pages 2 0 R>>")
	object("<</Type/Pages/Kids[3 0 R]/Count 1>>")
	object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595.276 841.89]>>")
	within := 4 + objects + 1 // numbers of the packed objects
	for i := range objects {
		head := fmt.Sprintf("%d 0 null", within+i)
		body := packed(t, []byte(head), objectsMB)
		object("<</Type/%s/N 1/First %d/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream", names, len(head)-len("null"), len(body), body)
	}
	at := b.Len()
	var rows bytes.Buffer
	row := func(kind byte, second uint32, third byte) {
		rows.WriteByte(kind)
		_ = binary.Write(&rows, binary.BigEndian, second)
		rows.WriteByte(third)
	}
	for i, offset := range append(offsets, at) {
		row(byte(min(i, 1)), uint32(offset), 0)
	}
	for i := range objects {
		row(2, uint32(4+i), 0)
	}
	table := packed(t, rows.Bytes(), tableMB)
	fmt.Fprintf(&b, "%d 0 obj\n<</Type/XRef/Size %d/W[1 4 1]/Root 1 0 R/Filter/FlateDecode/Length %d>>\nstream\n", 4+objects, within+objects, len(table))
	b.Write(table)
	fmt.Fprintf(&b, "\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n", at)
	return b.Bytes()
}

func TestASmallFileDoesNotUnpackToGigabytes(t *testing.T) {
	for _, c := range []struct {
		why                string
		table, objects, mb int
		names              string
		refused, early     bool
	}{
		{"an honest file", 0, 2, 0, "ObjStm", false, false},
		{"a table of half a gigabyte", 500, 0, 0, "ObjStm", true, true},
		{"many object streams, each within its bound", 0, 8, 30, "ObjStm", true, true},
		{"the same under names with escapes", 0, 8, 30, "Obj#53tm", true, true},
	} {
		pdf := file(t, c.table, c.objects, c.mb, c.names)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		doc, err := pdfbound.Read(pdf)
		runtime.ReadMemStats(&after)
		if (err != nil) != c.refused {
			t.Errorf("%s (%d bytes): %v", c.why, len(pdf), err)
		}
		if c.early && !errors.Is(err, pdfbound.ErrBounds) {
			t.Errorf("%s: refused as %v, want before it is parsed", c.why, err)
		}
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 300 {
			t.Errorf("%s: took %d MiB", c.why, took)
		}
		if !c.refused && err == nil {
			if err := doc.EnsurePageCount(); err != nil || doc.PageCount != 1 {
				t.Errorf("%s: %d pages, %v", c.why, doc.PageCount, err)
			}
		}
	}
}
