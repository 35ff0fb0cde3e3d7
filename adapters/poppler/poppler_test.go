package poppler_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/poppler"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

func open(t *testing.T, c poppler.Config) (*poppler.Poppler, bool) {
	t.Helper()
	for _, name := range []string{"pdftoppm", "pdftotext"} {
		if _, ok := outside.Program(t, name, "pages as they look"); !ok {
			return nil, false
		}
	}
	p, err := poppler.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return p, true
}

func TestPagesAndWordsAreSeen(t *testing.T) {
	p, ok := open(t, poppler.Config{})
	if !ok {
		return
	}
	d := preflighttest.Letter(2, "Poul Ravn Holmgaard", "Møllestien 12, 1. tv", "2690 Engdal")
	d.Pages[1].Boxes = []preflighttest.Box{{Left: 100, Top: 200, Width: 10, Height: 10}}
	var dark []int
	err := p.Pages(t.Context(), d.Bytes(), 2, func(n int, pic preflight.Picture) error {
		if pic.Width != 595 && pic.Width != 596 || pic.Height != 842 {
			t.Errorf("page %d is %d × %d", n, pic.Width, pic.Height)
		}
		ink := 0
		for _, g := range pic.Gray {
			if g < 128 {
				ink++
			}
		}
		dark = append(dark, ink)
		return nil
	})
	if err != nil || len(dark) != 2 || dark[0] == 0 || dark[1] < 28*28+100 {
		t.Errorf("got %v, %v", dark, err)
	}
	words, err := p.Words(t.Context(), d.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, w := range words {
		text = append(text, w.Text)
		if w.Text == "Møllestien" && (w.Left < 21.5 || w.Left > 22.5 || w.Top < 44 || w.Bottom > 51) {
			t.Errorf("it stands at %+v", w)
		}
	}
	if got := strings.Join(text, " "); !strings.Contains(got, "Poul Ravn Holmgaard") || !strings.Contains(got, "Møllestien 12, 1. tv") {
		t.Errorf("read back %q", got)
	}
}

func TestWhatCannotBeShownIsRefused(t *testing.T) {
	good := preflighttest.Letter(1).Bytes()
	for _, c := range []struct {
		name   string
		config poppler.Config
		pdf    []byte
		want   error
	}{
		{"not a PDF", poppler.Config{}, []byte("hello"), post.FaultNotPrintable},
		{"fewer pages than it should have", poppler.Config{}, preflighttest.Letter(1).Bytes(), post.FaultNotPrintable},
		{"half a file", poppler.Config{}, good[:60], post.FaultNotPrintable},
		{"no time", poppler.Config{Time: time.Nanosecond}, good, post.FaultPaperBounds},
		{"a poster", poppler.Config{}, preflighttest.PDF{Pages: []preflighttest.Page{{Width: 5000, Height: 5000}}}.Bytes(), post.FaultPaperSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ok := open(t, c.config)
			if !ok {
				return
			}
			err := p.Pages(t.Context(), c.pdf, 2, func(int, preflight.Picture) error { return nil })
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestAProgramThatFailsByItselfIsNoFaultOfTheDocument(t *testing.T) {
	if _, ok := open(t, poppler.Config{}); !ok {
		return
	}
	pdf := preflighttest.Letter(1).Bytes()
	fake := func(script string) *poppler.Poppler {
		dir := t.TempDir()
		for _, name := range []string{"pdftoppm", "pdftotext"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		p, err := poppler.Open(poppler.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	see := func(int, preflight.Picture) error { return nil }
	var f *post.Fault
	if err := fake("exit 127").Pages(t.Context(), pdf, 1, see); err == nil || errors.As(err, &f) {
		t.Errorf("got %v", err)
	}
	for name, script := range map[string]string{"killed": "kill -9 $$", "out of memory": `printf 'P5\n595 842\n255\n'; kill -6 $$`} {
		if err := fake(script).Pages(t.Context(), pdf, 1, see); !errors.Is(err, post.FaultPaperBounds) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := fake("cat > /dev/null; echo > "+filepath.Join(t.TempDir(), "clear")+" && kill -9 $$; exit 1").Pages(t.Context(), pdf, 1, see); !errors.Is(err, post.FaultNotPrintable) {
		t.Errorf("it could write a file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fake("exit 0").Pages(ctx, pdf, 1, see); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := poppler.Open(poppler.Config{Dir: t.TempDir()}); err == nil {
		t.Error("programs that are not there were found")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	p, ok := open(t, poppler.Config{Memory: 8 << 20})
	if !ok {
		return
	}
	err := p.Pages(t.Context(), preflighttest.Letter(1).Bytes(), 1, func(int, preflight.Picture) error { return nil })
	if err == nil {
		t.Error("it ran in 8 MB, so the bound does not bind")
	}
}

// FuzzWords: whatever a document makes pdftotext write, reading it ends.
func FuzzWords(f *testing.F) {
	f.Add([]byte(`<word xMin="1" yMin="2" xMax="3" yMax="4">a&amp;b</word>`))
	f.Add([]byte(`<word xMin="x">`))
	f.Add(bytes.Repeat([]byte("<a>"), 1000))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = poppler.ReadWords(bytes.NewReader(b)) })
}
