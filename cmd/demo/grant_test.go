package main

import (
	"context"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

// as logs who in with a new browser, over NemLog-in.
func (w *world) as(ctx context.Context, who, link string) *browser {
	w.t.Helper()
	b, err := newBrowser(w.tell.roots)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return b.open(ctx, w.tell.s.PortalURL+link) },
		func() error { return b.submit(ctx, "/sso/choose", map[string]string{"persona": who}) },
		func() error { return b.submit(ctx, "/saml/acs", nil) },
	} {
		if err := step(); err != nil {
			w.t.Fatal(err)
		}
	}
	return b
}

// TestJensActsForPoul goes the whole way of a power of attorney: from the
// privilege in NemLog-in's answer to the inquiry, which is Poul's.
func TestJensActsForPoul(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b := w.as(ctx, "jens", "/saml/login?return=/ny")
	if b.page.url.Path != "/fuldmagt" {
		t.Fatalf("nobody asked for whom: %s", b.page.url.Path)
	}
	must(b.submit(ctx, "/fuldmagt", map[string]string{"acting": "1"}))
	if text := b.page.text(); b.page.url.Path != "/ny/modtager" || !strings.Contains(text, "Jens Otto Vestergaard") || !strings.Contains(text, "710452-••••") {
		t.Fatalf("%s does not name both", b.page.url.Path)
	}
	w.tell.nancy = b
	must(w.tell.compose(ctx, "dpo", map[string]string{"kind": "access"}, request))
	reference, ok := post.ParseReference(strings.TrimPrefix(b.page.url.Path, "/kvittering/"))
	if !ok {
		t.Fatalf("no receipt, but %s", b.page.url.Path)
	}
	must(b.open(ctx, w.tell.s.PortalURL+"/fuldmagt"))
	must(b.submit(ctx, "/fuldmagt", map[string]string{"acting": "0"}))
	must(b.open(ctx, w.tell.s.PortalURL+"/mine"))
	if strings.Contains(b.page.text(), reference) {
		t.Error("it stands among Jens's own")
	}
	if !strings.Contains(b.page.text(), "Accessibility statement") && !strings.Contains(b.page.text(), "Tilgængeligheds\u00aderklæring") {
		t.Error("the page does not lead to a statement of its accessibility")
	}
	poul := w.as(ctx, "poul", "/saml/login?return=/mine")
	if !strings.Contains(poul.page.text(), reference) {
		t.Error("Poul does not see what was asked in his name")
	}
	// Each message of both log-ins is in the archive, none in clear.
	var n, clear int
	must(w.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM login_message`).Scan(&n))
	must(w.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM login_message WHERE substr(sealed, 1, 22) <> CAST('age-encryption.org/v1' || x'0a' AS BLOB)`).Scan(&clear))
	if n != 4 || clear != 0 {
		t.Errorf("%d messages are archived, %d in clear", n, clear)
	}
}

// TestEmployeeNeedsTheRole logs a company in, which the demo asks a role of.
func TestEmployeeNeedsTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as(t.Context(), "firma", "/saml/login?return=/session&type=Professional")
	if text := b.page.text(); b.page.url.Path != "/session" || !strings.Contains(text, "Bech Tagdækning ApS") {
		t.Fatalf("%s: %s", b.page.url.Path, text)
	}
	if err := b.submit(t.Context(), "/session/forlaeng", nil); err != nil || b.page.url.Path != "/session" {
		t.Errorf("staying leads to %s, %v", b.page.url.Path, err)
	}
}
