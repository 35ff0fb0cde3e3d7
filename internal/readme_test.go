package internal_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestReadmeTellsTheStory compares the transcript in README.md with the one of
// the story, which another test holds against the real run. Ids, times and
// addresses differ from run to run; words and counts do not.
func TestReadmeTellsTheStory(t *testing.T) {
	told := fenced(read(t, "README.md"), "story")
	if len(told) == 0 {
		t.Fatal("README.md has no ```story block, or an empty one")
	}
	played := storyLines(t, read(t, "testdata/scripts/story.txtar"))
	for i := range max(len(told), len(played)) {
		var a, b string
		if i < len(told) {
			a = shape(told[i])
		}
		if i < len(played) {
			b = shape(played[i])
		}
		if a != b {
			t.Errorf("line %d of the transcript:\n  README %s\n  story  %s", i+1, a, b)
		}
	}
}

// storyLines takes the transcript from a ```story block or else from a file
// named "story" in the archive.
func storyLines(t *testing.T, text string) []string {
	t.Helper()
	if lines := fenced(text, "story"); len(lines) > 0 {
		return lines
	}
	for _, f := range txtar.Parse([]byte(text)).Files {
		if f.Name == "story" {
			return strings.Split(strings.TrimRight(string(f.Data), "\n"), "\n")
		}
	}
	t.Fatal("testdata/scripts/story.txtar has neither a ```story block nor a file named story")
	return nil
}

// fenced returns the lines between ```kind and ```; a leading "# " of a
// commented block is taken off.
func fenced(text, kind string) []string {
	var out []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		bare := strings.TrimPrefix(line, "# ")
		switch {
		case !inside && bare == "```"+kind:
			inside = true
		case inside && bare == "```":
			return out
		case inside:
			out = append(out, strings.TrimPrefix(bare, "#"))
		}
	}
	return out
}

// changing lists what differs from run to run, longest forms first.
var changing = []struct {
	form *regexp.Regexp
	mark string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`SP-[0-9A-Z]{4}-[0-9A-Z]{4}`), "<reference>"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+Z?)?`), "<time>"},
	{regexp.MustCompile(`[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?`), "<time>"},
	{regexp.MustCompile(`(127\.0\.0\.1|localhost):[0-9]+`), "<address>"},
	{regexp.MustCompile(`[0-9a-f]{12,}…?|[0-9a-f]{6,}…`), "<digest>"},
	{regexp.MustCompile(`[0-9]+(\.[0-9]+)?\s?(ms|µs|s)\b`), "<span>"},
	{regexp.MustCompile(`[A-Z]{2}[0-9]{9}[A-Z]{2}`), "<tracking>"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

func shape(line string) string {
	for _, c := range changing {
		line = c.form.ReplaceAllString(line, c.mark)
	}
	return strings.TrimSpace(line)
}

func TestShapeKeepsWordsAndCounts(t *testing.T) {
	a := shape("✓ batch of 20: 16 digital, 3 paper  SP-7K3Q-92MD  0.84 s")
	if a != shape("✓ batch of 20: 16 digital, 3 paper SP-0000-0000  12 ms") {
		t.Errorf("references and times are not taken out: %q", a)
	}
	if a == shape("✓ batch of 20: 15 digital, 4 paper SP-7K3Q-92MD 0.84 s") {
		t.Error("counts are taken out")
	}
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
