package deskapi

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
)

// tarred packs bodies under their digests, with header as format.
func tarred(t testing.TB, format tar.Format, bodies ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, body := range bodies {
		sum := sha256.Sum256([]byte(body))
		h := &tar.Header{Name: hex.EncodeToString(sum[:]), Size: int64(len(body)), Mode: 0o600, Format: format}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func requestDigest(t testing.TB, body []byte) (string, error) {
	t.Helper()
	sum := sha256.New()
	err := newArchive(bytes.NewReader(body), sum).drain()
	return string(sum.Sum(nil)), err
}

// FuzzArchive: whatever the bytes, an archive is read to its end or refused with
// a fault of ours; no document is longer than it says; and the second reading,
// which compares requests, comes to the same digest as the first.
func FuzzArchive(f *testing.F) {
	whole := tarred(f, tar.FormatUSTAR, "one", "two")
	f.Add(whole)
	f.Add(whole[:515])
	f.Add(append(bytes.Clone(whole), make([]byte, 512)...))
	f.Add(tarred(f, tar.FormatPAX, "pax"))
	f.Add(tarred(f, tar.FormatGNU, "gnu"))
	f.Add(bytes.Replace(whole, []byte("ustar"), []byte("other"), 1))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.New()
		a := newArchive(bytes.NewReader(body), sum)
		var err error
		for n := 0; ; n++ {
			var d batch.Document
			if d, err = a.next(); err != nil {
				break
			}
			if n == batch.MaxDocuments {
				err = post.FaultDocumentsMany
				break
			}
			v := d.Unread()
			if d.Readable() {
				h := sha256.New()
				var got int64
				if got, err = io.Copy(h, d.Body); err != nil {
					break
				}
				if got != d.Size {
					t.Fatalf("%d bytes, said %d", got, d.Size)
				}
				v.Sum = [32]byte(h.Sum(nil))
			}
			a.note(v)
		}
		again, second := requestDigest(t, body)
		if errors.Is(err, io.EOF) {
			if second != nil || again != string(sum.Sum(nil)) {
				t.Fatalf("read again it is another request: %v", second)
			}
			return
		}
		var known *post.Fault
		if !errors.As(err, &known) || second == nil {
			t.Fatalf("refused with %v, then %v", err, second)
		}
	})
}

func TestTheDigestOfAnArchiveIsThatOfItsDocuments(t *testing.T) {
	digest := func(body []byte) string {
		d, err := requestDigest(t, body)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	same := digest(tarred(t, tar.FormatUSTAR, "one", "two"))
	if digest(tarred(t, tar.FormatPAX, "one", "two")) != same || digest(append(tarred(t, tar.FormatUSTAR, "one", "two"), make([]byte, 5000)...)) != same {
		t.Error("the same documents in another tar are another request")
	}
	for name, other := range map[string][]byte{
		"another order":   tarred(t, tar.FormatUSTAR, "two", "one"),
		"one fewer":       tarred(t, tar.FormatUSTAR, "one"),
		"the same twice":  tarred(t, tar.FormatUSTAR, "one", "two", "two"),
		"other bytes":     bytes.Replace(tarred(t, tar.FormatUSTAR, "one", "two"), []byte("two"), []byte("owt"), 1),
		"an invalid name": renamed(t, "one", "two"),
	} {
		if digest(other) == same {
			t.Errorf("%s passes for the same request", name)
		}
	}
}

func renamed(t *testing.T, bodies ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, body := range bodies {
		if err := w.WriteHeader(&tar.Header{Name: body, Size: int64(len(body)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sparse file of a few bytes says that it has 20 MB; it is refused unread.
func TestHolesAreNotRead(t *testing.T) {
	record := func(key, value string) string {
		n := len(key) + len(value) + 3
		n += len(fmt.Sprint(n + len(fmt.Sprint(n))))
		return fmt.Sprintf("%d %s=%s\n", n, key, value)
	}
	name := strings.Repeat("ab", 32)
	head := func(flag byte, name string, size int64) []byte {
		b := make([]byte, 512)
		copy(b, name)
		copy(b[100:], "0000600\x00")
		copy(b[124:], fmt.Sprintf("%011o\x00", size))
		copy(b[136:], "00000000000\x00")
		copy(b[148:], "        ")
		b[156] = flag
		copy(b[257:], "ustar\x0000")
		sum := 0
		for _, c := range b {
			sum += int(c)
		}
		copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
		return b
	}
	pax := record("GNU.sparse.major", "0") + record("GNU.sparse.minor", "1") + record("GNU.sparse.name", name) +
		record("GNU.sparse.size", "20971520") + record("GNU.sparse.numblocks", "1") + record("GNU.sparse.map", "0,512")
	body := head('x', "p", int64(len(pax)))
	body = append(body, pax...)
	body = append(body, make([]byte, -len(pax)&511)...)
	body = append(body, head('0', "f", 512)...)
	body = append(body, make([]byte, 512+1024)...)
	d, err := newArchive(bytes.NewReader(body), sha256.New()).next()
	if err != nil || d.Readable() {
		t.Errorf("%+v, %v", d, err)
	}
	plain := tar.NewReader(bytes.NewReader(body))
	if h, err := plain.Next(); err != nil || h.Size != 20<<20 {
		t.Fatalf("it is not such a file: %+v, %v", h, err)
	}
}
