package postctlapp

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

// withDocument is a folder with a real letter, a.pdf.
func withDocument(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	pdf, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "pdf", "decision-01.pdf"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "a.pdf"), pdf, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestATableThatWasWrittenTwiceIsNotSent: the program that writes a table was run again and appended to what it had
// written, with its heads or without, after a whole table or a half line. No such table is without fault, and each line
// that would be a second letter is named with the line of the first.
func TestATableThatWasWrittenTwiceIsNotSent(t *testing.T) {
	dir := withDocument(t)
	const heads = "key;id;name;address1;title;document\n"
	const rows = "a;6503851236;N;v;T;a.pdf\nb;7104521145;M;v;T;a.pdf\n"
	one := `{"key":"a","title":"T","recipient":{"id_type":"CPR","id":"6503851236","name":"N"},"document":"a.pdf"}` + "\n"
	key := func(line, first int) string { return fmt.Sprintf("%d %s %d", line, post.FaultLineKeyTwice.Code, first) }
	for _, c := range []struct {
		name, text string
		json       bool
		want       []string // among others
	}{
		{"once", heads + rows, false, nil},
		{"with its heads", heads + rows + heads + rows, false, []string{"4 POST-0101", key(5, 2), key(6, 3)}},
		{"without heads", heads + rows + rows, false, []string{key(4, 2), key(5, 3)}},
		{"after half a line", heads + rows[:len(rows)-20] + heads + rows, false, []string{key(4, 2)}},
		{"three times", heads + rows + rows + rows, false, []string{key(4, 2), key(5, 3), key(6, 2), key(7, 3)}},
		{"as JSON once", one, true, nil},
		{"as JSON", one + one, true, []string{key(2, 1)}},
	} {
		got := readText(t, c.text, c.json, dir)
		var told []string
		for f := range got.Faults.all() {
			s := fmt.Sprint(f.Line, " ", f.Code)
			if _, first, ok := strings.Cut(f.Message, "first in line "); ok {
				s += " " + strings.TrimRight(first, ").")
			}
			told = append(told, s)
		}
		if len(c.want) == 0 && len(told) > 0 {
			t.Errorf("%s: %q", c.name, told)
		}
		for _, w := range c.want {
			if !slices.Contains(told, w) {
				t.Errorf("%s: %q is not among %q", c.name, w, told)
			}
		}
	}
}

// TestNamesAndAddressesComeThroughATableAsTheyAre: what stands between quotation marks, in Danish letters or in signs
// beyond them comes to desk as it was written, however the table was saved; no column slips into the next.
func TestNamesAndAddressesComeThroughATableAsTheyAre(t *testing.T) {
	dir := withDocument(t)
	names := []string{"Åse Østergård-Bjørn", `Firmaet "Solen", afd. 2; syd`, "Zoë 🌻 Łukasz", "Ｎ ﬁ e\u0301", strings.Repeat("Æ", 45)}
	address := []string{`c/o "Poul, jr."`, strings.Repeat("ø", 45), "2690 Engdal; Øst"}
	for _, form := range []struct {
		name, begin, end string
		comma            rune
	}{
		{"semicolons", "", "\n", ';'}, {"commas", "", "\n", ','}, {"as Excel saves it", "\ufeff", "\r\n", ';'},
	} {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma = form.comma
		rows := [][]string{{"key", "id", "name", "address1", "address2", "address3", "title", "document"}}
		for i, n := range names {
			rows = append(rows, append(append([]string{fmt.Sprint("k", i), "6503851236", n}, address...), "Afgørelse, § 5; \"bilag\"", "a.pdf"))
		}
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		got := readText(t, form.begin+strings.ReplaceAll(b.String(), "\n", form.end), false, dir)
		for f := range got.Faults.all() {
			t.Errorf("%s: line %d: %s %s", form.name, f.Line, f.Code, f.Message)
		}
		if len(got.lines) != len(names) {
			t.Fatalf("%s: %d lines", form.name, len(got.lines))
		}
		for i, l := range got.lines {
			if l.Recipient.Name != names[i] || !slices.Equal(l.Recipient.Address, address) || l.Title != "Afgørelse, § 5; \"bilag\"" || l.Document != "a.pdf" {
				t.Errorf("%s: %q became %q, %q, %q, %q", form.name, names[i], l.Recipient.Name, l.Recipient.Address, l.Title, l.Document)
			}
		}
	}
}
