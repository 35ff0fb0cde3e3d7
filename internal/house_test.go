package internal_test

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range tree(t) {
		if f.test() {
			continue
		}
		documented[f.dir] = documented[f.dir] || f.tree.Doc != nil && len(f.tree.Doc.Text()) > 40
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment; it is the package's specification", dir)
		}
	}
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	const (
		maxFile, maxTestFile = 500, 800
		maxFunc              = 80
	)
	for _, f := range tree(t) {
		limit := maxFile
		if f.test() || path.Base(f.dir) == "suite" {
			limit = maxTestFile
		}
		if f.lines > limit {
			t.Errorf("%s has %d lines, %d at most: split it by duty", f.path, f.lines, limit)
		}
		if limit == maxTestFile {
			continue
		}
		for _, d := range f.tree.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; n > maxFunc {
				t.Errorf("%s: %s has %d lines, %d at most", f.path, fn.Name.Name, n, maxFunc)
			}
		}
	}
}

// A test that is skipped is a promise that nobody keeps. Where an outside tool
// is missing, a test logs what it left out, and fails when SIKKERPOST_FULL=1.
func TestNoTestIsSkipped(t *testing.T) {
	for _, f := range tree(t) {
		if !f.test() && path.Base(f.dir) != "suite" {
			continue
		}
		for _, at := range skips(f.tree) {
			t.Errorf("%s skips a test: log what is left out, and fail when SIKKERPOST_FULL=1", f.set.Position(at.Pos()))
		}
	}
}

func skips(tree *ast.File) []ast.Node {
	var out []ast.Node
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			switch sel.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				out = append(out, call)
			}
		}
		return true
	})
	return out
}

func TestEachDependencyHasAReason(t *testing.T) {
	mod, err := modfile.Parse("go.mod", []byte(read(t, "go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if r.Indirect {
			continue
		}
		var reason string
		for _, c := range append(r.Syntax.Before, r.Syntax.Suffix...) {
			reason += strings.TrimSpace(strings.TrimPrefix(c.Token, "//"))
		}
		if len(reason) < 10 {
			t.Errorf("go.mod: %s has no reason beside it", r.Mod.Path)
		}
	}
	if len(mod.Replace) > 0 {
		t.Error("go.mod: a replace holds only here, not for those who build on us")
	}
}

// TestTheHouseSpeaksOfItselfAlone keeps machine paths and notes to oneself out.
func TestTheHouseSpeaksOfItselfAlone(t *testing.T) {
	bad := regexp.MustCompile(`(?m)/wor[k]/(main|shared)|/roo[t]/|\bFIXME\b|\bXXX\b|\bTODO\b[^(]|<<<<<<<|>>>>>>>`)
	for _, name := range kept(t) {
		if name == "internal/house_test.go" || strings.HasSuffix(name, ".pdf") {
			continue
		}
		if at := bad.FindString(read(t, name)); at != "" {
			t.Errorf("%s contains %q", name, at)
		}
	}
}
