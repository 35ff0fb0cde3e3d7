package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/post"
)

// Limits bound what a person may send; zero fields take the default.
type Limits struct {
	Files    int   // per inquiry; 10
	Bytes    int64 // of all files of an inquiry; 10 MiB
	Text     int   // characters of the message; 4000
	Subject  int   // characters of the subject; 120
	Parallel int   // attachments in memory at the same time; 4
	Pixels   int64 // of one picture; 100 million
}

func (l Limits) orDefault() Limits {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&l.Files, 10)
	or(&l.Text, 4000)
	or(&l.Subject, 120)
	or(&l.Parallel, 4)
	if l.Bytes <= 0 {
		l.Bytes = 10 << 20
	}
	if l.Pixels <= 0 {
		l.Pixels = 100_000_000
	}
	return l
}

// maxName bounds a file name, in characters.
const maxName = 120

// CleanName returns the label under which a file is kept: without a path and
// without space around it. It refuses what could deceive a reader (control
// and direction characters), what is not UTF-8, and names without a stem.
func CleanName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", post.FaultFileName.At("not UTF-8")
	}
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > maxName {
		return "", post.FaultFileName.At("longer than %d characters", maxName)
	}
	for _, r := range name {
		// Cf holds the direction overrides that make "gpj.exe" look like "exe.jpg".
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return "", post.FaultFileName.At("control character")
		}
	}
	if stem := strings.Trim(strings.TrimSuffix(name, path.Ext(name)), ". "); stem == "" || name == "/" {
		return "", post.FaultFileName.At("empty")
	}
	return name, nil
}

// form is one kind of file that we take.
type form struct {
	mediaType  string
	extensions []string
	magic      func(head []byte) bool
	structure  func(ctx context.Context, data []byte, l Limits) error
}

func forms() []form {
	return []form{
		{"application/pdf", []string{".pdf"}, isPDF, checkPDF},
		{"image/jpeg", []string{".jpg", ".jpeg"}, isJPEG, checkPicture},
		{"image/png", []string{".png"}, isPNG, checkPNG},
		{"text/plain", []string{".txt"}, isText, checkText},
	}
}

func formByExtension(name string) (form, error) {
	ext := strings.ToLower(path.Ext(name))
	for _, f := range forms() {
		for _, e := range f.extensions {
			if e == ext {
				return f, nil
			}
		}
	}
	return form{}, post.FaultFileType
}

// headSize is how much of a file is read before its magic is judged.
const headSize = 512

// readChecked reads one attachment into memory, refusing as early as it can:
// the extension before the first byte, the magic after the first block, the
// size as soon as it exceeds room. What it returns has passed every check but
// the malware scan.
func readChecked(ctx context.Context, name string, r io.Reader, room int64, l Limits) ([]byte, form, error) {
	f, err := formByExtension(name)
	if err != nil {
		return nil, form{}, err
	}
	if room <= 0 {
		return nil, form{}, post.FaultFilesTooLarge
	}
	br := bufio.NewReaderSize(r, headSize)
	head, err := br.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, form{}, fmt.Errorf("read attachment: %w", err)
	}
	if len(head) == 0 {
		return nil, form{}, post.FaultFileEmpty
	}
	if !f.magic(head) {
		return nil, form{}, misnamed(head)
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(br, room+1))
	if err != nil {
		return nil, form{}, fmt.Errorf("read attachment: %w", err)
	}
	if n > room {
		return nil, form{}, post.FaultFilesTooLarge
	}
	if f.mediaType != "text/plain" && hidesArchive(buf.Bytes()) {
		return nil, form{}, post.FaultFileTwoInOne
	}
	if err := f.structure(ctx, buf.Bytes(), l); err != nil {
		return nil, form{}, err
	}
	return buf.Bytes(), f, nil
}

// misnamed says why the head does not fit the name: it is another kind that
// we take, or none of them.
func misnamed(head []byte) error {
	for _, f := range forms() {
		if f.magic(head) {
			return post.FaultFileMismatch
		}
	}
	return post.FaultFileType
}
