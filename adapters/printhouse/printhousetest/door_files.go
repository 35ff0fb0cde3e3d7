package printhousetest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/pkg/sftp"
)

// A Fault makes one step of the door fail.
type Fault struct {
	// Step is Get, Put, Write, Rename, PosixRename, Link, Remove, Mkdir, List,
	// or Lstat.
	Step string
	// Name is part of the file's name; "" is any.
	Name string
	// Done: the step happens, and only its answer is lost.
	Done bool
	// Err is what the door answers; nil cuts the connection instead.
	Err error
	// Hang: the door does not answer at all, until the connection ends.
	Hang bool
	// Times is how often; 1 when 0.
	Times int
}

// Break makes a step fail as f says.
func (d *Door) Break(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.Times = max(f.Times, 1)
	d.rules = append(d.rules, &f)
}

// Calls returns how often a step was asked for.
func (d *Door) Calls(step string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[step]
}

// step does one step, or fails as told.
func (d *Door) step(name, file string, do func() error) error {
	f := d.match(name, file)
	if f == nil {
		return do()
	}
	var err error
	if f.Done {
		err = do()
	}
	switch {
	case f.Hang:
		<-d.shut // no answer while the door stands
	case f.Err != nil:
		return f.Err
	}
	d.Cut()
	return errors.Join(err, io.ErrClosedPipe)
}

func (d *Door) match(name, file string) *Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[name]++
	for _, f := range d.rules {
		if f.Times > 0 && f.Step == name && strings.Contains(file, f.Name) {
			f.Times--
			return f
		}
	}
	return nil
}

// handlers serves the files behind a door. Names are relative to its root.
type handlers struct{ d *Door }

func within(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}

// Fileread implements [sftp.FileReader].
func (h handlers) Fileread(r *sftp.Request) (file io.ReaderAt, err error) {
	err = h.d.step("Get", r.Filepath, func() error {
		f, err := h.d.root.Open(within(r.Filepath))
		file = f
		return err
	})
	return file, err
}

// Filewrite implements [sftp.FileWriter].
func (h handlers) Filewrite(r *sftp.Request) (w io.WriterAt, err error) {
	flags := os.O_WRONLY
	if asked := r.Pflags(); asked.Creat {
		flags |= os.O_CREATE
		if asked.Excl {
			flags |= os.O_EXCL
		}
	}
	err = h.d.step("Put", r.Filepath, func() error {
		f, err := h.d.root.OpenFile(within(r.Filepath), flags, 0o600)
		w = writer{f, h.d, r.Filepath}
		return err
	})
	return w, err
}

type writer struct {
	*os.File
	d    *Door
	name string
}

// WriteAt implements [io.WriterAt].
func (w writer) WriteAt(p []byte, off int64) (n int, err error) {
	err = w.d.step("Write", w.name, func() error {
		n, err = w.File.WriteAt(p, off)
		return err
	})
	return n, err
}

// Filecmd implements [sftp.FileCmder].
func (h handlers) Filecmd(r *sftp.Request) error {
	root, from, to := h.d.root, within(r.Filepath), within(r.Target)
	return h.d.step(r.Method, r.Filepath+" "+r.Target, func() error {
		switch r.Method {
		case "Rename": // as the protocol has it: a name that is taken is an error
			if _, err := root.Lstat(to); err == nil {
				return fs.ErrExist
			}
			return root.Rename(from, to)
		case "PosixRename":
			return root.Rename(from, to)
		case "Link":
			return root.Link(from, to)
		case "Remove":
			return root.Remove(from)
		case "Mkdir":
			return root.Mkdir(from, 0o700)
		}
		return sftp.ErrSSHFxOpUnsupported
	})
}

// PosixRename implements [sftp.PosixRenameFileCmder].
func (h handlers) PosixRename(r *sftp.Request) error {
	r.Method = "PosixRename"
	return h.Filecmd(r)
}

// Filelist implements [sftp.FileLister].
func (h handlers) Filelist(r *sftp.Request) (all sftp.ListerAt, err error) {
	name := within(r.Filepath)
	err = h.d.step(r.Method, r.Filepath, func() error {
		if r.Method == "List" {
			dir, err := h.d.root.Open(name)
			if err != nil {
				return err
			}
			defer dir.Close()
			infos, err := dir.Readdir(-1)
			all = lister(infos)
			return err
		}
		info, err := h.d.root.Lstat(name)
		all = lister{info}
		return err
	})
	return all, err
}

// Lstat implements [sftp.LstatFileLister].
func (h handlers) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	r.Method = "Lstat"
	return h.Filelist(r)
}

type lister []fs.FileInfo

// ListAt implements [sftp.ListerAt].
func (l lister) ListAt(into []fs.FileInfo, at int64) (int, error) {
	if at >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(into, l[at:])
	if n < len(into) {
		return n, io.EOF
	}
	return n, nil
}
