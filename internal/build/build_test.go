package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outside"
)

func TestTheVersionIsTheMostCertainOneKnown(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abcd"}, {Key: "vcs.modified", Value: "false"}}
	changed := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abcd"}, {Key: "vcs.modified", Value: "true"}}
	module := func(v string, s []debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: v}, Settings: s}
	}
	for _, tt := range []struct {
		name, stamped string
		info          *debug.BuildInfo
		want          string
	}{
		{"what the build was told", "v1.2.3", module("v1.2.2", commit), "v1.2.3"},
		{"an image whose builder told nothing", "unknown", module("(devel)", nil), "unknown"},
		{"the module's", "", module("v1.2.2", commit), "v1.2.2"},
		{"the commit's", "", module("(devel)", commit), "0123abcd"},
		{"a commit and more", "", module("(devel)", changed), "0123abcd+dirty"},
		{"files alone", "", module("(devel)", nil), "unknown"},
		{"nothing at all", "", nil, "unknown"},
	} {
		if got := version(tt.stamped, tt.info); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestEachProgramSaysItsVersion links programs as the image does: one of them,
// and under SIKKERPOST_FULL=1 each.
func TestEachProgramSaysItsVersion(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join("..", "..", "cmd")
	entries, err := os.ReadDir(main)
	if err != nil {
		t.Fatal(err)
	}
	var names, paths []string
	for _, e := range entries {
		if e.Name() != "internal" && (outside.Full() || e.Name() == "devcerts") {
			names, paths = append(names, e.Name()), append(paths, "./../../cmd/"+e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("no program was found")
	}
	made := exec.CommandContext(t.Context(), "go", append([]string{"build", "-buildvcs=false", "-o", dir + "/",
		"-ldflags", "-X sikkerpost.dk/gateway/internal/build.stamped=v9.8.7"}, paths...)...) //nolint:gosec // our own programs
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range names {
		form := regexp.MustCompile(`^` + name + ` v9\.8\.7 \(go1\.\S+, [a-z0-9]+/[a-z0-9]+\)\n$`)
		for _, flag := range []string{"-version", "--version"} {
			run := exec.CommandContext(t.Context(), filepath.Join(dir, name), flag) //nolint:gosec // as above
			var talk strings.Builder
			run.Stderr = &talk
			out, err := run.Output()
			if err != nil || !form.Match(out) || talk.Len() > 0 {
				t.Errorf("%s %s: %v %q %q", name, flag, err, out, talk.String())
			}
		}
	}
}
