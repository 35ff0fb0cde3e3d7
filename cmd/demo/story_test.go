package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"demo": main})
}

const script = "../../testdata/scripts/story.txtar"

func TestStory(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: []string{script},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// shape FILE WANT compares two texts after everything that differs
			// from run to run was replaced by its kind.
			"shape": func(ts *testscript.TestScript, neg bool, args []string) {
				got, want := shape(ts.ReadFile(args[0])), shape(ts.ReadFile(args[1]))
				if got != want {
					ts.Fatalf("the transcript has another shape.\ngot:\n%s\nwant:\n%s", got, want)
				}
			},
		},
	})
}

func TestTheREADMEShowsTheStoryAsItRuns(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```story\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README.md has no block ```story")
	}
	arc, err := txtar.ParseFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range arc.Files {
		if f.Name == "transcript" {
			if got, want := shape(block), shape(string(f.Data)); got != want {
				t.Errorf("README.md tells another story than %s.\nREADME:\n%s\nscript:\n%s", script, got, want)
			}
			return
		}
	}
	t.Fatalf("%s has no file named transcript", script)
}

// kinds are the parts of the transcript that differ from run to run.
var kinds = []struct{ re, kind string }{
	{`SP-[0-9A-Z]{4}-[0-9A-Z]{4}`, "REFERENCE"},
	{`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`, "ID"},
	{`\b[0-9a-f]{12,64}\b`, "DIGEST"},
	{`\b\d{1,2} [A-Z][a-z]+ 20\d\d\b`, "DATE"},
	{`\b\d+(\.\d+)? ?(s|ms)\b`, "TIME"},
	{`\b\d+ ledger entries\b`, "N ledger entries"},
}

func shape(s string) string {
	for _, k := range kinds {
		s = regexp.MustCompile(k.re).ReplaceAllString(s, k.kind)
	}
	return strings.TrimSpace(s)
}
