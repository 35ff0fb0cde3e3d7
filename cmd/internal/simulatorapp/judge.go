package simulatorapp

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outbound/verify"
)

// A verdict is all that is wrong with a message.
type verdict struct {
	Faults []faultJSON `json:"faults"`
	// Schema is what xmllint says by the official schema, line by line; it is
	// asked when the simulators were given one.
	Schema []string `json:"schema,omitempty"`
	Judged bool     `json:"judged_by_schema"`
	// Business is the outcome in the business receipt: code and sentence.
	Business string `json:"business_receipt,omitempty"`
}

type faultJSON struct {
	Code string `json:"code"`
	Path string `json:"path"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// judge finds everything that is wrong with a message that was taken.
func (a *App) judge(ctx context.Context, uuid string) verdict {
	v := verdict{Faults: []faultJSON{}}
	if m, err := a.post.Message(uuid); err == nil && m.Code != "" {
		v.Business = strings.TrimSuffix(m.Code+": "+m.Fault, ": ")
	}
	x, err := a.post.XML(uuid)
	if err != nil {
		return v
	}
	found, err := memo.Faults(x, memo.Limits{})
	if err := errors.Join(err, x.Close()); err != nil {
		a.log.ErrorContext(ctx, "message not checked", slog.String("message", uuid), slog.Any("error", err))
		return v
	}
	for _, f := range found {
		v.Faults = append(v.Faults, faultJSON{f.Code, f.Path, f.Line, f.Note})
	}
	v.Schema, v.Judged = a.bySchema(ctx, uuid)
	return v
}

// lintTime bounds one run of xmllint, lintLines what is shown of it.
const (
	lintTime  = 20 * time.Second
	lintLines = 50
)

// bySchema asks xmllint, which reads nothing but the message and the schema.
func (a *App) bySchema(ctx context.Context, uuid string) (says []string, judged bool) {
	if a.cfg.MeMoSchema == "" {
		return nil, false
	}
	x, err := a.post.XML(uuid)
	if err != nil {
		return nil, false
	}
	defer x.Close()
	ctx, cancel := context.WithTimeout(ctx, lintTime)
	defer cancel()
	lint := exec.CommandContext(ctx, "xmllint", "--noout", "--nonet", "--huge", "--schema", a.cfg.MeMoSchema, "-") //nolint:gosec // the path is the operator's own flag
	lint.Stdin = x
	out := &limited{left: 256 << 10}
	lint.Stdout, lint.Stderr = out, out
	err = lint.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && (!ok || exit.ExitCode() != 3 && exit.ExitCode() != 1 && exit.ExitCode() != 4) {
		return []string{"xmllint did not run to its end: " + err.Error()}, false
	}
	for line := range strings.Lines(out.text.String()) {
		line = strings.TrimSpace(line)
		if line == "- validates" || line == "- fails to validate" || line == "" {
			continue
		}
		if says = append(says, line); len(says) == lintLines {
			break
		}
	}
	return says, true
}

// limited keeps the beginning of what is written.
type limited struct {
	text bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(l.left, len(p))
	l.text.Write(p[:n])
	l.left -= n
	return len(p), nil
}

// A seal is what is known of the signature of one document.
type seal struct {
	digitalposttest.Document
	N    int
	Kind string // what is signed how, in words
	Good bool   // the signature holds
	Bad  bool   // it does not
	Note string
}

// maxSealed bounds a document that is looked into.
const maxSealed = 32 << 20

// seals looks into each document of a message: evidence of ours is verified,
// other signatures are only recognized.
func (a *App) seals(m digitalposttest.Message) []seal {
	all := make([]seal, 0, len(m.Documents))
	contents := make([][]byte, len(m.Documents))
	for i, d := range m.Documents {
		if d.Size <= maxSealed {
			var b bytes.Buffer
			if a.post.File(m.UUID, i, &b) == nil {
				contents[i] = b.Bytes()
			}
		}
	}
	for i, d := range m.Documents {
		s := seal{Document: d, N: i, Kind: "no signature inside"}
		switch text := contents[i]; {
		case text == nil:
			s.Kind = "not looked into"
		case evidence(text):
			a.prove(&s, text, contents)
		case bytes.HasPrefix(text, []byte("%PDF-")) && bytes.Contains(text, []byte("/ByteRange")):
			s.Kind, s.Note = "signed PDF (PAdES)", "recognized, not verified"
		case bytes.Contains(text, []byte("http://www.w3.org/2000/09/xmldsig#")):
			s.Kind, s.Note = "XML signature", "recognized, not verified"
		}
		all = append(all, s)
	}
	return all
}

// evidence reports whether text is an evidence file by its looks.
func evidence(text []byte) bool {
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil || len(z.File) == 0 || z.File[0].Name != "mimetype" {
		return false
	}
	f, err := z.File[0].Open()
	if err != nil {
		return false
	}
	defer f.Close()
	kind, err := io.ReadAll(io.LimitReader(f, 256))
	return err == nil && string(kind) == verify.MediaType
}

// prove checks an evidence file against the other documents of its message.
func (a *App) prove(s *seal, text []byte, contents [][]byte) {
	s.Kind = "evidence file (ASiC-E)"
	if len(a.cfg.LetterCerts) == 0 {
		s.Note = "not verified: the simulators were given no certificate of letters"
		return
	}
	var others []io.Reader
	for i, c := range contents {
		if i != s.N && c != nil && !evidence(c) {
			others = append(others, bytes.NewReader(c))
		}
	}
	got, err := verify.File(bytes.NewReader(text), int64(len(text)), a.cfg.LetterCerts, others...)
	if err != nil {
		s.Bad, s.Note = true, err.Error()
		return
	}
	s.Good = true
	s.Note = "signed " + got.Manifest.SignedAt.Format(time.RFC3339) + " as " + got.Manifest.Reference + " for " + string(got.Manifest.Tenant)
	for i, d := range got.Documents {
		if d != verify.Matches {
			s.Note += ", document " + string(rune('1'+i)) + " " + string(d)
		}
	}
}
