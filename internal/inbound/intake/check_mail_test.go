package intake_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
)

// mailScanner answers what it is told.
type mailScanner struct {
	verdict intake.Verdict
	err     error
}

func (s mailScanner) Scan(_ context.Context, r io.Reader) (intake.Verdict, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return "", err
	}
	return s.verdict, s.err
}

func TestAFileThatCameByMailIsPassedOnUnlessItIsDangerous(t *testing.T) {
	clean := mailScanner{verdict: intake.Clean}
	for _, c := range []struct {
		name, file, content string
		scan                mailScanner
		room                int64
		wantName, wantKind  string
		want                error
	}{
		{"text", "a.txt", "hej", clean, 10, "a.txt", "text/plain", nil},
		{"a type that is not on the list", "a.docx", "PK\x03\x04", clean, 10, "a.docx", intake.Unchecked, nil},
		{"a PDF that is none", "a.pdf", "hej", clean, 10, "a.pdf", intake.Unchecked, nil},
		{"an empty file", "a.txt", "", clean, 10, "a.txt", intake.Unchecked, nil},
		{"a name that deceives", "a\u202etxt.exe", "hej", clean, 10, "fil-1", intake.Unchecked, nil},
		{"a path", "../../etc/a.txt", "hej", clean, 10, "a.txt", "text/plain", nil},
		{"malware", "a.txt", "hej", mailScanner{verdict: intake.Infected}, 10, "", "", post.FaultMalware},
		{"a scanner that is away", "a.txt", "hej", mailScanner{err: errors.New("away")}, 10, "", "", post.FaultScannerDown},
		{"a scanner that mumbles", "a.txt", "hej", mailScanner{verdict: "?"}, 10, "", "", post.FaultScannerDown},
		{"just what fits", "a.txt", "0123456789", clean, 10, "a.txt", "text/plain", nil},
		{"one byte more", "a.txt", "0123456789x", clean, 10, "", "", post.FaultFilesTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := intake.CheckMailed(t.Context(), c.scan, c.file, "fil-1", strings.NewReader(c.content), c.room, intake.Limits{})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v", err)
			}
			if c.want == nil && (f.Name != c.wantName || f.MediaType != c.wantKind || string(f.Data) != c.content) {
				t.Errorf("got %q %s", f.Name, f.MediaType)
			}
			if refused := errors.Is(c.want, post.FaultMalware) || errors.Is(c.want, post.FaultFilesTooLarge); intake.Refused(err) != refused {
				t.Error("it is not told apart whether the file or the scanner is to blame")
			}
		})
	}
}
