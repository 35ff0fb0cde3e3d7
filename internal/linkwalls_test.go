package internal_test

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	unseal = module + "/internal/vault/unseal"
	sign   = module + "/internal/outbound/sign"
)

// programs says what each program under cmd/ must not link: what a program
// cannot link it cannot leak.
var programs = []struct {
	name string
	// bench programs may link simulators and invented people.
	bench bool
	never map[string]string // import path → why
}{
	{name: "portal", never: map[string]string{
		unseal:                           "the program that faces the internet can take inquiries, not open them",
		sign:                             "the program that faces the internet can never sign a decision",
		module + "/adapters/digitalpost": "the portal speaks to no carrier",
		module + "/adapters/printhouse":  "the portal speaks to no carrier",
	}},
	{name: "desk", never: map[string]string{
		sign:                             "staff and case systems submit letters; only the dispatcher signs them",
		module + "/adapters/digitalpost": "the desk speaks to no carrier",
	}},
	{name: "dispatcher", never: map[string]string{
		module + "/adapters/portalweb": "the program with the signing key serves no pages",
		module + "/adapters/nemlogin":  "the program with the signing key reads no logins",
	}},
	{name: "postctl", never: map[string]string{
		unseal: "operators can run everything and read nothing",
		sign:   "operators can run everything and sign nothing",
	}},
	{name: "inboxctl", never: map[string]string{
		sign:                          "the DPO's tool opens inquiries; it never signs letters",
		module + "/adapters/sqlstore": "the DPO's tool knows the gateway only by its API",
	}},
	{name: "devcerts", never: map[string]string{unseal: "it makes keys and uses none", sign: "it makes keys and uses none"}},
	{name: "simulator", bench: true},
	{name: "demo", bench: true},
}

func TestLinkWalls(t *testing.T) {
	seen := []string{}
	for _, p := range programs {
		seen = append(seen, p.name)
		t.Run(p.name, func(t *testing.T) {
			for _, dep := range deps(t, "./cmd/"+p.name) {
				if why, ok := p.never[dep]; ok {
					t.Errorf("%s links %s: %s", p.name, dep, why)
				}
				if why := machinery(dep, p.bench); why != "" {
					t.Errorf("%s links %s: %s", p.name, dep, why)
				}
			}
		})
	}
	entries, err := os.ReadDir(filepath.Join(root, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "internal" && !slices.Contains(seen, e.Name()) {
			t.Errorf("cmd/%s has no row in the table of link walls", e.Name())
		}
	}
}

// machinery says why no shipped program may link dep, or "".
func machinery(dep string, bench bool) string {
	switch {
	case dep == "testing" || dep == "net/http/httptest" || strings.HasPrefix(dep, "testing/"):
		return "no program carries the test machinery"
	case dep == module+"/internal/outside" || dep == module+"/internal/ratio":
		return "what tests look for and measure on the machine is for tests"
	case bench:
		return ""
	case under(dep, module) && strings.HasSuffix(path.Base(dep), "test"):
		return "the other side's simulator belongs to simulator and demo"
	case dep == module+"/internal/persona" || dep == module+"/testdata" || under(dep, module+"/internal/sim"):
		return "invented people belong to simulator and demo"
	case under(dep, "github.com/alicebob/miniredis/v2"):
		return "the embedded Redis belongs to the demo"
	}
	return ""
}

// TestLinkWallsStand shows that the rule on machinery bites.
func TestLinkWallsStand(t *testing.T) {
	for _, dep := range []string{"testing", "net/http/httptest", module + "/adapters/nemlogin/nemlogintest", module + "/internal/persona"} {
		if machinery(dep, false) == "" {
			t.Errorf("a shipped program may link %s", dep)
		}
	}
	if machinery("testing", true) == "" {
		t.Error("the demo may link testing")
	}
	// And that go list sees through to the standard library.
	if !slices.Contains(deps(t, "./internal/post"), "crypto/sha256") {
		t.Error("go list -deps does not show what a package links")
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", pkg)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var detail string
		if e := (*exec.ExitError)(nil); errors.As(err, &e) {
			detail = string(e.Stderr)
		}
		t.Fatalf("list what %s links: %v\n%s", pkg, err, detail)
	}
	return strings.Fields(string(out))
}
