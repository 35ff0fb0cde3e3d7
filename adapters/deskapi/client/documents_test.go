package client

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func docs(sizes ...int) (all []Document, closed *int) {
	closed = new(int)
	for i, n := range sizes {
		body := strings.Repeat(string(rune('a'+i%26)), n)
		all = append(all, Document{SHA256: strings.Repeat("0", 63) + string(rune('a'+i%26)), Size: int64(n), Open: func() (io.ReadCloser, error) {
			return closing{strings.NewReader(body), closed}, nil
		}})
	}
	return all, closed
}

type closing struct {
	io.Reader
	n *int
}

func (c closing) Close() error { *c.n++; return nil }

func TestTheArchiveIsATarOfTheLengthAnnounced(t *testing.T) {
	all, closed := docs(0, 1, 511, 512, 513, 100_000)
	want := int64(end)
	for _, d := range all {
		want += block + d.Size + padding(d.Size)
	}
	b, err := io.ReadAll(iotest.OneByteReader(&archive{docs: all}))
	if err != nil || int64(len(b)) != want || *closed != len(all) {
		t.Fatalf("%d bytes, announced %d; %d files closed; %v", len(b), want, *closed, err)
	}
	r := tar.NewReader(bytes.NewReader(b))
	for _, d := range all {
		h, err := r.Next()
		if err != nil || h.Name != d.SHA256 || h.Size != d.Size {
			t.Fatalf("%+v, %v", h, err)
		}
		body, err := io.ReadAll(r)
		f, _ := d.Open()
		same, _ := io.ReadAll(f)
		if err != nil || !bytes.Equal(body, same) {
			t.Errorf("%d bytes: %v", d.Size, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestAFileThatShrankBreaksTheArchive(t *testing.T) {
	all, closed := docs(10, 10)
	all[0].Size = 11
	a := &archive{docs: all}
	if _, err := io.ReadAll(a); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := a.Close(); err != nil || *closed != 1 {
		t.Errorf("%d files closed, %v", *closed, err)
	}
}

func TestRequestsAreFilledAndNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int
		want  int
	}{
		"few":                    {make([]int, 3), 3},
		"by number":              {make([]int, 100), 64},
		"by bytes":               {[]int{3 << 20, 3 << 20, 2 << 20, 1}, 3},
		"a large one first":      {[]int{9 << 20, 1}, 1},
		"a large one in between": {[]int{1, 9 << 20}, 1},
		"one that just fits":     {[]int{8 << 20, 1}, 1},
	} {
		var all []Document
		for _, n := range c.sizes {
			all = append(all, Document{Size: int64(n)})
		}
		if n := together(all); n != c.want {
			t.Errorf("%s: %d, want %d", name, n, c.want)
		}
	}
}

// Documents that are named one after the other go in the same requests as a list of them
// does, and one that cannot be named ends the list where it stands.
func TestRequestsAreFilledWhileDocumentsAreStillNamed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	broken := errors.New("not in the folder")
	for range 200 {
		var list []Document
		for range r.IntN(300) {
			list = append(list, Document{Size: []int64{1, 100 << 10, 3 << 20, 8 << 20, 9 << 20}[min(r.IntN(40), 4)]})
		}
		var want, got []int
		for rest := list; len(rest) > 0; rest = rest[want[len(want)-1]:] {
			want = append(want, together(rest))
		}
		ends := r.IntN(2) == 0
		err := inRequests(func(yield func(Document, error) bool) {
			for d, err := range Documents(list) {
				if !yield(d, err) {
					return
				}
			}
			if ends {
				yield(Document{}, broken)
			}
		}, func(some []Document) bool {
			if len(some) < len(list) && cap(some) != len(some) {
				t.Error("a request may be written over")
			}
			got = append(got, len(some))
			return true
		})
		if !slices.Equal(got, want) || errors.Is(err, broken) != ends {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
		if len(want) > 1 {
			n := 0
			if err := inRequests(Documents(list), func([]Document) bool { n++; return n < len(want)-1 }); err != nil || n != len(want)-1 {
				t.Fatalf("%d requests after the end, %v", n, err)
			}
		}
	}
}
