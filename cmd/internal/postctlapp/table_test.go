package postctlapp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
	examined := &documents{dir: dir, known: map[string]checked{}}
	if _, err := examined.digest("a.pdf"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		holds(t, parse(b, examined))
		holds(t, parseJSON(b, examined))
	})
}

func holds(t *testing.T, tab *table) {
	t.Helper()
	{
		if len(tab.Lines) != len(tab.At) {
			t.Fatalf("%d lines, %d places", len(tab.Lines), len(tab.At))
		}
		for i := 1; i < len(tab.At); i++ {
			if tab.At[i] <= tab.At[i-1] {
				t.Fatalf("line %d stands at %d, the one before at %d", i, tab.At[i], tab.At[i-1])
			}
		}
		for _, fault := range tab.Faults {
			if fault.Code == "POST-0001" || fault.Cure == "" {
				t.Fatalf("a fault without a name: %+v", fault)
			}
		}
		if len(tab.Faults) == 0 {
			if len(tab.Lines) == 0 {
				t.Fatal("neither lines nor faults")
			}
			for _, l := range tab.Lines {
				if l.Key == "" || l.Title == "" || len(l.SHA256) != 64 || strings.ContainsAny(l.Document, `/\`) || l.Recipient.Name == "" {
					t.Fatalf("a faultless line that cannot be sent: %+v", l)
				}
			}
		}
	}
}
