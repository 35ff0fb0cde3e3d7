package postctlapp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/testdata"
)

// Digests that begin alike meet in the same slot, and are told apart all the same.
func TestDigestsThatBeginAlikeAreNotTakenForEachOther(t *testing.T) {
	var d digests
	sum := func(n int) (s [sha256.Size]byte) {
		binary.LittleEndian.PutUint32(s[sha256.Size-4:], uint32(n)) //nolint:gosec // small
		binary.LittleEndian.PutUint32(s[:], uint32(n%3)<<29)        //nolint:gosec // small
		return s
	}
	const many = 3 * perChunk
	for n := range many {
		if at, known := d.put(sum(n)); at != n || known {
			t.Fatalf("digest %d was put at %d, known %v", n, at, known)
		}
	}
	for n := range many {
		if at, known := d.put(sum(n)); at != n || !known || d.at(n) != sum(n) {
			t.Fatalf("digest %d was found at %d, known %v", n, at, known)
		}
	}
	if d.n != many {
		t.Errorf("%d digests are %d", many, d.n)
	}
}

func quiet(t *testing.T) *run { return &run{Env: &ctl.Env{Stderr: io.Discard}, ctx: t.Context()} }

// faultless is a table of so many lines on disk, with one document.
func faultless(t *testing.T, lines int) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	text := bytes.NewBufferString("key,id,name,title,document\n")
	for n := range lines {
		fmt.Fprintf(text, "k-%d,6503851236,Nancy Ann Berggren,Afgørelse om hjemmehjælp,a.pdf\n", n)
	}
	path = filepath.Join(dir, "t.csv")
	if err := errors.Join(os.WriteFile(path, text.Bytes(), 0o600), os.WriteFile(filepath.Join(dir, "a.pdf"), testdata.Page("a"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

// What was checked is what is sent: a table that is another one when it is read
// again is given up before the first of its changed bytes is looked at.
func TestATableThatChangesWhileItIsReadIsGivenUp(t *testing.T) {
	for name, change := range map[string]func(b []byte) []byte{
		"a recipient near the end": func(b []byte) []byte { i := bytes.LastIndex(b, []byte("Nancy")); b[i] = 'M'; return b },
		"lines taken away":         func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			const lines = 5_000
			path, dir := faultless(t, lines)
			tab, err := read(quiet(t), path, dir)
			if err != nil || len(tab.Faults.list) > 0 {
				t.Fatalf("%v, %v", tab, err)
			}
			defer tab.close()
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, change(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			err = tab.each(t.Context(), func(_ int, l wire.BatchLine, _ int) error {
				if seen++; l.Recipient.Name != "Nancy Ann Berggren" {
					t.Error("a line that was not checked was read")
				}
				return nil
			})
			if !errors.Is(err, errChanged) || seen == lines {
				t.Errorf("%d lines were read, %v", seen, err)
			}
		})
	}
}

// Who breaks off a check of 100,000 lines need not wait for its end.
func TestACheckIsBrokenOffAtOnce(t *testing.T) {
	path, dir := faultless(t, 1_000)
	ctx, stop := context.WithCancel(t.Context())
	r, seen := &run{Env: &ctl.Env{Stderr: io.Discard}, ctx: ctx}, 0
	_, err := read(r, path, dir, func(*table, int, *wire.BatchLine, int) error {
		if seen++; seen == 10 {
			stop()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || seen != 10 {
		t.Errorf("%d lines were looked at, %v", seen, err)
	}
}

// A row without an end is a fault, and is not in memory as a whole.
func TestARowWithoutAnEndIsOneFault(t *testing.T) {
	head, row := "key,id,name,title,document\n", "a,6503851236,N,T,a.pdf\n"
	long := strings.Repeat("x", 2*maxRow)
	for name, c := range map[string]struct {
		text  string
		json  bool
		want  string
		lines int
	}{
		"a quotation mark that nobody closed": {head + row + `b,"` + strings.Repeat(row, maxRow/10), false, "3 POST-4301", 1},
		"a line that goes on":                 {head + row + "b," + long + "\n" + row, false, "3 POST-4301", 1},
		"a first line that goes on":           {"key," + long + "\n" + row, false, "1 POST-4301", 0},
		"an object that goes on":              {`{"key":"` + long + "\"}\n[]\n", true, "1 POST-4303 2 POST-4303", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := readText(t, c.text, c.json, "")
			var told []string
			for f := range got.Faults.all() {
				told = append(told, fmt.Sprint(f.Line, " ", f.Code))
			}
			if strings.Join(told, " ") != c.want || got.Lines != c.lines {
				t.Errorf("%d lines, %q, want %d, %q", got.Lines, told, c.lines, c.want)
			}
		})
	}
}

// It is given away up to its bound alone.
func TestARowWithoutAnEndIsCut(t *testing.T) {
	src := &source{ReaderAt: strings.NewReader(strings.Repeat("a,6503851236,N,T,a.pdf\n", maxRow/5))}
	if err := src.survey(); err != nil {
		t.Fatal(err)
	}
	text := src.text(func(int, error) {})
	if n, err := io.Copy(io.Discard, text); err != nil || n < maxRow || n > maxRow+2*block || !text.cut {
		t.Errorf("%d bytes of one row, cut: %v, %v", n, text.cut, err)
	}
	if err := text.drain(); err != nil || text.n != maxRow/5 {
		t.Errorf("%d lines were read, %v", text.n, err)
	}
}

// Faults are told in the order of the lines, whenever they were found, and those of
// one line in the order in which they were.
func TestFaultsAreToldInTheOrderOfTheLines(t *testing.T) {
	var f faults
	f.add(7, post.FaultTableName)
	f.add(7, post.FaultCPR)
	f.note(9, f.kind(post.FaultLineKeyTwice.At("first in line %s", hole)), 4)
	f.add(0, post.FaultBatchSize)
	f.add(7, post.FaultRegistered)
	f.add(2, post.FaultTableName)
	lines, whole := f.wrong()
	var out bytes.Buffer
	f.print(&out)
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line)[:3], " "))
	}
	want := []string{"", "line 2: " + post.FaultTableName.Code, "line 7: " + post.FaultTableName.Code,
		"line 7: " + post.FaultCPR.Code, "line 7: " + post.FaultRegistered.Code, "line 9: " + post.FaultLineKeyTwice.Code}
	if !slices.Equal(got[1:], want[1:]) || !strings.HasPrefix(got[0], "file: "+post.FaultBatchSize.Code) || lines != 4 || !whole ||
		!strings.Contains(out.String(), "(first in line 4)") {
		t.Errorf("%d lines, %q, want %q", lines, got, want)
	}
}

// The document of a line is found again under each of its names.
func TestDocumentsWithTheSameContentAreOne(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.pdf": "1", "b.pdf": "2", "c.pdf": "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), testdata.Page(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := "key,id,name,title,document\n"
	for i, name := range []string{"a", "b", "c", "a", "b"} {
		text += fmt.Sprintf("%d,6503851236,N,T,%s.pdf\n", i, name)
	}
	tab := readText(t, text, false, dir)
	holds(t, tab)
	var names []string
	for d, err := range tab.documents(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, d.SHA256)
	}
	if want := []string{tab.lines[0].SHA256, tab.lines[1].SHA256}; !slices.Equal(names, want) || tab.docs.sums.n != 2 || names[0] == names[1] {
		t.Errorf("%d documents: %q, want %q", tab.docs.sums.n, names, want)
	}
}

// What is printed while it is made is what was printed when it was all in memory.
func TestALongAnswerLooksAsAShortOne(t *testing.T) {
	type item struct {
		Name string `json:"name"`
	}
	items := []item{{"a"}, {"<b> & \u2028"}, {"æ"}}
	heads, rows := []string{"ONE", "TWO", "THREE", ""}, [][]string{{"a", "æøå", "", "x"}, {"", "", "", ""}, {"aaaa", "b\x1b[1m", "c", "late"}}
	for n := range len(items) + 1 {
		var long, short bytes.Buffer
		r := &run{Env: &ctl.Env{Stdout: &long, JSON: true}, ctx: t.Context()}
		err := r.printLong(map[string]any{"lines": 3, "a": nil}, "items", func(emit func(any) error) error {
			for _, one := range items[:n] {
				if err := emit(one); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		if err == nil {
			err = (&ctl.Env{Stdout: &short, JSON: true}).Print(map[string]any{"lines": 3, "a": nil, "items": items[:n]}, nil)
		}
		if err != nil || long.String() != short.String() || !json.Valid(long.Bytes()) {
			t.Errorf("%v\n%s%s", err, &long, &short)
		}
		long.Reset()
		short.Reset()
		l := newLayout(heads...)
		for _, row := range rows[:n] {
			l.see(row)
		}
		for _, row := range append([][]string{heads}, rows[:n]...) {
			if err := l.write(&long, row); err != nil {
				t.Error(err)
			}
		}
		ctl.Table(&short, heads, rows[:n])
		if long.String() != short.String() {
			t.Errorf("%q\n%q", &long, &short)
		}
	}
}

// Letters that come in another order than that of their lines are listed in theirs.
func TestKeptRowsAreSortedAndWhole(t *testing.T) {
	kept, want := &rowsKept{}, [][]string{}
	const n = 2*lettersPage + 17
	for i := range n {
		line := (i*7)%n + 1
		row := []string{fmt.Sprint(line), fmt.Sprint("id-", i), "SP-1", "posted", []string{"", "physical"}[i%2], "", fmt.Sprint("RR", i%5), []string{"yes", ""}[i%2]}
		kept.add(line, row)
		want = append(want, row)
	}
	slices.SortFunc(want, func(a, b []string) int {
		return len(a[0]) - len(b[0]) + 10*strings.Compare(fmt.Sprintf("%9s", a[0]), fmt.Sprintf("%9s", b[0]))
	})
	i := 0
	for row := range kept.sorted() {
		if !slices.Equal(row, want[i]) {
			t.Fatalf("row %d is %q, want %q", i, row, want[i])
		}
		i++
	}
	if i != n {
		t.Errorf("%d rows, want %d", i, n)
	}
}
