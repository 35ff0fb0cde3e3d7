package postctlapp

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// columns gives each column its name; the Danish heads are what people write.
var columns = map[string]string{
	"key": "key", "nøgle": "key", "id": "id", "cpr": "id", "cvr": "id", "cpr/cvr": "id",
	"name": "name", "navn": "name", "title": "title", "titel": "title",
	"document": "document", "dokument": "document", "fil": "document", "language": "language", "sprog": "language",
	"arrive": "arrive", "arrive_by": "arrive", "fremme": "arrive", "fremme senest": "arrive",
	"registered": "registered", "rekommanderet": "registered",
}

// table is a batch in CSV or JSON lines that was read and checked. No line of it is
// kept; [table.each] reads them again. What is kept of a line are a digest of its
// key and its number, some 42 bytes, and of a document the digests of its name and
// of its content, some 82.
type table struct {
	Lines  int // letters
	Faults faults

	src        *source
	docs       *documents
	keys       digests
	keyAt      []int32         // line of the file, for each of keys
	registered []int32         // lines of the file that ask for registered post
	absent     map[string]bool // columns that the first line does not name
}

// judge looks at a line that is in its form: n is its line of the file, doc the
// number of its document, or none when that cannot be sent. What it finds it adds to t.Faults.
type judge func(t *table, n int, l *wire.BatchLine, doc int) error

// read reads and checks the table at path, with its documents in dir ("": none
// are looked at), and shows each line to the judges. It reports every fault; only
// an unreadable file is an error, and an end of ctx. The caller closes the table.
func read(r *run, path, dir string, judges ...judge) (*table, error) {
	src, err := open(path)
	if err != nil {
		return nil, err
	}
	t := &table{src: src, docs: &documents{dir: dir}}
	t.docs.faults = &t.Faults
	if err := t.read(r, judges); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *table) close() { t.src.close() } //nolint:errcheck // only read

func (t *table) read(r *run, judges []judge) error {
	if dir := t.docs.dir; dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			if err == nil {
				err = fmt.Errorf("%s is no folder", dir)
			}
			return &ctl.Hint{Err: err, Hint: "-documents names the folder of the PDFs"}
		}
	}
	p := slowly(r.Env, "lines checked")
	defer p.End()
	took, all := 0, t.src.breaks
	if !t.src.json {
		all-- // the heads
	}
	s := &scan{ctx: r.ctx, src: t.src, fault: t.Faults.add, take: func(n int, l *wire.BatchLine) error {
		took++
		p.Show(took, max(took, all))
		doc := t.check(n, l)
		for _, look := range judges {
			if err := look(t, n, l, doc); err != nil {
				return err
			}
		}
		return nil
	}}
	s.heads = func(absent map[string]bool) { t.absent = absent }
	whole, err := s.run()
	if err != nil {
		return err
	}
	p.Show(took, took)
	t.keys, t.keyAt = digests{}, nil // no later reading asks for them
	if whole && (t.Lines > batch.MaxAnnounced || t.Lines == 0 && len(t.Faults.list) == 0) {
		t.Faults.add(0, post.FaultBatchSize.At("%d lines", t.Lines))
	}
	return nil
}

// each reads the lines of a table without faults again: n is the line of the file,
// doc the number of the document.
func (t *table) each(ctx context.Context, take func(n int, l wire.BatchLine, doc int) error) error {
	s := &scan{ctx: ctx, src: t.src, fault: func(int, error) {}, take: func(n int, l *wire.BatchLine) error {
		doc := t.docs.find(l.Document)
		if doc >= 0 {
			l.SHA256 = t.docs.sum(doc)
		}
		return take(n, *l, doc)
	}}
	_, err := s.run()
	return err
}

// check holds one line to the rules that desk will hold it to, fills in the digest
// of its document, and returns the document's number.
func (t *table) check(n int, l *wire.BatchLine) (doc int) {
	check := func(err error) {
		if err != nil {
			t.Faults.add(n, err)
		}
	}
	there := func(column string) bool { return !t.absent[column] }
	r := l.Recipient
	if there("key") {
		t.newKey(l.Key, n)
	}
	if there("title") {
		check(letter.CheckTitle(l.Title))
	}
	if _, err := (post.PartyRecord{IDType: r.IDType, ID: r.ID}).Party(); there("id") {
		check(err)
	}
	check(letter.CheckAddress(r.Name, r.Address))
	if there("name") && r.Name == "" {
		check(post.FaultTableName)
	}
	for _, v := range [][2]string{{"key", l.Key}, {"name", r.Name}, {"title", l.Title}, {"document", l.Document}, {"address", strings.Join(r.Address, "\n")}} {
		if formula(v[1]) {
			check(post.FaultTableFormula.At("%s", v[0]))
		}
	}
	if _, ok := post.ParseDay(l.ArriveBy); l.ArriveBy != "" && !ok {
		check(post.FaultArriveDay)
	}
	doc = none
	if there("document") {
		_, err := letter.Describe(l.Document, "", "", l.Language)
		check(err)
		if err == nil {
			doc = t.document(n, l)
		}
	}
	t.Lines++
	if l.Registered {
		t.registered = append(t.registered, int32(n)) //nolint:gosec // a table has at most 128 MB
	}
	return doc
}

// document looks at the document of a line. A line may announce its digest.
func (t *table) document(n int, l *wire.BatchLine) (doc int) {
	announced := l.SHA256
	doc, wrong := t.docs.examine(l.Document)
	switch {
	case wrong >= 0:
		t.Faults.note(n, wrong, 0)
	case doc >= 0:
		if l.SHA256 = t.docs.sum(doc); announced != "" && announced != l.SHA256 {
			t.Faults.add(n, post.FaultDocumentDigest)
		}
	}
	return doc
}

// newKey checks a line's key and notes where it stands.
func (t *table) newKey(key string, line int) {
	if err := letter.CheckKey(key, post.FaultLetterKey); err != nil {
		t.Faults.add(line, err)
		return
	}
	n, twice := t.keys.put(sha256.Sum256([]byte(key)))
	if twice {
		t.Faults.note(line, t.Faults.kind(post.FaultLineKeyTwice.At("first in line %s", hole)), int(t.keyAt[n]))
		return
	}
	t.keyAt = append(t.keyAt, int32(line)) //nolint:gosec // as above
}

// formula reports whether a spreadsheet would run some line of s (CWE-1236):
// nothing that a person wrote begins so, and reports are opened in one. Blanks
// before the sign do not hide it, nor does its wide form, which some read alike.
func formula(s string) bool {
	for line := range strings.Lines(s) {
		begin := strings.TrimLeftFunc(line, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
		if first, _ := utf8.DecodeRuneInString(begin); strings.ContainsRune("=+-@＝＋－＠", first) {
			return true
		}
	}
	return false
}
