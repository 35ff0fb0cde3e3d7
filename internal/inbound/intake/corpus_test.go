package intake_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"sikkerpost.dk/gateway/testdata"
)

// makePDF writes a one-page PDF whose catalog has extra, followed by objects
// numbered from 5.
func makePDF(extra string, objects ...string) []byte {
	all := append([]string{
		"<< /Type /Catalog /Pages 2 0 R " + extra + " >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> /Contents 4 0 R >>",
		"<< /Length 0 >>\nstream\n\nendstream",
	}, objects...)
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var at []int
	for n, o := range all {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(all)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(all)+1, xref)
	return b.Bytes()
}

// inObjectStream hides an object in a compressed object stream with a
// cross-reference stream, where a search of the bytes does not see it.
func inObjectStream(extra, hidden string) []byte {
	deflate := func(data []byte) []byte {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		_, _ = w.Write(data)
		_ = w.Close()
		return z.Bytes()
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	at := map[int]int{}
	object := func(n int, text string) {
		at[n] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, text)
	}
	object(1, "<< /Type /Catalog /Pages 2 0 R "+extra+" >>")
	object(2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	object(3, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> >>")
	prolog := "5 0 "
	packed := deflate([]byte(prolog + hidden))
	object(4, fmt.Sprintf("<< /Type /ObjStm /N 1 /First %d /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream",
		len(prolog), len(packed), packed))
	xref := b.Len()
	at[6] = xref
	var table bytes.Buffer
	entry := func(kind byte, a uint32, c byte) {
		table.WriteByte(kind)
		_ = binary.Write(&table, binary.BigEndian, a)
		table.WriteByte(c)
	}
	entry(0, 0, 255)
	for n := 1; n <= 4; n++ {
		entry(1, uint32(at[n]), 0)
	}
	entry(2, 4, 0)
	entry(1, uint32(xref), 0)
	z := deflate(table.Bytes())
	object(6, fmt.Sprintf("<< /Type /XRef /Size 7 /W [1 4 1] /Root 1 0 R /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream", len(z), z))
	fmt.Fprintf(&b, "startxref\n%d\n%%%%EOF\n", xref)
	return b.Bytes()
}

func realPDF(t testing.TB) []byte {
	t.Helper()
	data, err := testdata.FS.ReadFile("pdf/request.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lockedPDF(t *testing.T, user, owner string) []byte {
	t.Helper()
	conf := model.NewAESConfiguration(user, owner, 256)
	var out bytes.Buffer
	if err := api.Encrypt(bytes.NewReader(realPDF(t)), &out, conf); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func makePNG(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG is small, but its header promises 20,000 x 20,000 pixels.
func hugePNG(t testing.TB) []byte {
	t.Helper()
	data := makePNG(t, 1, 1)
	head := data[16:24] // width and height of IHDR
	binary.BigEndian.PutUint32(head, 20_000)
	binary.BigEndian.PutUint32(head[4:], 20_000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func makeJPEG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeZIP(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("inner.txt")
	if err == nil {
		_, err = f.Write([]byte("hidden"))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// eicar is the industry's harmless test file, split so that scanners leave
// this file alone.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func words(n int) string { return strings.Repeat("æ", n) }
