package deskapp_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// TestWhatCannotBePrintedIsRefusedWhenItComesIn: a surprise at the desk, not at
// the printer.
func TestWhatCannotBePrintedIsRefusedWhenItComesIn(t *testing.T) {
	rules := config.Paper{MaxPages: 3}
	if _, ok := outside.Program(t, "pdftoppm", "documents as they look, at the desk"); ok {
		rules.Render, rules.Window = true, "document"
	}
	r := newRig(t, func(c *config.Desk) { c.Paper = map[post.TenantID]config.Paper{"engdal": rules} })
	address := []string{"Møllestien 12", "2690 Engdal"}
	letter := func(documents int) string {
		return r.letter(func(l *wire.Letter) {
			l.Recipient.Name, l.Recipient.Address = "Poul Ravn Holmgaard", address
			for len(l.Documents) < documents {
				l.Documents = append(l.Documents, wire.Document{Filename: "bilag.pdf"})
			}
		})
	}
	good := preflighttest.Letter(2, append([]string{"Poul Ravn Holmgaard"}, address...)...)
	turned := preflighttest.Letter(2, append([]string{"Poul Ravn Holmgaard"}, address...)...)
	turned.Pages[1].More = "/Rotate 90"
	for _, c := range []struct {
		name   string
		pdfs   []preflighttest.PDF
		status int
		code   string
		place  string
		looks  bool // only when pages are looked at
	}{
		{"a page that is turned", []preflighttest.PDF{turned}, 422, "POST-7104", "document 1, page 2", false},
		{"a second document with a script", []preflighttest.PDF{good, {Pages: []preflighttest.Page{{}}, Objects: []string{"<< /S /JavaScript /JS (1) >>"}}}, 422, "POST-7106", "document 2", false},
		{"more than the envelope takes, together", []preflighttest.PDF{good, good}, 422, "POST-7105", "4 pages, at most 3", false},
		{"another's address", []preflighttest.PDF{preflighttest.Letter(1, "Poul Ravn Holmgaard", "Møllestien 14", "2690 Engdal")}, 422, "POST-7109", "address field", true},
		{"a good one", []preflighttest.PDF{good}, 201, "", "", false},
	} {
		if c.looks && !rules.Render {
			continue // said above
		}
		t.Run(c.name, func(t *testing.T) {
			var files []string
			for _, p := range c.pdfs {
				files = append(files, string(p.Bytes()))
			}
			status, code, body := r.ask("case", "POST", "/v1/letters", formType, strings.NewReader(formOf("letter", letter(len(files)), files...)))
			if status/100 != c.status/100 || code != c.code || !strings.Contains(string(body), c.place) {
				t.Errorf("got %d %s: %s", status, code, body)
			}
			if strings.Contains(string(body), "Holmgaard") || strings.Contains(string(body), "Møllestien") {
				t.Errorf("the answer names the recipient: %s", body)
			}
		})
	}
}

// TestABatchTakesNoDocumentThatCannotBePrinted: one at a time, and many in a
// request.
func TestABatchTakesNoDocumentThatCannotBePrinted(t *testing.T) {
	r := newRig(t, func(c *config.Desk) { c.Paper = map[post.TenantID]config.Paper{"engdal": {}} })
	bad := preflighttest.PDF{Pages: []preflighttest.Page{{Width: 612, Height: 792}}}.Bytes()
	sum := sha256.Sum256(bad)
	digest := hex.EncodeToString(sum[:])
	caller := r.client("case")
	b, err := caller.OpenBatch(t.Context(), wire.BatchOpen{Key: "november", Lines: []wire.BatchLine{{Key: "1", Title: "Afgørelse", Document: "a.pdf", SHA256: digest,
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name}}}})
	must(t, err)
	if err := caller.PutDocument(t.Context(), b.ID, digest, int64(len(bad)), bytes.NewReader(bad)); !refusedWith(err, "POST-7104") {
		t.Errorf("got %v", err)
	}
	out, err := caller.PutDocuments(t.Context(), b.ID, []client.Document{{SHA256: digest, Size: int64(len(bad)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bad)), nil }}})
	text, jerr := json.Marshal(out)
	must(t, jerr)
	if err != nil || !strings.Contains(string(text), "POST-7104") {
		t.Errorf("got %s, %v", text, err)
	}
}
