package postctlapp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/memo"
)

// memoCheck names every fault of messages, in files or containers.
type memoCheck struct {
	Files []string `arg:"" name:"file" help:"MeMo messages (XML) or containers (.tar.lzma); - is standard input."`
}

// memoCat writes a message again in the one form that this gateway writes.
type memoCat struct {
	File string `arg:"" help:"MeMo message (XML); - is standard input."`
	As   string `default:"" enum:",1.1,1.2" placeholder:"VERSION" help:"Version to write: 1.1 or 1.2; its own when not given."`
}

type checkedMemo struct {
	File    string      `json:"file"`
	Message string      `json:"message,omitempty"` // name inside a container
	Faults  []memoFault `json:"faults"`
}

type memoFault struct {
	Line int    `json:"line,omitempty"`
	Code string `json:"code"`
	Path string `json:"path"`
	Text string `json:"text"`
}

// Run checks every file and exits with [ctl.Failed] when anything is wrong.
func (c *memoCheck) Run(r *run) error {
	all := []checkedMemo{}
	wrong := 0
	for _, name := range c.Files {
		got, err := r.checkMemo(name)
		if err != nil {
			return err
		}
		all = append(all, got...)
	}
	for _, m := range all {
		wrong += len(m.Faults)
	}
	result := struct {
		Messages []checkedMemo `json:"messages"`
		Wrong    int           `json:"wrong"`
	}{all, wrong}
	if err := r.Print(result, func(w io.Writer) { printMemos(w, all, wrong) }); err != nil {
		return err
	}
	if wrong > 0 {
		return &ctl.Hint{Err: fmt.Errorf("%s wrong", things(wrong)), Hint: "mend the first of each message and check again: others may follow from it"}
	}
	return nil
}

func things(n int) string {
	if n == 1 {
		return "1 thing is"
	}
	return fmt.Sprintf("%d things are", n)
}

func printMemos(w io.Writer, all []checkedMemo, wrong int) {
	for _, m := range all {
		at := m.File
		if m.Message != "" {
			at += "/" + m.Message
		}
		for _, f := range m.Faults {
			fmt.Fprintf(w, "%s:%d: %s at %s: %s\n", ctl.Line(at), f.Line, f.Code, f.Path, f.Text)
		}
	}
	noun := "messages"
	if len(all) == 1 {
		noun = "message"
	}
	fmt.Fprintf(w, "%d %s read, %s wrong\n", len(all), noun, things(wrong))
}

// checkMemo checks one file: a message, or a container of them.
func (r *run) checkMemo(name string) (all []checkedMemo, err error) {
	in, closeIn, err := r.openMemo(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeIn()) }()
	if !packed(in) {
		found, err := memo.Faults(in, memo.Limits{})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return []checkedMemo{{File: name, Faults: faultsOf(found)}}, nil
	}
	err = memo.ReadContainer(in, memo.ContainerLimits{}, func(uuid string, message io.Reader) error {
		own := &uuidOf{}
		found, err := memo.Faults(io.TeeReader(message, own), memo.Limits{})
		if err != nil {
			return err
		}
		if !own.is(uuid) {
			found = append(found, &memo.Invalid{Code: memo.CodeContainer, Path: "/Message/MessageHeader/messageUUID", Note: "the entry has the name of another message"})
		}
		all = append(all, checkedMemo{File: name, Message: uuid + ".xml", Faults: faultsOf(found)})
		return nil
	})
	if bad, ok := errors.AsType[*memo.Invalid](err); ok {
		return append(all, checkedMemo{File: name, Faults: faultsOf([]*memo.Invalid{bad})}), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return all, nil
}

func faultsOf(found []*memo.Invalid) []memoFault {
	all := make([]memoFault, 0, len(found))
	for _, f := range found {
		all = append(all, memoFault{f.Line, f.Code, f.Path, f.Note})
	}
	return all
}

// openMemo opens a file, or standard input.
func (r *run) openMemo(name string) (*bufio.Reader, func() error, error) {
	if name == "-" {
		return bufio.NewReader(r.Stdin), func() error { return nil }, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, &ctl.Hint{Err: err, Hint: "check the path"}
	}
	return bufio.NewReader(f), f.Close, nil
}

// packed reports whether LZMA stands there: a message begins with a bracket, a
// space or a byte order mark.
func packed(in *bufio.Reader) bool {
	first, err := in.Peek(1)
	return err == nil && first[0] == 0x5d
}

// uuidOf keeps the beginning of a message, where its UUID stands.
type uuidOf struct{ begin bytes.Buffer }

// maxBegin is far more than stands before the messageUUID.
const maxBegin = 64 << 10

func (u *uuidOf) Write(p []byte) (int, error) {
	if room := maxBegin - u.begin.Len(); room > 0 {
		u.begin.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// is reports whether the message says that it is this one. One that says
// nothing has other faults.
func (u *uuidOf) is(uuid string) bool {
	_, rest, found := strings.Cut(u.begin.String(), "messageUUID>")
	own, _, closed := strings.Cut(rest, "<")
	return !found || !closed || strings.EqualFold(strings.TrimSpace(own), uuid)
}

// Run reads the message twice: once to hold it to the rules, once for each of
// its files, so that no file is ever kept in memory or on disk.
func (c *memoCat) Run(r *run) error {
	open := func() (io.ReadCloser, error) { return os.Open(c.File) }
	if c.File == "-" {
		whole, err := io.ReadAll(io.LimitReader(r.Stdin, maxStdin))
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(whole)), nil }
	}
	m, err := readAgainable(open)
	if bad, ok := errors.AsType[*memo.Invalid](err); ok {
		return &ctl.Hint{Err: bad, Hint: "postctl memo check names every fault; a container is unpacked first"}
	}
	if err != nil {
		return &ctl.Hint{Err: err, Hint: "check the path"}
	}
	version := c.As
	if version == "" {
		version = m.Version
	}
	out := bufio.NewWriterSize(r.Stdout, 64<<10)
	if err := memo.WriteAs(out, m, version); err != nil {
		return &ctl.Hint{Err: err, Hint: "memo.version.loses: that version has no place for something in it"}
	}
	return out.Flush()
}

// maxStdin bounds a message on standard input; one in a file is bounded by
// [memo.Limits].
const maxStdin = 130_000_001

// readAgainable reads a message whose files are opened by reading it again.
func readAgainable(open func() (io.ReadCloser, error)) (*memo.Message, error) {
	in, err := open()
	if err != nil {
		return nil, err
	}
	n := 0
	m, err := memo.Read(in, memo.Limits{}, func(_ memo.Document, f *memo.File, _ io.Reader) error {
		at := n
		n++
		f.Open = func() (io.ReadCloser, error) { return contentOf(open, at) }
		return nil
	})
	return m, errors.Join(err, in.Close())
}

// contentOf streams the content of file n of a message.
func contentOf(open func() (io.ReadCloser, error), n int) (io.ReadCloser, error) {
	in, err := open()
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	go func() {
		i := -1
		_, err := memo.Read(in, memo.Limits{}, func(_ memo.Document, _ *memo.File, content io.Reader) error {
			if i++; i != n {
				return nil
			}
			_, err := io.Copy(pw, content)
			return errors.Join(err, errEnough)
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		pw.CloseWithError(errors.Join(err, in.Close()))
	}()
	return pr, nil
}

// errEnough ends a reading that has found its file.
var errEnough = errors.New("enough")
