package internal_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fenced returns the lines between ```kind and ```, without them.
func fenced(text, kind string) []string {
	var out []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		switch {
		case !inside && line == "```"+kind:
			inside = true
		case inside && line == "```":
			return out
		case inside:
			out = append(out, line)
		}
	}
	return out
}

var link = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)

// TestPagesLinkToWhatExists follows every relative link of every page.
func TestPagesLinkToWhatExists(t *testing.T) {
	followed := 0
	for _, name := range kept(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			followed++
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
		}
	}
	if followed < 10 {
		t.Errorf("followed %d links; the search is broken", followed)
	}
}

// TestReadmeMapIsTheTree wants the map in README.md to name each folder of the
// first two levels, and no other.
func TestReadmeMapIsTheTree(t *testing.T) {
	told := strings.Join(fenced(read(t, "README.md"), "map"), "\n")
	var dirs []string
	for _, f := range tree(t) {
		parts := strings.Split(f.dir, "/")
		switch {
		case parts[0] == "internal" && len(parts) > 1, parts[0] == "cmd" && len(parts) > 1 && parts[1] != "internal", parts[0] == "adapters":
			dirs = append(dirs, parts[1])
		}
	}
	slices.Sort(dirs)
	for _, d := range slices.Compact(dirs) {
		if !regexp.MustCompile(`(^|[^a-z])` + d + `($|[^a-z])`).MatchString(told) {
			t.Errorf("README.md: the map lacks %s", d)
		}
	}
}
