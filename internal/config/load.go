package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// maxFile bounds a configuration file; 98 tenants fit many times over.
const maxFile = 4 << 20

// Program is the configuration of one serving program.
type Program interface {
	Portal | Desk | Dispatcher
	AdminAddress() string
}

// AdminAddress returns where metrics and readiness are served.
func (c Common) AdminAddress() string { return c.Admin }

// A Finding is one thing that is wrong with a configuration.
type Finding struct {
	Path string // where: "tenants[2].cvr"; "" is the whole file
	Line int    // in the file; 0 when not known
	Text string // what, and what is wanted instead
}

// String implements [fmt.Stringer].
func (f Finding) String() string {
	s := f.Text
	if f.Path != "" {
		s = f.Path + ": " + s
	}
	if f.Line > 0 {
		s = fmt.Sprintf("line %d: %s", f.Line, s)
	}
	return s
}

// Findings is everything that is wrong with one file, in the order of the file.
// It is a [post.FaultConfig].
type Findings struct {
	File string
	All  []Finding
}

// Error implements error: one line per finding.
func (f *Findings) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s", post.FaultConfig, f.File)
	for _, one := range f.All {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

// Unwrap lets errors.Is find the fault.
func (f *Findings) Unwrap() error { return post.FaultConfig }

// Load reads the configuration of a program from a strict JSON file and checks
// it, the files that it names included. Names of files are relative to the
// folder of the configuration file; durations are written "30s", "15m" or "2h".
// On failure the error is *[Findings] and holds everything that is wrong.
func Load[T Program](path string) (T, error) {
	var c T
	raw, err := readConfig(path)
	if err != nil {
		return c, &Findings{path, []Finding{{Text: err.Error()}}}
	}
	r := &report{}
	root := parse(raw, r)
	if len(r.all) > 0 {
		return c, &Findings{path, r.all}
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return c, &Findings{path, []Finding{{Text: err.Error()}}}
	}
	decode(root, &c, dir, r)
	r.lines = root.lines()
	r.check(&c)
	if len(r.all) > 0 {
		slices.SortStableFunc(r.all, func(a, b Finding) int { return a.Line - b.Line })
		return c, &Findings{path, r.all}
	}
	return c, nil
}

// Check says what is wrong with a configuration made in memory, or nil. Names of
// files must be absolute or fit the current directory.
func Check[T Program](c T) error {
	r := &report{}
	r.check(&c)
	if len(r.all) > 0 {
		return &Findings{"(in memory)", r.all}
	}
	return nil
}

func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others may write to it (mode %#o): take that away with chmod go-w", info.Mode().Perm())
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), nil
}

// report collects findings; no path is reported twice.
type report struct {
	all   []Finding
	lines map[string]int // path → line
	seen  map[string]bool
}

func (r *report) add(path string, line int, format string, args ...any) {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	if r.seen[path] {
		return
	}
	r.seen[path] = true
	r.all = append(r.all, Finding{path, line, fmt.Sprintf(format, args...)})
}

// at reports at a path of the configuration; the line is that of the path or,
// for what is missing, of the nearest thing around it (0 when that is the file).
func (r *report) at(path, format string, args ...any) {
	line := 0
	for p := path; ; {
		if l, ok := r.lines[p]; ok {
			line = l
			break
		}
		cut := strings.LastIndexAny(p, ".[")
		if cut < 0 {
			break
		}
		p = p[:cut]
	}
	r.add(path, line, format, args...)
}
