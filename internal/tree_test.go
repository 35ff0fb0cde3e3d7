package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "sikkerpost.dk/gateway"
	root   = ".."
)

// goFile is one Go file of the tree.
type goFile struct {
	path    string // slash-separated, from the root: "internal/post/id.go"
	dir     string
	imports []string
	lines   int
	tree    *ast.File
	set     *token.FileSet
}

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// goFiles parses every Go file of this module, once per test run.
var goFiles = sync.OnceValues(func() ([]goFile, error) {
	var out []goFile
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, notMod := os.Stat(filepath.Join(p, "go.mod"))
			hidden := strings.HasPrefix(d.Name(), ".") && p != root
			if hidden || d.Name() == "node_modules" || p != root && notMod == nil {
				return fs.SkipDir // not ours, or a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f := goFile{set: token.NewFileSet(), lines: strings.Count(string(src), "\n")}
		if f.tree, err = parser.ParseFile(f.set, p, src, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f.path = filepath.ToSlash(rel)
		f.dir = path.Dir(f.path)
		for _, i := range f.tree.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, name)
		}
		out = append(out, f)
		return nil
	})
	return out, err
})

func tree(t *testing.T) []goFile {
	t.Helper()
	files, err := goFiles()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found %d Go files; the walk is broken", len(files))
	}
	return files
}

// kept lists the files of the tree that are, or would be, committed. Without git
// (an unpacked archive) it walks, leaving out what .gitignore leaves out.
func kept(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil {
		names := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
		return slices.DeleteFunc(names, func(n string) bool { // deleted, not yet committed
			info, err := os.Stat(filepath.Join(root, n))
			return err != nil || info.IsDir()
		})
	}
	t.Log("git is not here: walking the folder instead")
	var names []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		if d.IsDir() {
			if rel == ".git" || rel == ".bin" || rel == filepath.Join("certs", "dev") || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		names = append(names, filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
