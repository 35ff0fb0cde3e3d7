// Package outside finds what tests need from outside the repository: programs
// such as xmlsec1, and the official schemas that we may not copy. Only tests
// import it.
//
// What is missing is said loudly, never skipped in silence. With
// SIKKERPOST_FULL=1 (make test) a missing program fails the test.
package outside

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Full reports whether every check was asked for.
func Full() bool {
	return os.Getenv("SIKKERPOST_FULL") == "1" //nolint:forbidigo // it tells tests how much to do; no program links this
}

// Program returns where a program is. When it is missing, ok is false and the
// log says that what was left out; with SIKKERPOST_FULL=1 the test fails.
func Program(t testing.TB, name, what string) (path string, ok bool) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path, true
	}
	if Full() {
		t.Fatalf("%s is not installed, and SIKKERPOST_FULL=1 asks for every check", name)
	}
	t.Logf("LEFT OUT, because %s is not installed: %s", name, what)
	return "", false
}

// Data returns the path of a file or folder of the official schemas and
// samples, which lie beside the repository in shared/data. When they are not
// there, ok is false and the log says that what was left out.
func Data(t testing.TB, name, what string) (path string, ok bool) {
	t.Helper()
	path = filepath.Join(Root(t), "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Logf("LEFT OUT, because shared/data is not beside the repository: %s", what)
		return "", false
	}
	return path, true
}

// Root returns the folder of go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above this test")
		}
		dir = up
	}
}
