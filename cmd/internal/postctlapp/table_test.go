package postctlapp

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// A table with many faults is corrected in one go: each of them is told at once.
func TestEveryFaultOfATableIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	pdf, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "pdf", "decision-01.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	encrypted, large := filepath.Join(dir, "locked.pdf"), filepath.Join(dir, "large.pdf")
	if err := os.WriteFile(filepath.Join(dir, "a.pdf"), pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := api.EncryptFile(filepath.Join(dir, "a.pdf"), encrypted, model.NewAESConfiguration("u", "o", 256)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, append(pdf, make([]byte, letter.MaxDocument)...), 0o600); err != nil {
		t.Fatal(err)
	}
	const who = ";6503851236;N;v;T;"
	head := "key;id;name;address1;title;document\n"
	json := `{"key":"a","title":"T","recipient":{"id_type":"CPR","id":"6503851236","name":"N"},"document":"a.pdf"}`
	for _, c := range []struct {
		name, text string
		json       bool
		want       []string // line and code
		lines      int
	}{
		{"columns and lines", "key;id;shade;name;key;title\na;1;red;;b;=T\n", false,
			[]string{"1 POST-4302", "2 POST-0101", "2 POST-4305", "2 POST-4306"}, 1},
		{"number and address of one line", head + "a;1;N;" + strings.Repeat("v", 101) + ";T;a.pdf\n", false, []string{"2 POST-0101", "2 " + post.FaultAddressLines.Code}, 1},
		{"lines in Latin-1 among others", head + "a;6503851236;J\xf8rgen;v;T;a.pdf\nb" + who + "missing.pdf\nc;6503851236;\xc5se;v;;a.pdf\n", false,
			[]string{"2 POST-4301", "3 POST-4304", "4 POST-4301", "4 POST-2001"}, 3},
		{"UTF-16", "\xff\xfek\x00e\x00y\x00", false, []string{"0 POST-4301"}, 0},
		{"a quotation mark in the middle of a value", head + "a;6503851236;N\"x;v;T;a.pdf\nb;1;N;v;T;a.pdf\n", false, []string{"2 POST-4301", "3 POST-0101"}, 1},
		{"a quotation mark that is not closed", head + "a;1;N;v;T;a.pdf\nb;\"6503851236;N;v;T;a.pdf\nc;1;N;v;T;a.pdf\n", false, []string{"2 POST-0101", "3 POST-4301"}, 1},
		{"formulas", head + "a;6503851236;+N;@v;-T;a.pdf\n", false, []string{"2 POST-4306", "2 POST-4306", "2 POST-4306"}, 1},
		{"formulas behind blanks, and in wide letters", strings.NewReplacer(`"T"`, `" =T"`, `"N"`, `"＋N"`).Replace(json) + "\n", true, []string{"1 POST-4306", "1 POST-4306"}, 1},
		{"encrypted and too large", head + "a" + who + "locked.pdf\nb" + who + "large.pdf\n", false, []string{"2 POST-2004", "3 " + post.FaultDocumentSize.Code}, 2},
		{"JSON with something after it", json + "}\n" + json + json + "\n[" + json + "]\n" + json + " \n", true, []string{"1 POST-4303", "2 POST-4303", "3 POST-4303"}, 1},
		{"JSON that tells the recipient twice", strings.Replace(json, `"document"`, `"recipient":{"id_type":"CPR","id":"6103851230"},"document"`, 1) + "\n" +
			strings.Replace(json, `"document"`, `"Recipient":{"id":"6103851230"},"document"`, 1) + "\n", true, []string{"1 POST-4303", "2 POST-4303"}, 0},
		{"JSON in Latin-1", strings.Replace(json, `"N"`, "\"J\xf8rgen\"", 1) + "\n{}\n", true, []string{"1 POST-4301", "2 " + post.FaultLetterKey.Code, "2 POST-2001", "2 POST-0103", "2 POST-4305", "2 POST-2012"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := readText(t, c.text, c.json, dir)
			var told []string
			for f := range got.Faults.all() {
				told = append(told, fmt.Sprint(f.Line, " ", f.Code))
				if f.Cure == "" || strings.Contains(f.Message, "6503851236") {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(told)
			want := slices.Sorted(slices.Values(c.want))
			if !slices.Equal(told, want) || got.Lines != c.lines {
				t.Errorf("%d lines, %q\nwant %d, %q", got.Lines, told, c.lines, want)
			}
		})
	}
}

// FuzzTable: whatever the bytes, a table is read without panic; each line of
// it has its place in the file; and a table without faults is one that can be
// sent.
func FuzzTable(f *testing.F) {
	head := "key;id;name;address1;title;document;language\n"
	for _, s := range []string{
		"", head, head + "a;6503851236;N;v;T;a.pdf;da\n", head + `a;6503851236;"N""x";v;T;a.pdf;` + "\n", head + "a;\"\n",
		"\xef\xbb\xbfkey,id,name,title,document\r\na,11223491,N,T,a.pdf\r\n", "key,key\n", `{"key":"a","title":"T","recipient":{"id_type":"CPR","id":"6503851236","name":"N"},"document":"a.pdf"}` + "\n", "{}\n[]\n\n", head + "a;6503851236;=N;v;T;a.pdf;da\n", head + "a;6503851236;N;v;T;../a.pdf;xx\n", "\xff",
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	pdf, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "pdf", "decision-01.pdf"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "a.pdf"), pdf, 0o600)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, json := range []bool{false, true} {
			holds(t, readText(t, string(b), json, dir))
		}
	})
}

// heard is a table with what its judges heard of it.
type heard struct {
	*table
	lines []wire.BatchLine
	at    []int
}

// readText reads and checks a table that is in no file.
func readText(t testing.TB, text string, json bool, dir string) *heard {
	t.Helper()
	h := &heard{table: &table{src: &source{ReaderAt: strings.NewReader(text), json: json}, docs: &documents{dir: dir}}}
	h.docs.faults = &h.Faults
	if err := h.src.survey(); err != nil {
		t.Fatal(err)
	}
	r := &run{Env: &ctl.Env{Stderr: io.Discard}, ctx: t.Context()}
	err := h.read(r, []judge{func(_ *table, n int, l *wire.BatchLine, _ int) error {
		h.lines, h.at = append(h.lines, *l), append(h.at, n)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func holds(t *testing.T, tab *heard) {
	t.Helper()
	if tab.Lines != len(tab.at) {
		t.Fatalf("%d lines, %d places", tab.Lines, len(tab.at))
	}
	for i := 1; i < len(tab.at); i++ {
		if tab.at[i] <= tab.at[i-1] {
			t.Fatalf("line %d stands at %d, the one before at %d", i, tab.at[i], tab.at[i-1])
		}
	}
	for fault := range tab.Faults.all() {
		if fault.Code == "POST-0001" || fault.Cure == "" || strings.Contains(fault.Message, hole) {
			t.Fatalf("a fault without a name: %+v", fault)
		}
	}
	if len(tab.Faults.list) > 0 {
		return
	}
	if tab.Lines == 0 {
		t.Fatal("neither lines nor faults")
	}
	for _, l := range tab.lines {
		if l.Key == "" || l.Title == "" || len(l.SHA256) != 64 || strings.ContainsAny(l.Document, `/\`) || l.Recipient.Name == "" {
			t.Fatalf("a faultless line that cannot be sent: %+v", l)
		}
	}
	// What is sent is what was checked.
	n := 0
	err := tab.each(t.Context(), func(at int, l wire.BatchLine, _ int) error {
		if at != tab.at[n] || !reflect.DeepEqual(l, tab.lines[n]) {
			t.Fatalf("line %d was checked as %+v and is sent as %+v", at, tab.lines[n], l)
		}
		n++
		return nil
	})
	if err != nil || n != tab.Lines {
		t.Fatalf("%d of %d lines are sent, %v", n, tab.Lines, err)
	}
}
