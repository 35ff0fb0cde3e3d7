package outside_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// brings says which package of Debian brings a program that tests ask for, and
// is what .ci/install must look for. What every Debian has is "".
var brings = map[string]string{
	"sh": "", "bash": "", "gzip": "", "base64": "", "go": "", "demo": "", // demo is the test itself (testscript)
	"git": "git", "groff": "groff-base", "gcc": "gcc", "redis-cli": "redis-server", "epmd": "rabbitmq-server", // the last two by what these need
	"curl": "curl", "openssl": "openssl", "redis-server": "redis-server", "xmlsec1": "xmlsec1", "xmllint": "libxml2-utils", "php": "php-cli",
	"pdftoppm": "poppler-utils", "pdftotext": "poppler-utils", "pdfinfo": "poppler-utils", "pdffonts": "poppler-utils",
	"sshd": "openssh-server", "/usr/sbin/sshd": "openssh-server",
	"/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
	"softhsm2-util":                         "softhsm2",
	"chromium":                              "chromium", "google-chrome": "chromium",
}

// beside are packages that tests need, and find without asking for a program
// by name: PostgreSQL by .ci/with-postgres, SimpleSAMLphp by its folder.
var beside = []string{"postgresql", "simplesamlphp", "php-xml", "php-mbstring", "util-linux", "git", "gcc", "libc6-dev", "ca-certificates"}

// TestABareDebianGetsEveryProgramThatTestsAskFor reads each call of
// outside.Program, exec.LookPath and exec.Command in the tests, and .ci/install.
func TestABareDebianGetsEveryProgramThatTestsAskFor(t *testing.T) {
	script, err := os.ReadFile("../../.ci/install")
	if err != nil {
		t.Fatal(err)
	}
	has := func(pkg string) bool {
		return regexp.MustCompile(`(?m)^[^#]*(need \S+ |\$packages.*\s)` + regexp.QuoteMeta(pkg) + `(\s|"|$)`).Match(script)
	}
	asked := askedFor(t)
	if len(asked) < 8 {
		t.Fatalf("only %d programs are asked for: this proves nothing", len(asked))
	}
	for name, where := range asked {
		pkg, known := brings[name]
		switch {
		case !known:
			t.Errorf("%s asks for %s: say here and in .ci/install which package brings it", where, name)
		case pkg != "" && !has(pkg):
			t.Errorf("%s asks for %s, and .ci/install does not install %s", where, name, pkg)
		}
	}
	for _, pkg := range beside {
		if !has(pkg) {
			t.Errorf(".ci/install does not install %s", pkg)
		}
	}
	if has("nosuchpackage") {
		t.Error("whatever is looked for is found: this proves nothing")
	}
}

// askedFor returns every program that a test asks for, with a place that does. A
// name that is no literal is looked up among the constants, variables and lists
// of its file.
func askedFor(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, root := range []string{"../../adapters", "../../cmd", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "outside/install_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				var arg ast.Expr
				switch of := name(call.Fun); {
				case of == "outside.Program" && len(call.Args) == 3:
					arg = call.Args[1]
				case of == "exec.LookPath" && len(call.Args) == 1:
					arg = call.Args[0]
				case of == "exec.Command" && len(call.Args) > 0:
					if s, ok := call.Args[0].(*ast.BasicLit); ok { // else it was looked up before
						all[strings.Trim(s.Value, `"`)] = path
					}
					return true
				default:
					return true
				}
				found := names(file, arg)
				if len(found) == 0 {
					t.Errorf("%s: a program is asked for by a name that this test cannot read", path)
				}
				for _, f := range found {
					all[f] = path
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func name(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}

// names are the strings that e may be.
func names(file *ast.File, e ast.Expr) (all []string) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return []string{s}
		}
	case *ast.CompositeLit:
		for _, x := range e.Elts {
			all = append(all, names(file, x)...)
		}
	case *ast.Ident:
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, x := range n.Names {
					if x.Name == e.Name && i < len(n.Values) {
						all = append(all, names(file, n.Values[i])...)
					}
				}
			case *ast.RangeStmt:
				for _, x := range []ast.Expr{n.Key, n.Value} {
					if id, ok := x.(*ast.Ident); ok && id.Name == e.Name && id.Name != "_" {
						all = append(all, names(file, n.X)...)
					}
				}
			case *ast.AssignStmt:
				for i, x := range n.Lhs {
					if id, ok := x.(*ast.Ident); ok && id.Name == e.Name && i < len(n.Rhs) {
						all = append(all, names(file, n.Rhs[i])...)
					}
				}
			}
			return true
		})
	}
	return all
}
