package preflight_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/post"
)

const tenant = post.TenantID("engdal")

func checker(t *testing.T, r preflight.Rules, eyes preflight.Eyes) *preflight.Checker {
	t.Helper()
	c, err := preflight.New(preflight.Config{Rules: map[post.TenantID]preflight.Rules{tenant: r}, Eyes: eyes})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func page(more string) preflighttest.PDF {
	return preflighttest.PDF{Pages: []preflighttest.Page{{Texts: []preflighttest.Text{{Left: 30, Base: 120, Line: "Afgørelse"}}, More: more}}}
}

func size(width, height float64) preflighttest.PDF {
	return preflighttest.PDF{Pages: []preflighttest.Page{{Width: width, Height: height}}}
}

func catalog(entry string, objects ...string) preflighttest.PDF {
	d := page("")
	d.Catalog, d.Objects = entry, objects
	return d
}

func font(text string) preflighttest.PDF {
	d := page("")
	d.Font = text
	return d
}

func TestTheStructureOfAPDFIsChecked(t *testing.T) {
	const form = "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 0 /Resources << /Font << /F 8 0 R >> >> >>\nstream\n\nendstream"
	const helvetica = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
	for _, c := range []struct {
		name string
		pdf  preflighttest.PDF
		want *post.Fault // nil: good
	}{
		{"a plain letter", preflighttest.Letter(3), nil},
		{"a page of Chromium's A4", size(594.96, 841.92), nil},
		{"a crop box of the same size", page("/CropBox [0 0 595 842]"), nil},
		{"turned once around", page("/Rotate 360"), nil},
		{"letter paper", size(612, 792), post.FaultPaperSize},
		{"A4 lying", size(841.89, 595.28), post.FaultPaperSize},
		{"A4 turned", page("/Rotate 90"), post.FaultPaperSize},
		{"upside down", page("/Rotate 180"), post.FaultPaperSize},
		{"cropped", page("/CropBox [0 0 400 842]"), post.FaultPaperSize},
		{"in other units", page("/UserUnit 2"), post.FaultPaperSize},
		{"one page of two is A5", preflighttest.PDF{Pages: []preflighttest.Page{{}, {Width: 420, Height: 595}}}, post.FaultPaperSize},
		{"a script at opening", catalog("/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"), post.FaultPaperActive},
		{"a view at opening is no script", catalog("/OpenAction [5 0 R /Fit]"), nil},
		{"a script by name", catalog("/Names << /JavaScript << /Names [(a) 7 0 R] >> >>", "<< /S /JavaScript /JS (1) >>"), post.FaultPaperActive},
		{"a script that nobody refers to", catalog("", "<< /S /JavaScript /JS (1) >>"), post.FaultPaperActive},
		{"a program to launch", page("/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 1 1] /A << /S /Launch /F (cmd.exe) >> >>]"), post.FaultPaperActive},
		{"a web address is only ink", page("/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 1 1] /A << /S /URI /URI (https://engdal.dk) >> >>]"), nil},
		{"an attached file", catalog("/Names << /EmbeddedFiles << /Names [(a) 7 0 R] >> >>", "<< /Type /Filespec /F (a) >>"), post.FaultPaperActive},
		{"a file pinned to the page", page("/Annots [<< /Type /Annot /Subtype /FileAttachment /Rect [0 0 1 1] >>]"), post.FaultPaperActive},
		{"a form of XFA", catalog("/AcroForm << /Fields [] /XFA [] >>"), post.FaultPaperActive},
		{"an action when the page opens", page("/AA << /O << /S /GoTo /D [5 0 R /Fit] >> >>"), post.FaultPaperActive},
		{"a film", page("/Annots [<< /Type /Annot /Subtype /RichMedia /Rect [0 0 1 1] >>]"), post.FaultPaperActive},
		{"a font of the reader's machine", font(helvetica), post.FaultPaperFont},
		{"a font with a descriptor and no program", font("<< /Type /Font /Subtype /TrueType /BaseFont /Arial /FontDescriptor << /Type /FontDescriptor /FontName /Arial >> >>"), post.FaultPaperFont},
		{"a composite font without a program", font("<< /Type /Font /Subtype /Type0 /BaseFont /Arial /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Arial >>] >>"), post.FaultPaperFont},
		{"a font within a form within the page", func() preflighttest.PDF {
			d := page("/Resources << /Font << /F1 3 0 R >> /XObject << /X 7 0 R >> >>")
			d.Objects = []string{form, helvetica}
			return d
		}(), post.FaultPaperFont},
		{"a font of a stamp", func() preflighttest.PDF {
			d := page("/Annots [<< /Type /Annot /Subtype /Stamp /Rect [0 0 1 1] /AP << /N 7 0 R >> >>]")
			d.Objects = []string{form, helvetica}
			return d
		}(), post.FaultPaperFont},
		{"a font that no page uses", catalog("/AcroForm << /Fields [] /DR << /Font << /Helv 7 0 R >> >> >>", helvetica), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := checker(t, preflight.Rules{}, nil).One(t.Context(), tenant, preflight.Document{Content: c.pdf.Bytes()}, true)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestRealLettersPass(t *testing.T) {
	names, err := filepath.Glob("../../../testdata/pdf/*.pdf")
	if err != nil || len(names) == 0 {
		t.Fatalf("no PDFs: %v", err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := checker(t, preflight.Rules{}, nil).One(t.Context(), tenant, preflight.Document{Content: content}, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryFaultIsNamedWithItsPlace(t *testing.T) {
	c := checker(t, preflight.Rules{MaxPages: 2}, nil)
	bad := preflighttest.PDF{Pages: []preflighttest.Page{{}, {Width: 612, Height: 792}}}
	err := c.Check(t.Context(), tenant, []preflight.Document{{Content: bad.Bytes()}, {Content: []byte("hello")}, {Content: preflighttest.Letter(1).Bytes()}})
	for _, want := range []string{"document 1, page 2", "document 2, it cannot be read", "3 pages, at most 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if !errors.Is(err, post.FaultPaperSize) || !errors.Is(err, post.FaultNotPrintable) || !errors.Is(err, post.FaultPaperPages) {
		t.Errorf("got %v", err)
	}
}

func TestATenantWithoutRulesIsNotChecked(t *testing.T) {
	c := checker(t, preflight.Rules{}, nil)
	if err := c.Check(t.Context(), "solby", []preflight.Document{{Content: []byte("hello")}}); err != nil {
		t.Error(err)
	}
	var none *preflight.Checker
	if none.Checks(tenant) {
		t.Error("nobody checks")
	}
}

func TestADemandThatNobodyCanMeetKeepsTheProgramFromStarting(t *testing.T) {
	_, err := preflight.New(preflight.Config{Rules: map[post.TenantID]preflight.Rules{tenant: {Render: true}}})
	if !errors.Is(err, post.FaultNoRenderer) {
		t.Errorf("got %v", err)
	}
	if _, err = preflight.New(preflight.Config{Rules: map[post.TenantID]preflight.Rules{tenant: {Window: "left"}}}); err == nil {
		t.Error("an unknown window was taken")
	}
}

// seen is Eyes that see what they are told.
type seen struct {
	picture preflight.Picture
	words   []preflight.Word
	err     error
	calls   int
}

func (s *seen) Pages(_ context.Context, _ []byte, most int, see func(int, preflight.Picture) error) error {
	s.calls++
	if s.err != nil {
		return s.err
	}
	for n := range most {
		if err := see(n+1, s.picture); err != nil {
			return err
		}
	}
	return nil
}

func (s *seen) Words(context.Context, []byte) ([]preflight.Word, error) { return s.words, s.err }

func TestARendererThatIsAwaySaysNothingOfTheDocument(t *testing.T) {
	away := errors.New("fork: out of processes")
	good := preflight.Document{Content: preflighttest.Letter(1).Bytes()}
	var f *post.Fault
	_, err := checker(t, preflight.Rules{Render: true}, &seen{err: away}).One(t.Context(), tenant, good, true)
	if !errors.Is(err, away) || errors.As(err, &f) {
		t.Errorf("got %v", err)
	}
	_, err = checker(t, preflight.Rules{Render: true}, &seen{err: post.FaultPaperBounds}).One(t.Context(), tenant, good, true)
	if !errors.Is(err, post.FaultPaperBounds) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsActiveIsNeverShown(t *testing.T) {
	eyes := &seen{}
	_, err := checker(t, preflight.Rules{Render: true}, eyes).One(t.Context(), tenant, preflight.Document{Content: catalog("", "<< /S /JavaScript /JS (1) >>").Bytes()}, true)
	if !errors.Is(err, post.FaultPaperActive) || eyes.calls != 0 {
		t.Errorf("got %v after %d looks", err, eyes.calls)
	}
}

func word(text string, left, top float64) preflight.Word {
	return preflight.Word{Text: text, Left: left, Top: top, Right: left + 2*float64(len(text)), Bottom: top + 3}
}

func TestTheWindowIsReadBack(t *testing.T) {
	address := []string{"Poul Ravn Holmgaard", "Møllestien 12", "2690 Engdal"}
	right := []preflight.Word{
		word("2690", 22, 53.5), word("Engdal", 32, 53.4), word("Poul", 22, 43), word("Holmgaard", 45, 43.2), word("Ravn", 33, 43.1),
		word("Møllestien", 22, 48), word("12", 50, 48), word("Engdal", 150, 20), word("Kommune", 22, 100),
	}
	change := func(i int, w preflight.Word) []preflight.Word {
		all := append([]preflight.Word{}, right...)
		all[i] = w
		return all
	}
	for _, c := range []struct {
		name    string
		words   []preflight.Word
		address []string
		want    *post.Fault
	}{
		{"the recipient's, in whatever order the words come", right, address, nil},
		{"in other case and spaces", right, []string{"POUL  RAVN HOLMGAARD", "møllestien 12", " 2690 Engdal"}, nil},
		{"another number", change(6, word("21", 50, 48)), address, post.FaultPaperWindow},
		{"another name", change(3, word("Holm", 45, 43.2)), address, post.FaultPaperWindow},
		{"a line more", append(change(0, right[0]), word("C/O", 22, 58)), address, post.FaultPaperWindow},
		{"a word outside of the field", change(1, word("Engdal", 84, 53.4)), address, post.FaultPaperWindow},
		{"nothing", nil, address, post.FaultPaperWindow},
		{"an address that we do not know yet", right, nil, nil},
		{"nothing, of an address that we do not know yet", nil, nil, post.FaultPaperWindow},
		{"a CPR number that slides into the window", append(change(0, right[0]), word("710452-1145", 90, 70)), address, post.FaultPaperCPR},
		{"a CPR number in two words", append(change(0, right[0]), word("710452", 85, 70), word("1145", 105, 70)), address, post.FaultPaperCPR},
		{"a CPR number further down", append(change(0, right[0]), word("710452-1145", 90, 95)), address, nil},
		{"a telephone number", append(change(0, right[0]), word("7225 3000", 85, 70)), address, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			white := preflight.Picture{Width: 595, Height: 842, Gray: []byte(strings.Repeat("\xff", 595*842))}
			k := checker(t, preflight.Rules{Render: true, Window: preflight.Printed}, &seen{picture: white, words: c.words})
			_, err := k.One(t.Context(), tenant, preflight.Document{Content: preflighttest.Letter(1).Bytes(), Address: c.address}, true)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil {
				for _, private := range []string{"Poul", "Møllestien", "710452"} {
					if strings.Contains(err.Error(), private) {
						t.Errorf("the error names %q", private)
					}
				}
			}
		})
	}
}

// FuzzStructure: foreign bytes never crash the reader, and what makes a document
// active makes it refused, whatever surrounds it.
func FuzzStructure(f *testing.F) {
	for _, d := range []preflighttest.PDF{preflighttest.Letter(1), page("/Rotate 90"), catalog("", "<< /S /JavaScript /JS (1) >>"), font("<< >>")} {
		f.Add(d.Bytes())
	}
	f.Add([]byte("%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R /Kids [1 0 R] >>\nendobj\ntrailer << /Root 1 0 R >>"))
	if names, err := filepath.Glob("../../../testdata/pdf/answer.pdf"); err == nil {
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(b)
			}
		}
	}
	c, err := preflight.New(preflight.Config{Rules: map[post.TenantID]preflight.Rules{tenant: {}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		_, err := c.One(t.Context(), tenant, preflight.Document{Content: b}, true)
		var fault *post.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("an error without a fault: %v", err)
		}
	})
}
