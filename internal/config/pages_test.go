package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
)

// TestEachKeyStandsInTheDocs walks every configuration file to its last key.
func TestEachKeyStandsInTheDocs(t *testing.T) {
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %d pages", err, len(names))
	}
	var docs strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		docs.Write(b)
	}
	all := map[string]string{}
	for _, of := range []reflect.Type{reflect.TypeFor[config.Portal](), reflect.TypeFor[config.Desk](), reflect.TypeFor[config.Dispatcher]()} {
		keysOf(of, of.Name(), all)
	}
	if len(all) < 100 {
		t.Fatalf("only %d keys found", len(all))
	}
	for key, where := range all {
		told := func(form string) bool { return strings.Contains(docs.String(), form) }
		if !told("`"+key+"`") && !told("`"+key+".") && !told("."+key+"`") && !told(`"`+key+`":`) {
			t.Errorf("no page tells of %s (%s)", key, where)
		}
	}
}

// keysOf adds each key of t, and of what is in it, with where it stands.
func keysOf(t reflect.Type, where string, all map[string]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "-" {
			continue
		}
		at := where
		if key != "" {
			at += "." + key
			all[key] = at
		}
		keysOf(f.Type, at, all)
	}
}
