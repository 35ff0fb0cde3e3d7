package pagecache

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFilesTouchedLongestAgoAreForgottenFirst(t *testing.T) {
	r := New(100)
	var gone []string
	r.forget = func(path string) { gone = append(gone, path) }
	for _, step := range []struct {
		path string
		size int64
		want []string
	}{
		{"a", 40, nil},
		{"b", 40, nil},
		{"a", 40, nil}, // known: it counts once, and is the last one now
		{"c", 20, nil}, // as much as may be
		{"d", 1, []string{"b"}},
		{"e", 500, []string{"a", "c", "d"}}, // a file above the bound stays while it is the last one
		{"f", 1, []string{"e"}},
		{"f", 90, nil}, // grown
		{"a", 20, []string{"f"}},
	} {
		gone = nil
		r.Touch(step.path, step.size)
		if !slices.Equal(gone, step.want) {
			t.Errorf("touch %s, %d bytes: forgot %q, not %q", step.path, step.size, gone, step.want)
		}
	}
}

func TestNoMoreThanTheBoundIsRememberedBesideTheLastFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(rapid.Int64Range(0, 300).Draw(t, "max"))
		known := map[string]int64{} // what the system may keep
		r.forget = func(path string) {
			if _, ok := known[path]; !ok {
				t.Fatalf("%s was forgotten, and nobody had touched it since", path)
			}
			delete(known, path)
		}
		for range rapid.IntRange(1, 60).Draw(t, "touches") {
			path := rapid.StringMatching(`[a-h]`).Draw(t, "path")
			size := rapid.Int64Range(0, 120).Draw(t, "size")
			known[path] = size
			r.Touch(path, size)
			var sum int64
			for _, n := range known {
				sum += n
			}
			if _, ok := known[path]; !ok {
				t.Fatal("the file touched last was forgotten")
			}
			if sum > r.max && len(known) > 1 {
				t.Fatalf("%d bytes of %d files, of at most %d", sum, len(known), r.max)
			}
			if sum != r.sum || len(known) != len(r.files) {
				t.Fatalf("%d bytes of %d files are counted; it is %d of %d", r.sum, len(r.files), sum, len(known))
			}
		}
	})
}
