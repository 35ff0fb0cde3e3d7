package internal_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
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

var (
	link    = regexp.MustCompile(`\]\(([^)\s#]*)(?:#([^)\s]*))?\)`)
	heading = regexp.MustCompile("(?m)^#+ +(.*)$")
	code    = regexp.MustCompile("(?ms)^```.*?^```$")
)

// anchors are the names under which the headings of a page are found: small letters,
// hyphens for blanks, nothing else but letters, digits, hyphens and underscores.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(code.ReplaceAllString(page, ""), -1) {
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return all
}

// TestPagesLinkToWhatExists follows every relative link of every page, to its heading.
func TestPagesLinkToWhatExists(t *testing.T) {
	followed, headings := 0, 0
	for _, name := range kept(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			followed++
			to := name
			if m[1] != "" {
				to = path.Join(path.Dir(name), m[1])
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
				continue
			}
			if m[2] == "" || !strings.HasSuffix(to, ".md") {
				continue
			}
			if headings++; !anchors(read(t, to))[m[2]] {
				t.Errorf("%s links to %s#%s, and no heading there has that name", name, m[1], m[2])
			}
		}
	}
	if followed < 10 || headings < 10 {
		t.Errorf("followed %d links, %d of them to headings; the search is broken", followed, headings)
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
