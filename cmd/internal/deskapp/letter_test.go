package deskapp_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

func (r *rig) letter(change func(*wire.Letter)) string {
	l := wire.Letter{Key: "case-17", Title: "Afgørelse", Documents: []wire.Document{{Filename: "a.pdf"}},
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	if change != nil {
		change(&l)
	}
	b, err := json.Marshal(l)
	must(r.t, err)
	return string(b)
}

func TestLettersThatAreRefusedLeaveNothing(t *testing.T) {
	r := newRig(t)
	good := string(pdf(t, "decision-01"))
	many := func(n int) func(*wire.Letter) {
		return func(l *wire.Letter) {
			l.Documents = nil
			for i := range n {
				l.Documents = append(l.Documents, wire.Document{Filename: fmt.Sprintf("d%d.pdf", i)})
			}
		}
	}
	elevenMore := make([]string, 12)
	for i := range elevenMore {
		elevenMore[i] = good
	}
	unknown := strings.Replace(r.letter(nil), `"key"`, `"priority":1,"key"`, 1)
	for _, tt := range []struct {
		name, media, body string
		status            int
		code              string
	}{
		{"PDF that is not a PDF", formType, formOf("letter", r.letter(nil), "MZ\x90 not a pdf"), 422, "POST-2003"},
		{"PDF that is torn", formType, formOf("letter", r.letter(nil), good[:len(good)/2]), 422, "POST-2003"},
		{"empty document", formType, formOf("letter", r.letter(nil), ""), 422, "POST-2003"},
		{"eleven attachments", formType, formOf("letter", r.letter(many(12)), elevenMore...), 422, "POST-2002"},
		{"no document", formType, formOf("letter", r.letter(many(0))), 422, "POST-2002"},
		{"document without a file", formType, formOf("letter", r.letter(many(2)), good), 422, "POST-4121"},
		{"file without a document", formType, formOf("letter", r.letter(nil), good, good), 422, "POST-4121"},
		{"unknown member", formType, formOf("letter", unknown, good), 422, "POST-4101"},
		{"letter that is not JSON", formType, formOf("letter", `{"key":`, good), 400, "POST-4102"},
		{"files before the letter", formType, formOf("document", good, good), 422, "POST-4101"},
		{"form that ends in the middle", formType, formOf("letter", r.letter(nil), good)[:2000], 400, "POST-4102"},
		{"form without a boundary", "multipart/form-data", "x", 415, "POST-4104"},
		{"JSON instead of a form", "application/json", r.letter(nil), 415, "POST-4104"},
		{"wrong CPR number", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Recipient.ID = "9999999999" }), good), 422, "POST-0101"},
		{"wrong CVR number", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Recipient.IDType, l.Recipient.ID = "CVR", "123" }), good), 422, "POST-0102"},
		{"neither CPR nor CVR", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Recipient.IDType = "P" }), good), 422, "POST-0103"},
		{"unknown municipality", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Tenant = "atlantis" }), good), 422, "POST-0104"},
		{"another municipality", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Tenant = "fjordby" }), good), 403, "POST-4004"},
		{"empty title", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Title = "" }), good), 422, "POST-4101"},
		{"path as file name", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Documents[0].Filename = "../a.pdf" }), good), 422, "POST-2012"},
		{"26 MB document", formType, formOf("letter", r.letter(nil), "%PDF-"+strings.Repeat("x", 26<<20)), 413, "POST-2006"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := r.snapshot()
			status, code, b := r.ask("case", "POST", "/v1/letters", tt.media, strings.NewReader(tt.body))
			if status != tt.status || code != tt.code {
				t.Errorf("%d %s, want %d %s", status, code, tt.status, tt.code)
			}
			if strings.Contains(string(b), r.nancy.CPR) || strings.Contains(string(b), r.nancy.Name) {
				t.Errorf("the refusal quotes the person: %s", b)
			}
			after := r.snapshot()
			// A data key may have been made; it names nobody.
			if drop(before, "data_key") != drop(after, "data_key") {
				t.Error("the database changed")
			}
		})
	}
}

// drop leaves out the rows of one table.
func drop(snapshot, table string) string {
	var out []string
	for _, l := range strings.Split(snapshot, "\n") {
		if !strings.HasPrefix(l, table+" ") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// zeros is an upload that counts what was taken of it.
type zeros struct {
	left  int64
	taken atomic.Int64
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	z.taken.Add(n)
	return int(n), nil
}

func TestAnUploadOf200MBIsRefusedEarly(t *testing.T) {
	r := newRig(t)
	before := r.snapshot()
	const size = 200 << 20
	for _, tt := range []struct {
		name     string
		declared bool
		most     int64
	}{
		{"length declared", true, 8 << 20},
		{"length not declared", false, 90 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head := formOf("letter", r.letter(nil))
			head = strings.TrimSuffix(head, "--XX--\r\n") + "--XX\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\n"
			z := &zeros{left: size}
			req, err := http.NewRequest("POST", r.url+"/v1/letters", io.MultiReader(strings.NewReader(head), z))
			must(t, err)
			req.Header.Set("Content-Type", formType)
			req.Header.Set(wire.HeaderKey, "big-"+fmt.Sprint(tt.declared))
			req.Header.Set("Expect", "100-continue")
			if tt.declared {
				req.ContentLength = int64(len(head)) + size
			}
			resp, err := r.bare("case").Do(req)
			must(t, err)
			defer resp.Body.Close()
			var p wire.Problem
			must(t, json.NewDecoder(resp.Body).Decode(&p))
			want := "POST-2006" // the one document is too large, found at 25 MB
			if tt.declared {
				want = "POST-4103"
			}
			if resp.StatusCode != http.StatusRequestEntityTooLarge || p.Code != want {
				t.Errorf("%+v, want 413 %s", p, want)
			}
			if n := z.taken.Load(); n > tt.most {
				t.Errorf("%d MB were taken before the refusal", n>>20)
			}
		})
	}
	if r.snapshot() != before {
		t.Error("the database changed")
	}
}

func TestALetterIsKnownByItsKeyAndSeenByItsOwnOnly(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	l := wire.Letter{Key: "case-17", Title: "Afgørelse", Documents: []wire.Document{{Filename: "a.pdf"}},
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	got, err := r.client("case").SubmitLetter(ctx, l, files(t, "decision-01"))
	must(t, err)
	again, err := r.client("case").SubmitLetter(ctx, l, files(t, "decision-01"))
	must(t, err)
	if got.Repeated || !again.Repeated || again.ID != got.ID {
		t.Errorf("first %+v, again %+v", got, again)
	}
	if _, err := r.client("case").SubmitLetter(ctx, l, files(t, "decision-02")); code(err) != "POST-2010" {
		t.Errorf("the key for another letter: %v", err)
	}
	key := client.WithKey(ctx, "one")
	a, err := r.client("case").SubmitLetter(key, l, files(t, "decision-01"))
	must(t, err)
	b, err := r.client("case").SubmitLetter(key, l, files(t, "decision-01")) // another boundary, the same request
	must(t, err)
	if a != b {
		t.Errorf("the same Idempotency-Key: %+v, then %+v", a, b)
	}
	if _, err := r.client("case").SubmitLetter(key, l, files(t, "decision-02")); code(err) != "POST-4112" {
		t.Errorf("the Idempotency-Key for another body: %v", err)
	}
	for as, want := range map[string]string{"case": "", "approver": "", "operator": "", "case-far": "POST-0002", "tool": "POST-4003"} {
		v, err := r.client(as).Letter(ctx, got.ID)
		if code(err) != want || want == "" && (err != nil || v.ID != got.ID) {
			t.Errorf("letter as %s: %+v, %v", as, v, err)
		}
		if _, err := r.client(as).LetterEvents(ctx, got.ID); code(err) != want {
			t.Errorf("events as %s: %v", as, err)
		}
	}
	if _, err := r.client("case").Evidence(ctx, got.ID); code(err) != "POST-2017" {
		t.Errorf("evidence before signing: %v", err)
	}
	if _, err := r.client("case").Letter(ctx, "x"); code(err) != "POST-0002" {
		t.Errorf("letter that cannot be: %v", err)
	}
	if s := r.snapshot(); strings.Contains(s, r.nancy.CPR) || strings.Contains(s, r.nancy.Name) || strings.Contains(s, "case-17") {
		t.Error("the database holds personal data in clear")
	}
}

func TestABatchNeedsEveryDocumentAndASecondPerson(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	cs := r.client("case")
	doc := pdf(t, "decision-01")
	sum := sha256.Sum256(doc)
	digest := hex.EncodeToString(sum[:])
	open := wire.BatchOpen{Key: "november"}
	for i := range 3 {
		open.Lines = append(open.Lines, wire.BatchLine{Key: fmt.Sprintf("n-%d", i), Title: "Afgørelse", Document: "a.pdf", SHA256: digest,
			Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}})
	}
	bad := wire.BatchOpen{Key: "bad", Lines: append([]wire.BatchLine{}, open.Lines...)}
	bad.Lines[0].Title, bad.Lines[2].SHA256, bad.Lines[1].Recipient.ID = " ", "x", "1"
	before := r.snapshot()
	_, err := cs.OpenBatch(ctx, bad)
	var p *client.Problem
	if !asProblem(err, &p) || p.Code != post.FaultSeveral.Code || len(p.Errors) != 3 {
		t.Fatalf("a batch with three faults: %+v", err)
	}
	for i, want := range []string{"line 1", "line 2", "line 3"} {
		if p.Errors[i].Location != want || p.Errors[i].Code == "" || p.Errors[i].Cure == "" {
			t.Errorf("fault %d: %+v, want it at %s", i, p.Errors[i], want)
		}
	}
	if r.snapshot() != before {
		t.Error("a refused batch changed the database")
	}
	b, err := cs.OpenBatch(ctx, open)
	must(t, err)
	if len(b.Missing) != 1 || b.State != "open" {
		t.Fatalf("opened: %+v", b)
	}
	for name, try := range map[string]struct {
		do   func() error
		code string
	}{
		"close with a document missing": {func() error { _, err := cs.CloseBatch(ctx, b.ID); return err }, "POST-6008"},
		"document with another digest":  {func() error { return cs.PutDocument(ctx, b.ID, digest, 4, strings.NewReader("%PDF")) }, "POST-2003"},
		"document that nobody announced": {func() error {
			o := pdf(t, "decision-02")
			h := sha256.Sum256(o)
			return cs.PutDocument(ctx, b.ID, hex.EncodeToString(h[:]), int64(len(o)), strings.NewReader(string(o)))
		}, "POST-6006"},
		"digest that is none":  {func() error { return cs.PutDocument(ctx, b.ID, "zz", 4, strings.NewReader("%PDF")) }, "POST-4101"},
		"document of 200 MB":   {func() error { return cs.PutDocument(ctx, b.ID, digest, 200<<20, &zeros{left: 200 << 20}) }, "POST-4103"},
		"approve before close": {func() error { _, err := r.client("approver").ApproveBatch(ctx, b.ID); return err }, "POST-6010"},
		"approve as submitter": {func() error { _, err := cs.ApproveBatch(ctx, b.ID); return err }, "POST-4003"},
		"another municipality": {func() error { _, err := r.client("case-far").CloseBatch(ctx, b.ID); return err }, "POST-0002"},
	} {
		before := drop(r.snapshot(), "data_key")
		if got := code(try.do()); got != try.code {
			t.Errorf("%s: %q, want %s", name, got, try.code)
		}
		if drop(r.snapshot(), "data_key") != before {
			t.Errorf("%s: the database changed", name)
		}
	}
	must(t, cs.PutDocument(ctx, b.ID, digest, int64(len(doc)), strings.NewReader(string(doc))))
	must(t, cs.PutDocument(ctx, b.ID, digest, int64(len(doc)), strings.NewReader(string(doc))))
	b, err = cs.CloseBatch(ctx, b.ID)
	must(t, err)
	if b.State != "closed" || b.Letters["held"] != 3 {
		t.Errorf("closed: %+v", b)
	}
	before = dropAnswers(r.snapshot())
	again, err := cs.OpenBatch(ctx, open)
	must(t, err)
	if !again.Repeated || again.ID != b.ID || dropAnswers(r.snapshot()) != before {
		t.Errorf("the same batch again: %+v", again)
	}
	b, err = r.client("approver").ApproveBatch(ctx, b.ID)
	must(t, err)
	if b.State != "released" || b.Letters["ready"] != 3 || b.Approver != "approver" {
		t.Errorf("approved: %+v", b)
	}
	page, err := r.client("operator").BatchLetters(ctx, b.ID, "", 2)
	must(t, err)
	rest, err := r.client("operator").BatchLetters(ctx, b.ID, page.Next, 2)
	must(t, err)
	if len(page.Items) != 2 || len(rest.Items) != 1 || page.Items[1].ID == rest.Items[0].ID {
		t.Errorf("pages of %d and %d letters", len(page.Items), len(rest.Items))
	}
	if _, err := r.client("case-far").BatchLetters(ctx, b.ID, "", 0); code(err) != "POST-0002" {
		t.Errorf("letters of another municipality's batch: %v", err)
	}
}

func dropAnswers(s string) string { return drop(s, "idempotency") }
