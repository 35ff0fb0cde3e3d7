package postctlapp_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sikkerpost.dk/gateway/cmd/internal/postctlapp"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"postctl": func() {
			os.Exit(postctlapp.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: []string{filepath.Join("..", "..", "..", "testdata", "scripts", "desk-batch-check.txtar")},
		Setup: func(e *testscript.Env) error {
			// txtar holds UTF-8 only.
			pdf, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "pdf", "decision-01.pdf"))
			if err == nil {
				err = os.WriteFile(filepath.Join(e.WorkDir, "pdf", "a.pdf"), pdf, 0o600)
			}
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "latin1.csv"), []byte("key,id,name,title,document\na,1,S\xf8ren,t,a.pdf\n"), 0o600)
		},
	})
}
