// Command bench runs every BenchmarkRatio of the module, one package after the
// other, and prints one table: what was compared, the ratio, its goal, whether
// the goal is met, and the absolute figures of both sides. A package takes part
// by having such a function (see internal/ratio); nothing is registered here.
//
// It ends with 0 when every goal is met, 1 when one is missed or a benchmark
// fails, 2 on misuse. A comparison that had to be left out is named below the
// table.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	tool := flags.String("go", "go", "the go command")
	markdown := flags.Bool("markdown", false, "print the table for docs/benchmarks.md")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	packages, err := find(os.DirFS("."))
	if err != nil || len(packages) == 0 {
		fmt.Fprintf(stderr, "no BenchmarkRatio below this folder: %v\n", err)
		return 2
	}
	all, failed := result{}, false
	for _, p := range packages {
		fmt.Fprintf(stderr, "measuring %s\n", p)
		r, err := measure(ctx, *tool, p)
		if err != nil {
			fmt.Fprintf(stderr, "%v\n", err)
			failed = true
		}
		all.rows, all.leftOut = append(all.rows, r.rows...), append(all.leftOut, r.leftOut...)
	}
	write := table
	if *markdown {
		write = markdownTable
	}
	if err := write(stdout, all); err != nil {
		return 1
	}
	if failed || slices.ContainsFunc(all.rows, func(r row) bool { return r.verdict() == missed }) {
		return 1
	}
	return 0
}

// find returns the packages that have ratios to measure.
func find(root fs.FS) ([]string, error) {
	var found []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if p := "./" + path.Dir(name); bytes.Contains(b, []byte("\nfunc BenchmarkRatio(")) && !slices.Contains(found, p) {
			found = append(found, p)
		}
		return nil
	})
	return found, err
}

func measure(ctx context.Context, tool, pkg string) (result, error) {
	abs := tool
	if strings.ContainsRune(tool, filepath.Separator) {
		var err error
		if abs, err = filepath.Abs(tool); err != nil {
			return result{}, err
		}
	}
	//nolint:gosec // the go command that the caller names, for packages found here
	cmd := exec.CommandContext(ctx, abs, "test", "-run", "^$", "-bench", "^BenchmarkRatio$", "-benchtime", "1x", "-timeout", "30m", pkg)
	out, err := cmd.CombinedOutput()
	r := parse(string(out))
	if err != nil {
		return r, fmt.Errorf("%s: %w\n%s", pkg, err, out)
	}
	return r, nil
}
