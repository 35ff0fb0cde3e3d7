package postctlapp

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// maxTable bounds a table: 100,000 lines of 1.3 KB, which no real one reaches.
const maxTable = 128 << 20

var bom = []byte("\xef\xbb\xbf")

// columns gives each column its name; the Danish heads are what people write.
var columns = map[string]string{
	"key": "key", "nøgle": "key", "id": "id", "cpr": "id", "cvr": "id", "cpr/cvr": "id",
	"name": "name", "navn": "name", "title": "title", "titel": "title",
	"document": "document", "dokument": "document", "fil": "document", "language": "language", "sprog": "language",
	"arrive": "arrive", "arrive_by": "arrive", "fremme": "arrive", "fremme senest": "arrive",
	"registered": "registered", "rekommanderet": "registered",
}

// table is a batch as read from CSV or JSON lines, with every fault found.
type table struct {
	Lines  []wire.BatchLine
	At     []int             // line of the file, for each of Lines
	Files  map[string]string // path by SHA-256
	Bytes  int64             // of all documents, each once
	Faults []lineFault

	absent map[string]bool // columns that the first line does not name
}

// lineFault is one fault at one line of the file.
type lineFault struct {
	Line    int    `json:"line"` // 0: the file as a whole
	Code    string `json:"code"`
	Message string `json:"message"`
	Cure    string `json:"cure"`
}

func (t *table) fault(line int, err error) {
	f := post.FaultInternal
	errors.As(err, &f)
	l := lineFault{Line: line, Code: f.Code, Message: f.English, Cure: f.Cure}
	var at *post.Refusal
	if errors.As(err, &at) && at.Detail != "" {
		l.Message = strings.TrimSuffix(l.Message, ".") + " (" + at.Detail + ")."
	}
	t.Faults = append(t.Faults, l)
}

// read reads and checks the table at path, with its documents in dir ("": none
// are looked at). It reports every fault; only an unreadable file is an error.
func read(path, dir string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &ctl.Hint{Err: err, Hint: "check the path"}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTable+1))
	if err != nil {
		return nil, &ctl.Hint{Err: err, Hint: "check the path"}
	}
	if dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			if err == nil {
				err = fmt.Errorf("%s is no folder", dir)
			}
			return nil, &ctl.Hint{Err: err, Hint: "-documents names the folder of the PDFs"}
		}
	}
	if len(b) > maxTable {
		return nil, post.FaultBatchSize
	}
	docs := &documents{dir: dir, known: map[string]checked{}}
	t := parse
	if strings.EqualFold(filepath.Ext(path), ".jsonl") {
		t = parseJSON
	}
	out := t(b, docs)
	out.Files = docs.files()
	out.Bytes = docs.bytes
	return out, nil
}

// finish refuses a table that is empty or too large.
func (t *table) finish() *table {
	if len(t.Lines) > batch.MaxAnnounced || len(t.Lines) == 0 && len(t.Faults) == 0 {
		t.fault(0, post.FaultBatchSize.At("%d lines", len(t.Lines)))
	}
	return t
}

// parseJSON reads one JSON object a line, of the form that desk takes. A line
// that is not is reported; the others are still read.
func parseJSON(b []byte, docs *documents) *table {
	t := &table{}
	b, ok := t.text(b)
	if !ok {
		return t
	}
	seen, n := map[string]int{}, 0
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var l wire.BatchLine
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil || !ended(dec) {
			t.fault(n, post.FaultTableLine.At("not one JSON object of the known members"))
			continue
		}
		announced := l.SHA256
		t.check(n, l, docs, seen)
		if got := t.Lines[len(t.Lines)-1].SHA256; announced != "" && got != "" && announced != got {
			t.fault(n, post.FaultDocumentDigest)
		} else if got == "" {
			t.Lines[len(t.Lines)-1].SHA256 = announced
		}
	}
	return t.finish()
}

// parse reads a table. docs finds and checks each document once.
func parse(b []byte, docs *documents) *table {
	t := &table{}
	b, ok := t.text(b)
	if !ok {
		return t
	}
	head, _, _ := bytes.Cut(b, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord = -1
	if bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';'
	}
	names, err := r.Read()
	if err == nil && len(names) == 2 && strings.EqualFold(names[0], "sep=") && names[1] == "" {
		names, err = r.Read() // a line for Excel alone
	}
	if err != nil {
		t.fault(1, post.FaultTableForm)
		return t
	}
	if len(names) == 1 && strings.Contains(names[0], "\t") {
		t.fault(0, post.FaultTableForm.At("tabs stand between the columns"))
		return t
	}
	heads, _ := r.FieldPos(0)
	at := t.heads(heads, names)
	seen := map[string]int{}
	for {
		fields, err := r.Read()
		if err == io.EOF {
			break
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			t.fault(wrong.StartLine, post.FaultTableForm)
			if errors.Is(err, csv.ErrBareQuote) {
				continue // ends with its own line
			}
			return t // where the value ends, and what follows, cannot be told
		}
		n, _ := r.FieldPos(0)
		if len(fields) != len(names) {
			t.fault(n, post.FaultTableLine.At("%d columns, not %d", len(fields), len(names)))
			continue
		}
		t.line(n, at, fields, docs, seen)
	}
	return t.finish()
}

// line takes a line of CSV.
func (t *table) line(n int, at map[string][]int, fields []string, docs *documents, seen map[string]int) {
	get := func(c string) string {
		if len(at[c]) == 0 {
			return ""
		}
		return strings.TrimSpace(fields[at[c][0]])
	}
	l := wire.BatchLine{Key: get("key"), Title: get("title"), Document: get("document"), Language: strings.ToLower(get("language")), ArriveBy: get("arrive")}
	var clear bool
	if l.Registered, clear = yes(get("registered")); !clear {
		t.fault(n, post.FaultTableRegistered)
	}
	l.Recipient = wire.Party{IDType: "CPR", ID: strings.ReplaceAll(get("id"), " ", ""), Name: get("name")}
	if len(l.Recipient.ID) == 8 {
		l.Recipient.IDType = "CVR"
	}
	for _, i := range at["address"] {
		if s := strings.TrimSpace(fields[i]); s != "" {
			l.Recipient.Address = append(l.Recipient.Address, s)
		}
	}
	t.check(n, l, docs, seen)
}

// yes reads the words by which people and programs say whether a line goes by
// registered post. Another word is not taken for no.
func yes(s string) (is, clear bool) {
	switch strings.ToLower(s) {
	case "yes", "ja", "true", "sand", "1", "x":
		return true, true
	case "", "no", "nej", "false", "falsk", "0":
		return false, true
	}
	return false, false
}

// check holds one line to the rules that desk will hold it to, and adds it.
func (t *table) check(n int, l wire.BatchLine, docs *documents, seen map[string]int) {
	check := func(err error) {
		if err != nil {
			t.fault(n, err)
		}
	}
	there := func(column string) bool { return !t.absent[column] }
	r := l.Recipient
	if there("key") {
		check(newKey(l.Key, n, seen))
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
	if there("document") {
		_, err := letter.Describe(l.Document, "", "", l.Language)
		if err == nil {
			l.SHA256, err = docs.digest(l.Document)
		}
		check(err)
	}
	t.Lines, t.At = append(t.Lines, l), append(t.At, n)
}

// newKey checks a line's key and notes where it stands.
func newKey(key string, line int, seen map[string]int) error {
	if err := letter.CheckKey(key, post.FaultLetterKey); err != nil {
		return err
	}
	if first, twice := seen[key]; twice {
		return post.FaultLineKeyTwice.At("first in line %d", first)
	}
	seen[key] = line
	return nil
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

// documents finds and checks the PDFs of a table, each once.
type documents struct {
	dir   string
	known map[string]checked // by file name
	bytes int64              // of the good ones
}

type checked struct {
	sha256 string
	err    error
}

// digest returns the SHA-256 of the document named name, a plain file name.
func (d *documents) digest(name string) (string, error) {
	if d.dir == "" {
		return "", nil
	}
	c, ok := d.known[name]
	if !ok {
		var n int64
		c.sha256, n, c.err = examine(filepath.Join(d.dir, name))
		d.bytes += n
		d.known[name] = c
	}
	return c.sha256, c.err
}

// examine applies desk's own rules to a document: it parses the PDF.
func examine(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, post.FaultTableDocument
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", 0, post.FaultTableDocument
	}
	b, err := letter.ReadPDF(f)
	if err != nil {
		return "", 0, err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), int64(len(b)), nil
}

func (d *documents) files() map[string]string {
	out := map[string]string{}
	for name, c := range d.known {
		if c.err == nil {
			out[c.sha256] = filepath.Join(d.dir, name)
		}
	}
	return out
}

// print writes the faults, one a line, in the order of the file.
func (t *table) print(w io.Writer) {
	slices.SortStableFunc(t.Faults, func(a, b lineFault) int { return a.Line - b.Line })
	for _, f := range t.Faults {
		where := "file"
		if f.Line > 0 {
			where = fmt.Sprintf("line %d", f.Line)
		}
		fmt.Fprintf(w, "%s: %s %s  %s\n", where, f.Code, f.Message, f.Cure)
	}
}
