package mailroom

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTheWordsOfALetter(t *testing.T) {
	for _, c := range []struct {
		name, kind, content, want string
		whole                     bool
	}{
		{"plain text is the whole of it", "text/plain; charset=utf-8", "\ufeffKære\r\nkommune", "Kære\nkommune", true},
		{"text that is not UTF-8 goes along as a file", "text/plain", "K\xe6re", "", false},
		{"a page is read, and goes along", "text/html", "<h1>Hej</h1><p>A&amp;B<br>C</p><!-- x --><style>x</style>", "Hej\nA&B\nC", false},
		{"a script is not read", "text/html", "<script>var x='</p>'</script><p>Y", "Y", false},
		{"a PDF has no words", "application/pdf", "%PDF-1.4", "", false},
		{"what is too long goes along", "text/plain", strings.Repeat("ø", maxText+1), strings.Repeat("ø", maxText), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, whole := letterText(c.kind, []byte(c.content))
			if got != c.want || whole != c.whole {
				t.Errorf("got %q, %t", got[:min(len(got), 80)], whole)
			}
		})
	}
}

func TestNamesOfPartsDiffer(t *testing.T) {
	var c contents
	for _, want := range []string{"a.pdf", "a (2).pdf", "a (3).pdf", ".pdf", ".pdf (2)"} {
		name := ".pdf"
		if strings.HasPrefix(want, "a") {
			name = "a.pdf"
		}
		got := c.freeName(name)
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c.parts = append(c.parts, part{name: got})
	}
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := New(Config{Points: map[string]Point{"x": {Tenant: "nobody", Inbox: "none"}}})
	for _, gap := range []string{"Shelf", "Desk", "Reader", "Blobs", "Opener", "Dispatcher", "Tenants", "IndexKey", "Sign", "Scanner", "Log", "tenant nobody", "Inboxes entry none"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

func TestABoundedWriterTellsThatItIsFull(t *testing.T) {
	var b strings.Builder
	w := &bounded{w: &b, left: 5}
	if n, err := w.Write([]byte("1234")); n != 4 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if n, err := w.Write([]byte("567")); n != 1 || !errors.Is(err, errCut) || b.String() != "12345" {
		t.Errorf("got %d, %v, %q", n, err, b.String())
	}
}

// FuzzPageText: whatever a page holds, its words are text that a person may be
// shown.
func FuzzPageText(f *testing.F) {
	for _, seed := range []string{"", "<p>Hej</p>", "<script><!--", "<a href=\"javascript:x\">y</a>", "<title>x</title>z", "&#0;&#x1b;[31m", "\xff<p>\x00", "<style>" + strings.Repeat("x", 300)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		text := pageText(page)
		if !utf8.ValidString(text) {
			t.Error("not UTF-8")
		}
		for _, r := range text {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("a control character %U", r)
			}
		}
	})
}

// TestALetterOfManyMegabytesIsNotCopied: the words of a letter cost what is kept
// of them, not what was sent.
func TestALetterOfManyMegabytesIsNotCopied(t *testing.T) {
	for kind, sentence := range map[string]string{"text/plain": "Kære kommune, ", "text/html": "<p>Kære &aelig;ldre</p>"} {
		letter := bytes.Repeat([]byte(sentence), 64<<20/len(sentence))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		text, whole := letterText(kind, letter)
		runtime.ReadMemStats(&after)
		if whole || utf8.RuneCountInString(text) != maxText {
			t.Errorf("%s: %d characters, whole %t", kind, utf8.RuneCountInString(text), whole)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 24<<20 {
			t.Errorf("%s: %d MB for a letter of 64", kind, cost>>20)
		}
	}
}
