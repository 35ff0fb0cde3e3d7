package letter_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// pdf returns a PDF of so many pages.
func pdf(pages int) []byte {
	var b bytes.Buffer
	var at []int
	obj := func(s string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), s)
	}
	var kids []string
	for i := range pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", i+3))
	}
	b.WriteString("%PDF-1.4\n")
	obj("<< /Type /Catalog /Pages 2 0 R >>")
	obj(fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", strings.Join(kids, " "), pages))
	for range pages {
		obj("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>")
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}

func TestReadPDF(t *testing.T) {
	api.DisableConfigDir()
	var locked bytes.Buffer
	if err := api.Encrypt(bytes.NewReader(pdf(1)), &locked, model.NewAESConfiguration("user", "owner", 256)); err != nil {
		t.Fatal(err)
	}
	var ownerOnly bytes.Buffer
	if err := api.Encrypt(bytes.NewReader(pdf(1)), &ownerOnly, model.NewAESConfiguration("", "owner", 256)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want *post.Fault
	}{
		{"one page", pdf(1), nil},
		{"many pages", pdf(40), nil},
		{"no pages", pdf(0), post.FaultPDFEmpty},
		{"password", locked.Bytes(), post.FaultPDFEncrypted},
		{"encrypted with an empty password", ownerOnly.Bytes(), post.FaultPDFEncrypted},
		{"empty", nil, post.FaultNotPDF},
		{"magic not first", append([]byte("\n"), pdf(1)...), post.FaultNotPDF},
		{"magic alone", []byte("%PDF-1.7"), post.FaultNotPDF},
		{"cut in half", pdf(1)[:120], post.FaultNotPDF},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := letter.ReadPDF(bytes.NewReader(c.b))
			if c.want == nil {
				if err != nil || !bytes.Equal(b, c.b) {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %s", err, c.want.Code)
			}
		})
	}
}

func FuzzReadPDF(f *testing.F) {
	f.Add(pdf(1))
	f.Add([]byte("%PDF-1.4\ntrailer<</Root 1 0 R>>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := letter.ReadPDF(bytes.NewReader(b))
		var fault *post.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("refused without a fault: %v", err)
		}
	})
}

func TestJudge(t *testing.T) {
	type c = letter.Case
	for _, x := range []struct {
		name string
		d    letter.Decision
		c    c
		to   post.LetterState
		err  *post.Fault
	}{
		{"cancel before hand-over", letter.Cancel, c{State: post.LetterRouted, Channel: post.Digital, Generation: 1}, post.LetterCancelled, nil},
		{"no cancel while bytes are out", letter.Cancel, c{State: post.LetterHandingOver, Channel: post.Digital}, "", post.FaultLetterState},
		{"no cancel after an unclear attempt", letter.Cancel, c{State: post.LetterNeedsPerson, Channel: post.Digital, Unsure: true}, "", post.FaultMayBeDelivered},
		{"retry keeps the channel", letter.Retry, c{State: post.LetterNeedsPerson, Channel: post.Digital, Generation: 1, Unsure: true}, post.LetterRouted, nil},
		{"retry without a channel begins anew", letter.Retry, c{State: post.LetterNeedsPerson}, post.LetterReady, nil},
		{"no print after an unclear attempt", letter.Print, c{State: post.LetterNeedsPerson, Channel: post.Digital, Signed: true, Unsure: true}, "", post.FaultMayBeDelivered},
		{"no print once taken", letter.Print, c{State: post.LetterNeedsPerson, Channel: post.Digital, Signed: true, Taken: true}, "", post.FaultMayBeDelivered},
		{"retry of what the carrier took and refused is a new hand-over", letter.Retry, c{State: post.LetterNeedsPerson, Channel: post.Digital, Generation: 1, Spent: true}, post.LetterRouted, nil},
		{"print after a refusal without doubt", letter.Print, c{State: post.LetterNeedsPerson, Channel: post.Digital, Generation: 1, Signed: true}, post.LetterRouted, nil},
		{"print while the look-up is unsure", letter.Print, c{State: post.LetterAwaitingLookup, Signed: true}, post.LetterRouted, nil},
		{"print while its carrier certainly has nothing", letter.Print, c{State: post.LetterNotTaken, Channel: post.Digital, Generation: 1, Signed: true}, post.LetterRouted, nil},
		{"print before the first hand-over", letter.Print, c{State: post.LetterRouted, Channel: post.Digital, Generation: 1, Signed: true}, post.LetterRouted, nil},
		{"no print of what was not taken this time and is in doubt", letter.Print, c{State: post.LetterNotTaken, Channel: post.Digital, Signed: true, Unsure: true}, "", post.FaultMayBeDelivered},
		{"no print while bytes may be out", letter.Print, c{State: post.LetterHandingOver, Channel: post.Digital, Signed: true}, "", post.FaultLetterState},
		{"no second print", letter.Print, c{State: post.LetterRouted, Channel: post.Physical, Generation: 1, Signed: true}, "", post.FaultLetterState},
		{"no print of an unsigned letter", letter.Print, c{State: post.LetterNeedsPerson}, "", post.FaultLetterState},
		{"never print mail to the municipality", letter.Print, c{State: post.LetterNeedsPerson, Signed: true, DigitalOnly: true}, "", post.FaultLetterState},
		{"reissue a returned letter", letter.Reissue, c{State: post.LetterReturned, Channel: post.Physical, Generation: 1}, post.LetterRouted, nil},
		{"no reissue of a delivered letter", letter.Reissue, c{State: post.LetterDelivered, Channel: post.Digital}, "", post.FaultLetterState},
		{"close a returned letter", letter.Close, c{State: post.LetterReturned, Channel: post.Physical}, post.LetterClosed, nil},
		{"an unknown decision", "shred", c{State: post.LetterNeedsPerson}, "", post.FaultLetterState},
	} {
		t.Run(x.name, func(t *testing.T) {
			r, err := letter.Judge(x.d, x.c)
			if x.err != nil {
				if !errors.Is(err, x.err) {
					t.Errorf("got %v, want %s", err, x.err.Code)
				}
				return
			}
			from := x.c.State
			if r.Through != "" {
				if !from.May(r.Through, r.Channel) {
					t.Errorf("the table forbids %s after %s", r.Through, from)
				}
				from = r.Through
			}
			if err != nil || r.To != x.to || !from.May(r.To, r.Channel) {
				t.Errorf("got %+v, %v, want %s", r, err, x.to)
			}
			if x.c.Spent && r.Generation != x.c.Generation+1 {
				t.Errorf("generation %d under an id that the carrier has refused for good", r.Generation)
			}
			if x.d != letter.Reissue && r.Generation != max(x.c.Generation, r.Generation) {
				t.Errorf("generation went from %d to %d", x.c.Generation, r.Generation)
			}
		})
	}
}
