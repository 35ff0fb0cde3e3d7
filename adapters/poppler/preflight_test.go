package poppler_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/adapters/poppler"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/post"
)

// TestPagesAreLookedAt runs the rules of paper over real renderings.
func TestPagesAreLookedAt(t *testing.T) {
	p, ok := open(t, poppler.Config{})
	if !ok {
		return
	}
	address := []string{"Poul Ravn Holmgaard", "Møllestien 12, 1. tv", "2690 Engdal"}
	with := func(page int, boxes ...preflighttest.Box) preflighttest.PDF {
		d := preflighttest.Letter(2, address...)
		d.Pages[page-1].Boxes = boxes
		return d
	}
	cpr := preflighttest.Letter(1, address...)
	cpr.Pages[0].Texts = append(cpr.Pages[0].Texts, preflighttest.Text{Left: 30, Base: 80, Line: "710452-1145"})
	texts := func(more ...preflighttest.Text) preflighttest.PDF {
		d := preflighttest.Letter(1, address...)
		d.Pages[0].Texts = append(d.Pages[0].Texts, more...)
		return d
	}
	for _, c := range []struct {
		name   string
		pdf    preflighttest.PDF
		window preflight.Window
		want   *post.Fault
	}{
		{"a letter with its address", with(1), preflight.Printed, nil},
		{"a logo where logos stand", with(1, preflighttest.Box{Left: 20, Top: 6, Width: 80, Height: 15}), preflight.Printed, nil},
		{"ink in the left margin", with(2, preflighttest.Box{Left: 1, Top: 250, Width: 2, Height: 2}), preflight.Printed, post.FaultPaperZone},
		{"ink at the very edge", with(2, preflighttest.Box{Left: 100, Top: 295, Width: 5, Height: 2}), preflight.Cover, post.FaultPaperZone},
		{"ink among the folding marks", with(2, preflighttest.Box{Left: 12, Top: 100, Width: 2, Height: 2}), preflight.Printed, post.FaultPaperZone},
		{"ink below the folding marks", with(2, preflighttest.Box{Left: 12, Top: 200, Width: 2, Height: 2}), preflight.Printed, nil},
		{"ink in the postal bar code", with(1, preflighttest.Box{Left: 40, Top: 28, Width: 3, Height: 3}), preflight.Printed, post.FaultPaperZone},
		{"the same behind a cover sheet", with(1, preflighttest.Box{Left: 40, Top: 28, Width: 3, Height: 3}), preflight.Cover, nil},
		{"the same on the second page", with(2, preflighttest.Box{Left: 40, Top: 28, Width: 3, Height: 3}), preflight.Printed, nil},
		{"an address where the print house puts it", with(1), preflight.Overprint, post.FaultPaperZone},
		{"room where the print house puts it", preflighttest.Letter(1), preflight.Overprint, nil},
		{"another's address", preflighttest.Letter(1, "Poul Ravn Holmgaard", "Møllestien 14", "2690 Engdal"), preflight.Printed, post.FaultPaperWindow},
		{"no address", preflighttest.Letter(1), preflight.Printed, post.FaultPaperWindow},
		{"a CPR number in the window", cpr, preflight.Printed, post.FaultPaperCPR},
		{"a CPR number behind a cover sheet", cpr, preflight.Cover, nil},
		{"a CPR number with a dash between spaces", texts(preflighttest.Text{Left: 30, Base: 80, Line: "710452 - 1145"}), preflight.Printed, post.FaultPaperCPR},
		{"a case number and a postal code in two columns", texts(preflighttest.Text{Left: 30, Base: 80, Line: "Sag 240123"}, preflighttest.Text{Left: 85, Base: 80, Line: "2690 Engdal"}), preflight.Printed, nil},
		{"a case number that names no day", texts(preflighttest.Text{Left: 30, Base: 80, Line: "Sag 910423-1145"}), preflight.Printed, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := preflight.New(preflight.Config{Eyes: p, Rules: map[post.TenantID]preflight.Rules{"engdal": {Render: true, Window: c.window}}})
			if err != nil {
				t.Fatal(err)
			}
			err = k.Check(t.Context(), "engdal", []preflight.Document{{Content: c.pdf.Bytes(), Address: address}})
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestRealLettersCanBePosted: what a browser prints from the municipality's own
// style sheet has white where it must.
func TestRealLettersCanBePosted(t *testing.T) {
	p, ok := open(t, poppler.Config{})
	if !ok {
		return
	}
	k, err := preflight.New(preflight.Config{Eyes: p, Rules: map[post.TenantID]preflight.Rules{"engdal": {Render: true}}})
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("../../testdata/pdf/*.pdf")
	if err != nil || len(names) == 0 {
		t.Fatalf("no PDFs: %v", err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Check(t.Context(), "engdal", []preflight.Document{{Content: content}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
