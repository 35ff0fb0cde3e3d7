package deskapi

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/post"
)

const twoParts = "--B\r\nContent-Disposition: form-data; name=\"letter\"\r\n\r\n{}\r\n" +
	"--B\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\nabc\r\n--B--\r\n"

// FuzzForm: whatever the bytes, a form is read or refused with a fault of ours,
// never with more files than listed, and all its memory is given back.
func FuzzForm(f *testing.F) {
	f.Add([]byte(twoParts), 1)
	f.Add([]byte(twoParts), 2)
	f.Add([]byte("--B\r\n\r\n"), 1)
	f.Add([]byte("--B--"), 0)
	f.Add([]byte(strings.Replace(twoParts, "letter", "document", 1)), 1)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		const all = 1 << 20
		memory := newBudget(all)
		form := newForm(bytes.NewReader(body), "B", sha256.New(), memory)
		_, err := form.head("letter")
		var docs int
		if err == nil {
			list, err2 := form.documents(make([]wire.Document, max(0, n%14)))
			docs, err = len(list), err2
			if err == nil && docs != max(0, n%14) {
				t.Fatalf("%d documents of %d", docs, n%14)
			}
		}
		var known *post.Fault
		if err != nil && !errors.As(err, &known) {
			t.Fatalf("refused with %v", err)
		}
		form.close()
		if left := memory.left.Load(); left != all {
			t.Fatalf("%d bytes of memory were not given back", all-left)
		}
	})
}

func TestTheDigestOfAFormIsThatOfItsPartsAndNotOfItsBoundary(t *testing.T) {
	digest := func(body, boundary string) string {
		sum := sha256.New()
		if err := newForm(strings.NewReader(body), boundary, sum, newBudget(1<<20)).drain(); err != nil {
			t.Fatal(err)
		}
		return string(sum.Sum(nil))
	}
	same := digest(twoParts, "B")
	if digest(strings.ReplaceAll(twoParts, "--B", "--other"), "other") != same {
		t.Error("another boundary makes another request")
	}
	for name, body := range map[string]string{
		"another byte": strings.Replace(twoParts, "abc", "abd", 1),
		"another name": strings.Replace(twoParts, "document", "documents", 1),
		"another part": strings.Replace(twoParts, "--B--", "--B\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\n\r\n--B--", 1),
	} {
		if digest(body, "B") == same {
			t.Errorf("%s makes the same request", name)
		}
	}
}

func TestMemoryBeyondTheBudgetIsRefusedForNow(t *testing.T) {
	form := newForm(strings.NewReader(twoParts), "B", sha256.New(), newBudget(chunk-1))
	if _, err := form.head("letter"); err != nil {
		t.Fatal(err)
	}
	if _, err := form.documents(make([]wire.Document, 1)); !errors.Is(err, post.FaultUnavailable) {
		t.Errorf("%v, want to be told to come back", err)
	}
}

// FuzzPage: a place in a list survives its way through a client, and nothing
// else is taken for one.
func FuzzPage(f *testing.F) {
	f.Add("")
	f.Add(showKey(inbox.Key{ID: "01a202a9-a843-7a65-a8ef-ae68606aa31d"}))
	f.Add("MC54")
	f.Fuzz(func(t *testing.T, s string) {
		k, ok := readKey(s)
		if !ok || s == "" {
			return
		}
		if again, ok := readKey(showKey(k)); !ok || again.ID != k.ID || !again.DueAt.Equal(k.DueAt) {
			t.Errorf("%q: %+v, then %+v", s, k, again)
		}
	})
}
