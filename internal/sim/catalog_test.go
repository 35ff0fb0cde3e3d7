package sim

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// page is the description of the simulation, whose tables are held to the code here.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulation.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section returns what stands under a head of the page.
func section(page, head string) string {
	_, s, _ := strings.Cut(page, "\n## "+head+"\n")
	s, _, _ = strings.Cut(s, "\n## ")
	return s
}

// named are the things that the page may name.
type named struct {
	tests   map[string][]string // each test function of the tree and its files
	hazards []string
	checked map[string]bool // the invariants that some check of the simulation reports
}

// known looks for them.
func known(t *testing.T) named {
	t.Helper()
	k := named{tests: map[string][]string{}, checked: map[string]bool{}}
	fn := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(\w+ \*testing\.[TF]\)`)
	violation := regexp.MustCompile(`violate\("(I\d+|rule5):`)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range fn.FindAllSubmatch(b, -1) {
			k.tests[string(m[1])] = append(k.tests[string(m[1])], path)
		}
		if filepath.Dir(path) == filepath.Join(root, "internal", "sim") {
			for _, m := range violation.FindAllSubmatch(b, -1) {
				k.checked[string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range slices.Concat(hazards, quietHazards, lotHazards, trialHazards, strainHazards) {
		k.hazards = append(k.hazards, h.name)
	}
	return k
}

var (
	catalogRow = regexp.MustCompile(`(?m)^\| ([IH]\d+) \| ([^|]+) \| ([^|]+) \|$`)
	testName   = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	hazardName = regexp.MustCompile(`\*([^*]+)\*`)
	invariant  = regexp.MustCompile(`the simulation's (I\d+)`)
	noHolder   = regexp.MustCompile(`does not apply, because \w+(\W+\w+){3}`)
)

// catalog returns what is wrong with the table of I1 to I14 and H1 to H24.
func catalog(page string, k named) (wrong []string) {
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	var want, got []string
	for i := range 14 {
		want = append(want, "I"+strconv.Itoa(i+1))
	}
	for i := range 24 {
		want = append(want, "H"+strconv.Itoa(i+1))
	}
	held := map[string][]string{}
	for _, row := range catalogRow.FindAllStringSubmatch(section(page, "Each number and where it is held"), -1) {
		number, by := row[1], row[3]
		got = append(got, number)
		holders := 0
		for _, m := range testName.FindAllStringSubmatch(by, -1) {
			holders++
			if files := k.tests[m[1]]; len(files) != 1 {
				say("%s names %s, which is in %d files %v", number, m[1], len(files), files)
			}
		}
		for _, m := range hazardName.FindAllStringSubmatch(by, -1) {
			holders++
			held[number] = append(held[number], m[1])
			if !slices.Contains(k.hazards, m[1]) {
				say("%s names the hazard %q, which is not put back", number, m[1])
			}
		}
		for _, m := range invariant.FindAllStringSubmatch(by, -1) {
			holders++
			if !k.checked[m[1]] {
				say("%s names %s, which the simulation does not check", number, m[1])
			}
		}
		if k.checked[number] && !strings.Contains(by, "the simulation's "+number) {
			say("%s is checked by the simulation, and its row does not say so", number)
		}
		if holders == 0 && !noHolder.MatchString(by) {
			say("%s says neither what holds it nor why it does not apply", number)
		}
	}
	if !slices.Equal(got, want) {
		say("the rows are %v\nwant %v", got, want)
	}
	for _, h := range k.hazards {
		for _, word := range strings.Fields(h) {
			if slices.Contains(want, word) && !slices.Contains(held[word], h) {
				say("the row of %s does not name the hazard %q", word, h)
			}
		}
	}
	return wrong
}

// TestEachNumberOfTheCatalogsIsHeldSomewhere: whoever reads the table may take it at its word.
func TestEachNumberOfTheCatalogsIsHeldSomewhere(t *testing.T) {
	p, k := page(t), known(t)
	for _, w := range catalog(p, k) {
		t.Error(w)
	}
	// The table is not read past: each of these is noticed.
	for _, c := range []struct{ what, from, to string }{
		{"a row is gone", "\n| I10 |", "\n| I1O |"},
		{"a row stands twice", "\n| H9 |", "\n| H8 |"},
		{"a test was renamed", "`TestSentTwiceMakesOneInquiry`", "`TestSentTwice`"},
		{"a test is gone from its row", "`TestStaleFenceIsRefused`", "`TestMain2`"},
		{"a hazard was renamed", "*H13 what", "*H13 that"},
		{"an invariant is not checked", "the simulation's I12", "the simulation's I99"},
		{"nothing holds it", "\n| H23 |", "\n| H23 | x | somebody looks at it now and then |\n| X |"},
		{"no reason is given", "\n| H23 |", "\n| H23 | x | does not apply, because no |\n| X |"},
	} {
		worse := strings.Replace(p, c.from, c.to, 1)
		if worse == p {
			t.Errorf("%s: %q is not on the page", c.what, c.from)
		} else if len(catalog(worse, k)) == 0 {
			t.Errorf("%s, and nobody notices", c.what)
		}
	}
}

// TestThePageHasEachInvariant: one table, sorted, of what is checked and nothing else.
func TestThePageHasEachInvariant(t *testing.T) {
	k := known(t)
	table := false
	var lines []string
	for l := range strings.Lines(section(page(t), "Invariants")) {
		if row := strings.HasPrefix(l, "|"); row && !table && len(lines) > 0 {
			t.Fatalf("the table is broken in two before %s", l)
		} else if table = row; row {
			lines = append(lines, l)
		}
	}
	if len(lines) < 3 {
		t.Fatal("there is no table")
	}
	var order []string
	for _, l := range lines[2:] {
		name := regexp.MustCompile(`^\| (I\d+|rule 5)\b`).FindStringSubmatch(l)
		if name == nil {
			t.Fatalf("a row without a name: %s", l)
		}
		order = append(order, strings.ReplaceAll(name[1], " ", ""))
	}
	number := func(s string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(s, "I"))
		if err != nil {
			return 1000 // rule 5, the last
		}
		return n
	}
	if !slices.IsSortedFunc(order, func(a, b string) int { return cmp.Compare(number(a), number(b)) }) {
		t.Errorf("not sorted: %v", order)
	}
	for c := range k.checked {
		if !slices.Contains(order, c) {
			t.Errorf("%s is checked and has no row", c)
		}
	}
	for _, o := range order {
		if !k.checked[o] {
			t.Errorf("%s has a row and is not checked", o)
		}
	}
}
