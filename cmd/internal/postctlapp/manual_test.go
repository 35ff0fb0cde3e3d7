package postctlapp

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outside"
)

func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Run(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("%v: %d %s", args, code, errs.String())
	}
	return out.String()
}

// TestBashCompletesWhatPostctlParses asks a real bash.
func TestBashCompletesWhatPostctlParses(t *testing.T) {
	bash, ok := outside.Program(t, "bash", "completion as a shell does it")
	if !ok {
		return
	}
	script := printed(t, "completion", "bash")
	for typed, want := range map[string]string{
		"postctl rec":                     "receipts",
		"postctl receipts ":               "parked show retry close",
		"postctl --json letter tr":        "trace",
		"postctl letter list --la":        "--late",
		"postctl receipts close X --reas": "--reason",
		"postctl mail close --js":         "--json",
		"postctl receipts close X -reas":  "-reason",
		"postctl letter list -ne":         "-needs-person",
		"postctl mail close X -reason ":   "answered",
		"postctl mail close X --reason h": "harmful",
		"postctl channel pause b":         "both",
		"postctl completion f":            "fish",
	} {
		words := strings.Split(typed, " ")
		run := exec.CommandContext(t.Context(), bash, "-c", script+"\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($#-1)); _postctl; echo \"${COMPREPLY[@]}\"", "bash") //nolint:gosec // our own script
		run.Args = append(run.Args, words...)
		out, err := run.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, %v; want %q", typed, got, err, want)
		}
	}
}

// TestAPageTellsOfEachCommand: who works with the pages alone finds it there.
func TestAPageTellsOfEachCommand(t *testing.T) {
	m, err := manual()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("../../../docs/*.md")
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
	for _, c := range m.Commands() {
		if !regexp.MustCompile(`postctl ` + c + `\b`).MatchString(docs.String()) {
			t.Errorf("no page tells of postctl %s", c)
		}
	}
}

func TestEveryCommandIsInManualAndCompletions(t *testing.T) {
	man, fish, zsh := printed(t, "man"), printed(t, "completion", "fish"), printed(t, "completion", "zsh")
	m, err := manual()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Commands()) < 40 {
		t.Fatalf("only %d commands", len(m.Commands()))
	}
	for _, c := range m.Commands() {
		if !strings.Contains(man, ".SS postctl "+strings.ReplaceAll(c, "-", `\-`)+"\n") {
			t.Errorf("%s is not in the manual page", c)
		}
		words := strings.Fields(c)
		if last := words[len(words)-1]; !strings.Contains(fish, " -a "+last+" ") || !strings.Contains(zsh, `" `+c+`"`) {
			t.Errorf("%s is not completed", c)
		}
	}
	if !strings.Contains(man, "outcome unknown; do not repeat, ask") || !strings.Contains(man, "SIKKERPOST_URL") {
		t.Error("the manual page says neither exit codes nor environment")
	}
	groff, ok := outside.Program(t, "groff", "the manual page as it is set")
	if !ok {
		return
	}
	run := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z")
	run.Stdin = strings.NewReader(man)
	if out, err := run.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v %s", err, out)
	}
}
