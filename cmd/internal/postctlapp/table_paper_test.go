package postctlapp

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/outside"
)

func TestATableIsCheckedAsPaper(t *testing.T) {
	if _, ok := outside.Program(t, "pdftoppm", "a table's documents as they look"); !ok {
		return
	}
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("a.pdf", preflighttest.Letter(1, "Poul Ravn Holmgaard", "Møllestien 12", "2690 Engdal").Bytes())
	turned := preflighttest.Letter(2)
	turned.Pages[1].More = "/Rotate 90"
	put("b.pdf", turned.Bytes())
	line := func(key, name, document string) string {
		return `{"key":"` + key + `","title":"Afgørelse","recipient":{"id_type":"CPR","id":"7104521145","name":"` + name +
			`","address":["Møllestien 12","2690 Engdal"]},"document":"` + document + `"}` + "\n"
	}
	path := put("t.jsonl", []byte(line("1", "Poul Ravn Holmgaard", "a.pdf")+line("2", "Erna Holm", "a.pdf")+line("3", "Erna Holm", "b.pdf")))
	for window, want := range map[string][]string{
		"cover":    {"3 POST-7104"},
		"document": {"2 POST-7109", "3 POST-7104"},
	} {
		r := &run{Env: &ctl.Env{Stderr: io.Discard}, ctx: t.Context()}
		look, err := paper(r, window)
		if err != nil {
			t.Fatal(err)
		}
		tab, err := read(r, path, dir, look)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for f := range tab.Faults.all() {
			got = append(got, string(rune('0'+f.Line))+" "+f.Code)
			if strings.Contains(f.Message, "Erna") {
				t.Errorf("a fault names the recipient: %s", f.Message)
			}
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: got %v, want %v", window, got, want)
		}
	}
}
