package postctlapp

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

// scan is one reading of a table, line after line. It knows the form of lines, and
// nothing of what they say.
type scan struct {
	ctx   context.Context
	src   *source
	fault func(line int, err error)
	// take gets each line that is in its form, and where it begins in the file.
	take func(n int, l *wire.BatchLine) error
	// heads is told once which columns CSV does not name; nil: nobody asks.
	heads func(absent map[string]bool)
}

// run reads to the end. whole is false when the table ended early: where a value ends, and
// what follows, could not be told.
func (s *scan) run() (whole bool, err error) {
	if s.src.zeros {
		s.fault(0, post.FaultTableForm.At("it holds zero bytes, as UTF-16 does"))
		return false, nil
	}
	t := s.src.text(s.fault)
	if s.src.json {
		return true, s.json(t)
	}
	if whole, err = s.csv(t); err == nil && !whole {
		err = t.drain()
	}
	return whole, err
}

// json reads one JSON object a line, of the form that desk takes. A line that is
// not is reported; the others are still read.
func (s *scan) json(t *text) error {
	for {
		line, whole, ok := t.next()
		if !ok {
			return t.err
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var l wire.BatchLine
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil || !whole || !ended(dec) {
			s.fault(t.n, post.FaultTableLine.At("not one JSON object of the known members"))
			continue
		}
		if err := wire.Once(line); err != nil {
			s.fault(t.n, post.FaultTableLine.At("%v", err))
			continue
		}
		if err := s.take(t.n, &l); err != nil {
			return err
		}
	}
}

// csv reads a table. whole is false when it did not get to the end.
func (s *scan) csv(t *text) (whole bool, err error) {
	head := t.head()
	r := csv.NewReader(t)
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	if bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';'
	}
	names, wrong := r.Read()
	if wrong == nil && len(names) == 2 && strings.EqualFold(names[0], "sep=") && names[1] == "" {
		names, wrong = r.Read() // a line for Excel alone
	}
	if t.err != nil {
		return false, t.err
	}
	if wrong != nil || t.cut {
		s.fault(1, post.FaultTableForm)
		return false, nil //nolint:nilerr // it is a fault of the table
	}
	if len(names) == 1 && strings.Contains(names[0], "\t") {
		s.fault(0, post.FaultTableForm.At("tabs stand between the columns"))
		return false, nil
	}
	first, _ := r.FieldPos(0)
	columns := len(names)
	at, absent, err := heads(slices.Clone(names))
	if err != nil {
		s.fault(first, err)
	}
	if s.heads != nil {
		s.heads(absent)
	}
	return s.rows(t, r, at, columns)
}

// rows reads what follows the heads.
func (s *scan) rows(t *text, r *csv.Reader, at map[string][]int, columns int) (whole bool, err error) {
	for {
		t.row = r.InputOffset()
		if err := s.ctx.Err(); err != nil {
			return false, err
		}
		fields, err := r.Read()
		if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
			s.fault(wrong.StartLine, post.FaultTableForm)
			if errors.Is(err, csv.ErrBareQuote) {
				continue // ends with its own line
			}
			return false, nil
		}
		switch {
		case err == io.EOF: //nolint:errorlint // as the reader promises
			if t.cut {
				s.fault(t.n, tooLong())
			}
			return !t.cut, nil
		case err != nil:
			return false, err
		}
		n, _ := r.FieldPos(0)
		if len(fields) != columns {
			s.fault(n, post.FaultTableLine.At("%d columns, not %d", len(fields), columns))
			continue
		}
		l := s.line(n, at, fields)
		if err := s.take(n, &l); err != nil {
			return false, err
		}
	}
}

// line makes of a row of CSV what desk takes.
func (s *scan) line(n int, at map[string][]int, fields []string) wire.BatchLine {
	get := func(c string) string {
		if len(at[c]) == 0 {
			return ""
		}
		return strings.TrimSpace(fields[at[c][0]])
	}
	l := wire.BatchLine{Key: get("key"), Title: get("title"), Document: get("document"), Language: strings.ToLower(get("language")), ArriveBy: get("arrive")}
	var clear bool
	if l.Registered, clear = yes(get("registered")); !clear {
		s.fault(n, post.FaultTableRegistered)
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
	return l
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
