package postctlapp_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/ulikunitz/xz/lzma"

	"sikkerpost.dk/gateway/cmd/internal/postctlapp"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"postctl": func() {
			postctlapp.Pace()
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := postctlapp.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			noteHighWater()
			os.Exit(code)
		},
	})
}

// highWater names the file into which postctl, when it is a test's process, writes
// its greatest resident size.
const highWater = "SIKKERPOST_TEST_HIGH_WATER"

// noteHighWater writes the greatest resident size of this process, in kB, where
// highWater says. What a parent is told by wait4 is of no use: it is never less
// than the parent itself had when it started the process.
func noteHighWater() {
	path := os.Getenv(highWater)
	if path == "" {
		return
	}
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		err = os.WriteFile(path, []byte(strings.Fields(rest)[0]), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: []string{
			filepath.Join("..", "..", "..", "testdata", "scripts", "desk-batch-check.txtar"),
			filepath.Join("..", "..", "..", "testdata", "scripts", "desk-batch-large.txtar"),
			filepath.Join("..", "..", "..", "testdata", "scripts", "memo.txtar"),
			filepath.Join("..", "..", "..", "testdata", "scripts", "postctl-words.txtar"),
		},
		Setup: func(e *testscript.Env) error {
			// txtar holds UTF-8 only.
			pdf, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "pdf", "decision-01.pdf"))
			if err == nil {
				err = os.MkdirAll(filepath.Join(e.WorkDir, "pdf"), 0o700)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(e.WorkDir, "pdf", "a.pdf"), pdf, 0o600)
			}
			if err == nil {
				err = container(e.WorkDir)
			}
			if err == nil {
				err = large(e.WorkDir)
			}
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "latin1.csv"), []byte("key,id,name,title,document\na,1,S\xf8ren,t,a.pdf\n"), 0o600)
		},
	})
}

// large writes tables of 20,000 letters for the script that asks for them: txtar
// would hold megabytes.
func large(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "large-faults.txt")); errors.Is(err, os.ErrNotExist) {
		return nil // another script
	}
	const letters = 20_000
	var wrong, right, lines bytes.Buffer
	wrong.WriteString("key;id;name;address1;title;document;shade\n")
	right.WriteString("key;id;name;address1;title;document\n")
	for n := 2; n <= letters+1; n++ { // n is the line of the file
		key, id, name, document := fmt.Sprint("sag-", n), "6503851236", "Nancy", "a.pdf"
		fmt.Fprintf(&right, "%s;%s;%s;Vej 1;Afgørelse;%s\n", key, id, name, document)
		switch n {
		case 2:
			id = "1"
		case letters / 2:
			document = "missing.pdf"
		case letters/2 + 1:
			name = "J\xf8rgen"
		case letters/2 + 2:
			name = `N"x` // no letter
		case letters - 1, letters:
			key = "sag-3"
		case letters + 1:
			key, document = fmt.Sprint("sag-", letters/2-1), "missing.pdf"
		}
		fmt.Fprintf(&wrong, "%s;%s;%s;Vej 1;Afgørelse;%s;red\n", key, id, name, document)
		switch l := n - 1; l {
		case 1, letters / 2:
			lines.WriteString("{\n")
		default:
			fmt.Fprintf(&lines, `{"key":"%s","title":"Afgørelse","recipient":{"id_type":"CPR","id":"6503851236","name":"Nancy","address":["Vej 1"]},"document":"%s"}`+"\n", key, document)
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "large.csv"), wrong.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "faultless.csv"), right.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "large.jsonl"), lines.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "open.csv"), bytes.Replace(right.Bytes(), []byte("sag-3;6503851236;"), []byte("sag-3;6503851236;\""), 1), 0o600),
	)
}

// container packs good.xml of a script as many.tar.lzma, and as renamed.tar.lzma
// under the name of another message; txtar holds neither.
func container(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "good.xml"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // another script
	}
	if err != nil {
		return err
	}
	for file, name := range map[string]string{
		"many.tar.lzma": "8c2ea15d-61fb-4ba9-9366-42f8b194c114.xml", "renamed.tar.lzma": "00000000-61fb-4ba9-9366-42f8b194c114.xml",
	} {
		var packed bytes.Buffer
		z, err := lzma.NewWriter(&packed)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(z)
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o700, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = archive.Write(text)
		if err := errors.Join(err, archive.Close(), z.Close(), os.WriteFile(filepath.Join(dir, file), packed.Bytes(), 0o600)); err != nil {
			return err
		}
	}
	return nil
}
