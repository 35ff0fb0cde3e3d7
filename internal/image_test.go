package internal_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// stage is one FROM … AS name of the Dockerfile.
type stage struct {
	name, base string
	steps      [][2]string // instruction, rest
}

func stages(t *testing.T) []stage {
	t.Helper()
	var out []stage
	text := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(read(t, "Dockerfile"), "")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "FROM" {
			f := strings.Fields(rest)
			if len(f) != 3 || f[1] != "AS" {
				t.Fatalf("Dockerfile: %q: every stage has a name", line)
			}
			out = append(out, stage{name: f[2], base: f[0]})
			continue
		}
		if len(out) > 0 {
			last := &out[len(out)-1]
			last.steps = append(last.steps, [2]string{word, rest})
		}
	}
	return out
}

func (s stage) find(word string) string {
	for _, step := range slices.Backward(s.steps) {
		if step[0] == word {
			return step[1]
		}
	}
	return ""
}

func TestTheImageIsSmallAndPowerless(t *testing.T) {
	all := map[string]stage{}
	for _, s := range stages(t) {
		all[s.name] = s
	}
	if all["programs"].base != "scratch" {
		t.Errorf("the image is built on %q, want scratch: no shell, no packages", all["programs"].base)
	}
	if user := all["programs"].find("USER"); !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user) {
		t.Errorf("the image runs as %q, want a number that is not root's", user)
	}
	for _, name := range []string{"portal", "desk", "dispatcher"} {
		s := all[name]
		if s.base != "programs" {
			t.Errorf("stage %s is built on %q, want programs", name, s.base)
		}
		_, cmd, _ := strings.Cut(s.find("HEALTHCHECK"), "CMD ")
		for what, text := range map[string]string{"ENTRYPOINT": s.find("ENTRYPOINT"), "HEALTHCHECK": cmd} {
			var args []string
			if err := json.Unmarshal([]byte(text), &args); err != nil || args[0] != "/bin/"+name {
				t.Errorf("stage %s: %s %q is not our own program in exec form; the image has no shell", name, what, text)
			}
		}
	}
}

// TestTheImageHasEachProgram runs the build command of the Dockerfile and looks
// at what came out.
func TestTheImageHasEachProgram(t *testing.T) {
	var build string
	for _, step := range stages(t)[0].steps {
		if step[0] == "RUN" && strings.Contains(step[1], "go build") {
			build = step[1]
		}
	}
	for _, flag := range []string{"CGO_ENABLED=0", "-trimpath", "timetzdata"} {
		if !strings.Contains(build, flag) {
			t.Errorf("the build lacks %s", flag)
		}
	}
	for _, p := range programs {
		if strings.Contains(build, "./cmd/"+p.name) == (p.bench || p.name == "devcerts") {
			t.Errorf("%s: shipped programs are in the image, simulators and development tools are not", p.name)
		}
	}
	if os.Getenv("SIKKERPOST_FULL") != "1" {
		t.Log("LEFT OUT: the build of the image's programs takes minutes the first time; SIKKERPOST_FULL=1 runs it")
		return
	}
	out := t.TempDir()
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(build, "/out/", out+"/"))
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, text)
	}
	for _, p := range programs {
		if p.bench || p.name == "devcerts" {
			continue
		}
		binary := filepath.Join(out, "bin", p.name)
		text, err := exec.Command(binary, "-h").CombinedOutput()
		if err != nil || !strings.Contains(string(text), p.name) {
			t.Errorf("%s -h: %v\n%s", p.name, err, text)
		}
		raw, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "/lib64/ld-linux") {
			t.Errorf("%s is not static", p.name)
		}
	}
}
