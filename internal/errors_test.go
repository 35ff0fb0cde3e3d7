package internal_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

var update = flag.Bool("update", false, "write the pages of docs/errors")

const errorsDir = "docs/errors"

// TestEachErrorHasItsPage wants docs/errors to be what the faults say, nothing
// more and nothing less. Write the pages with:
//
//	go test ./internal -run TestEachErrorHasItsPage -update
func TestEachErrorHasItsPage(t *testing.T) {
	want := map[string]string{"README.md": errorIndex(post.Faults())}
	for _, f := range post.Faults() {
		want[f.Code+".md"] = errorPage(f)
	}
	dir := filepath.Join(root, errorsDir)
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, ok := want[e.Name()]
		if !ok {
			t.Errorf("%s/%s belongs to no code; codes are never reused, pages never left over", errorsDir, e.Name())
			continue
		}
		delete(want, e.Name())
		if read(t, errorsDir+"/"+e.Name()) != text {
			t.Errorf("%s/%s is out of date; run this test with -update", errorsDir, e.Name())
		}
	}
	for name := range want {
		t.Errorf("%s/%s is missing; run this test with -update", errorsDir, name)
	}
}

func errorPage(f *post.Fault) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n**What to do.** %s\n\n", f.Code, f.English, f.Cure)
	fmt.Fprintf(&b, "## På dansk\n\n%s\n\n**Gør sådan.** %s\n\n", f.Danish, f.CureDA)
	fmt.Fprintf(&b, "HTTP status: %d %s. [All codes](README.md)\n", f.Status, http.StatusText(f.Status))
	return b.String()
}

func errorIndex(all []*post.Fault) string {
	var b strings.Builder
	b.WriteString("# Error codes\n\nEach refusal has a stable code, one sentence, and a cure. These pages are made from the code.\n\n")
	b.WriteString("| code | what | HTTP |\n|---|---|---|\n")
	for _, f := range all {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %d |\n", f.Code, f.Code, f.English, f.Status)
	}
	return b.String()
}

func TestFaultsSpeakPlainly(t *testing.T) {
	code := regexp.MustCompile(`^POST-[0-9]{4}$`)
	seen := map[string]bool{}
	for _, f := range post.Faults() {
		if !code.MatchString(f.Code) || seen[f.Code] {
			t.Errorf("%s is no code, or is used twice", f.Code)
		}
		seen[f.Code] = true
		if f.Status < 400 || f.Status > 599 || http.StatusText(f.Status) == "" {
			t.Errorf("%s: HTTP status %d is no refusal", f.Code, f.Status)
		}
		for what, text := range map[string]string{"sentence": f.English, "Danish sentence": f.Danish, "cure": f.Cure, "Danish cure": f.CureDA} {
			if len(text) < 10 || !strings.HasSuffix(text, ".") || strings.Contains(text, "%") {
				t.Errorf("%s: the %s %q is no whole sentence", f.Code, what, text)
			}
		}
	}
}
