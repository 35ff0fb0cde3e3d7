package devcerts_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
)

// TestOperationsExamplesLoad writes each example of docs/operations.md beside a
// set of development keys and loads it as the program would.
func TestOperationsExamplesLoad(t *testing.T) {
	page, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := copied(t)
	set := made(t, dir, devcerts.Options{})
	// Keys in roll-over: any others of the right kind.
	for name, from := range map[string]string{
		"sp-signing-next.pem":    set.LetterRSA.Cert,
		"sp-encryption-next.pem": set.LetterRSA.Cert, "sp-encryption-next-key.pem": set.LetterRSA.Key,
		"sp-encryption-old.pem": set.IDPSigning.Cert, "sp-encryption-old-key.pem": set.IDPSigning.Key,
	} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "login", name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What comes from others.
	for _, name := range []string{"login/nemlogin-metadata.xml", "carrier/engdal.token"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	example[config.Portal](t, string(page), dir, "portal.json")
	example[config.Desk](t, string(page), dir, "desk.json")
	example[config.Dispatcher](t, string(page), dir, "dispatcher.json")
}

func example[T config.Program](t *testing.T, page, dir, name string) {
	t.Helper()
	_, section, ok := strings.Cut(page, "\n## "+name+"\n")
	if !ok {
		t.Fatalf("docs/operations.md has no section %s", name)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, text, _ := strings.Cut(section, "```json\n")
	text, tables, _ := strings.Cut(text, "```\n")
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load[T](path)
	if err != nil {
		t.Errorf("the example does not load: %v", err)
	}
	// Every key is shown, and what only this program has is explained.
	for _, key := range keys(reflect.TypeOf(c), true) {
		if !strings.Contains(text, `"`+key+`":`) && key != "identity_file" {
			t.Errorf("%s: the example lacks %q", name, key)
		}
	}
	for _, key := range keys(reflect.TypeOf(c), false) {
		if !strings.Contains(tables, "`"+key+"`") {
			t.Errorf("%s: the tables do not explain %q", name, key)
		}
	}
	for _, key := range keys(reflect.TypeFor[config.Common](), true) {
		if !strings.Contains(page, "`"+key+"`") {
			t.Errorf("docs/operations.md does not explain %q", key)
		}
	}
}

// keys lists the JSON names of the struct t that must be given, those of nested
// structs too when deep.
func keys(t reflect.Type, deep bool) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			if deep {
				out = append(out, keys(f.Type, deep)...)
			}
			continue
		}
		name, omit, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" { // no key of a file
			continue
		}
		if omit == "" {
			out = append(out, name)
		}
		elem := f.Type
		for elem.Kind() == reflect.Slice || elem.Kind() == reflect.Map {
			elem = elem.Elem()
		}
		if deep && omit == "" && elem.Kind() == reflect.Struct { // what may be left out has its own example
			out = append(out, keys(elem, deep)...)
		}
	}
	return out
}
