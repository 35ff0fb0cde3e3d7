package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestMain(m *testing.M) {
	testscript.Main(cleaner{m}, map[string]func(){"demo": main})
}

// cleaner runs the tests and removes what they share.
type cleaner struct{ m *testing.M }

func (c cleaner) Run() int {
	defer func() {
		if madeIn != "" {
			os.RemoveAll(madeIn)
		}
	}()
	return c.m.Run()
}

const script = "../../testdata/scripts/story.txtar"

// TestStory plays the whole story once, with every event logged, and then looks
// at what lies around.
func TestStory(t *testing.T) {
	t.Parallel()
	redis, root := miniredis.RunT(t), t.TempDir()
	work := filepath.Join(root, "script-story")
	dir := filepath.Join(work, "state")
	watched := watch(t, redis, filepath.Join(dir, "printhouse", "jobs"))
	t.Run("as told", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Files:       []string{script},
			WorkdirRoot: root,
			Setup:       func(e *testscript.Env) error { e.Setenv("REDIS", redis.Addr()); return nil },
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
	})
	if t.Failed() {
		return
	}
	seen := watched()
	texts := map[string][]byte{"Redis": seen.redis.Bytes()}
	for what, name := range map[string]string{"the log": "log", "the transcript": "got"} {
		text, err := os.ReadFile(filepath.Join(work, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[what] = text
	}
	t.Run("no CPR number stands in clear outside the simulators", func(t *testing.T) { noCPR(t, dir, texts) })
	t.Run("Redis was told ids and nothing else", func(t *testing.T) { onlyIDs(t, texts["Redis"]) })
	t.Run("a print job is sealed to the print house alone", func(t *testing.T) { printJobs(t, dir, seen.jobs) })
	t.Run("every MeMo is valid by the official schema", func(t *testing.T) { validMemos(t, dir) })
	t.Run("xmlsec1 accepts the signature of a letter", func(t *testing.T) { secondOpinion(t, dir) })
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
