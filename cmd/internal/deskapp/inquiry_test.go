package deskapp_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// code returns the stable code of a refusal, or "".
func code(err error) string {
	var p *client.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

func TestAnInquiryIsTakenOverAndAnswered(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	id, ref, digest := r.inquiry("dpo-faelles", "request.pdf")
	tool, far := r.client("tool"), r.client("tool-far")

	page, err := tool.Inquiries(ctx, client.Filter{})
	must(t, err)
	if len(page.Items) != 1 || page.Items[0].Reference != ref || page.Items[0].State != "waiting" || page.Items[0].Attachments != 1 {
		t.Fatalf("inbox: %+v", page)
	}
	if page, err := far.Inquiries(ctx, client.Filter{}); err != nil || len(page.Items) != 0 {
		t.Errorf("another inbox sees %+v, %v", page, err)
	}
	for _, try := range []func() error{
		func() error { _, err := far.Inquiry(ctx, id); return err },
		func() error { _, err := far.Lease(ctx, id); return err },
		func() error { _, err := far.Content(ctx, id, "1.x"); return err },
	} {
		if got := code(try()); got != "POST-0002" {
			t.Errorf("another inbox gets %q, want not found", got)
		}
	}

	l, err := tool.Lease(ctx, strings.ToLower(ref))
	must(t, err)
	if _, err := r.client("tool-2").Lease(ctx, id); code(err) != "POST-4201" {
		t.Errorf("a second tool: %v", err)
	}
	sealed, err := tool.Content(ctx, id, l.Token)
	must(t, err)
	ids, err := unseal.ReadIdentitiesFile(r.dpo)
	must(t, err)
	header := make([]byte, sealed.HeaderLength)
	_, err = io.ReadFull(sealed.Body, header)
	must(t, err)
	clear, err := unseal.Payload(header, sealed.Body, ids...)
	must(t, err)
	p, err := unseal.Unpack(clear, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: "engdal", Object: id})
	must(t, err)
	must(t, p.Rest())
	if p.Digest() != digest {
		t.Error("the tool computes another digest than the portal did")
	}
	sealed.Body.Close()
	if _, err := tool.Reply(ctx, id, reply(), files(t, "answer")); code(err) != "POST-2011" {
		t.Errorf("reply before acknowledge: %v", err)
	}
	hex := hex.EncodeToString(digest[:])
	done, err := tool.Acknowledge(ctx, id, wire.Acknowledge{LeaseToken: l.Token, Digest: hex, Outcome: wire.Accept})
	must(t, err)
	again, err := tool.Acknowledge(ctx, id, wire.Acknowledge{LeaseToken: l.Token, Digest: hex, Outcome: wire.Accept})
	must(t, err)
	if done != again || done.State != "acknowledged" {
		t.Errorf("acknowledged as %+v, then %+v", done, again)
	}
	if _, err := tool.Acknowledge(ctx, id, wire.Acknowledge{LeaseToken: l.Token, Digest: hex, Outcome: wire.Reject, Reason: "abuse"}); code(err) != "POST-4202" {
		t.Errorf("rejected after it was accepted: %v", err)
	}
	if _, err := tool.Lease(ctx, id); code(err) != "POST-4202" {
		t.Errorf("leased after it was settled: %v", err)
	}
	if _, err := r.client("tool-far").Reply(ctx, id, reply(), files(t, "answer")); code(err) != "POST-0002" {
		t.Errorf("reply from another inbox: %v", err)
	}
	got, err := tool.Reply(client.WithKey(ctx, "reply-1"), id, reply(), files(t, "answer"))
	must(t, err)
	same, err := tool.Reply(client.WithKey(ctx, "reply-1"), id, reply(), files(t, "answer"))
	must(t, err)
	if got.ID == "" || got != same {
		t.Errorf("the same reply twice: %+v, %+v", got, same)
	}
	q, err := tool.Inquiry(ctx, id)
	must(t, err)
	if q.State != "answered" || q.Letter != got.ID {
		t.Errorf("after the reply: %+v", q)
	}
	var letters int
	must(t, r.db.QueryRow(`SELECT count(*) FROM letter`).Scan(&letters))
	if letters != 1 {
		t.Errorf("%d letters, want 1", letters)
	}
	for _, kind := range []string{"inquiry.leased", "inquiry.opened", "inquiry.acknowledged"} {
		var n int
		must(t, r.db.QueryRow(`SELECT count(*) FROM ledger_event WHERE subject = $1 AND CAST(body AS TEXT) LIKE '%"'||$2||'"%'`, id, kind).Scan(&n))
		if n != 1 {
			t.Errorf("%d events %s, want 1", n, kind)
		}
	}
}

func reply() wire.Reply {
	return wire.Reply{Title: "Svar til borgeren", Documents: []wire.Document{{Filename: "answer.pdf"}}}
}

func files(t *testing.T, names ...string) []client.File {
	var out []client.File
	for _, n := range names {
		b := pdf(t, n)
		out = append(out, client.File{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }})
	}
	return out
}

// TestRefusedStepsChangeNothing: each step that is refused leaves every row of
// the database as it was.
func TestRefusedStepsChangeNothing(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	id, ref, digest := r.inquiry("dpo-faelles")
	tool := r.client("tool")
	l, err := tool.Lease(ctx, id)
	must(t, err)
	right := hex.EncodeToString(digest[:])
	wrong := strings.Repeat("ab", 32)
	ack := func(body string) func() (int, string) {
		return func() (int, string) {
			s, c, _ := r.ask("tool", "POST", "/v1/inquiries/"+id+"/acknowledge", "application/json", strings.NewReader(body))
			return s, c
		}
	}
	get := func(as, path string, headers ...string) func() (int, string) {
		return func() (int, string) {
			s, c, _ := r.ask(as, "GET", path, "", nil, headers...)
			return s, c
		}
	}
	send := func(as, path, media, body string, headers ...string) func() (int, string) {
		return func() (int, string) {
			s, c, _ := r.ask(as, "POST", path, media, strings.NewReader(body), headers...)
			return s, c
		}
	}
	js := "application/json"
	for _, tt := range []struct {
		name   string
		do     func() (int, string)
		status int
		code   string
	}{
		{"digest of something else", ack(`{"lease_token":"` + l.Token + `","digest":"` + wrong + `","outcome":"accept"}`), 409, "POST-4204"},
		{"token of another client", send("tool-2", "/v1/inquiries/"+id+"/acknowledge", js, `{"lease_token":"`+l.Token+`","digest":"`+right+`","outcome":"accept"}`), 409, "POST-4203"},
		{"made-up token", ack(`{"lease_token":"1.AAAA","digest":"` + right + `","outcome":"accept"}`), 409, "POST-4203"},
		{"unknown member", ack(`{"lease_token":"` + l.Token + `","digest":"` + right + `","outcome":"accept","force":true}`), 422, "POST-4101"},
		{"member in other letters", ack(`{"Lease_Token":"` + l.Token + `","digest":"` + right + `","outcome":"accept"}`), 422, "POST-4101"},
		{"unknown outcome", ack(`{"lease_token":"` + l.Token + `","digest":"` + right + `","outcome":"maybe"}`), 422, "POST-4101"},
		{"reject without a reason", ack(`{"lease_token":"` + l.Token + `","digest":"` + right + `","outcome":"reject"}`), 422, "POST-4205"},
		{"reject with a reason of one's own", ack(`{"lease_token":"` + l.Token + `","digest":"` + right + `","outcome":"reject","reason":"because"}`), 422, "POST-4205"},
		{"accept with a reason", ack(`{"lease_token":"` + l.Token + `","digest":"` + right + `","outcome":"accept","reason":"abuse"}`), 422, "POST-4205"},
		{"not JSON", ack(`{"lease_token":`), 400, "POST-4102"},
		{"two JSON values", ack(`{} {}`), 400, "POST-4102"},
		{"no body", ack(``), 400, "POST-4102"},
		{"a megabyte of JSON", ack(`{"lease_token":"` + strings.Repeat("a", 1<<20+10) + `"}`), 413, "POST-4103"},
		{"another media type", send("tool", "/v1/inquiries/"+id+"/acknowledge", "text/plain", "x"), 415, "POST-4104"},
		{"no Idempotency-Key", send("tool-2", "/v1/inquiries/"+id+"/lease", "", "", wire.HeaderKey, ""), 400, "POST-4111"},
		{"unusable Idempotency-Key", send("tool-2", "/v1/inquiries/"+id+"/lease", "", "", wire.HeaderKey, strings.Repeat("k", 201)), 400, "POST-4111"},
		{"body where none is taken", send("tool-2", "/v1/inquiries/"+id+"/lease", js, `{}`), 413, "POST-4103"},
		{"lease held by another", send("tool-2", "/v1/inquiries/"+ref+"/lease", "", ""), 409, "POST-4201"},
		{"lease held by oneself", send("tool", "/v1/inquiries/"+ref+"/lease", "", ""), 409, "POST-4201"},
		{"inquiry of another inbox", send("tool-far", "/v1/inquiries/"+id+"/lease", "", ""), 404, "POST-0002"},
		{"inquiry that is not there", send("tool", "/v1/inquiries/SP-0000-0000/lease", "", ""), 404, "POST-0002"},
		{"reference with a wrong check character", get("tool", "/v1/inquiries/"+ref[:len(ref)-1]+"_"), 404, "POST-0002"},
		{"content without a token", get("tool", "/v1/inquiries/"+id+"/content"), 422, "POST-4101"},
		{"content with a wrong token", get("tool", "/v1/inquiries/"+id+"/content", wire.HeaderLease, "1.AAAA"), 409, "POST-4203"},
		{"content with the token, by another client", get("tool-2", "/v1/inquiries/"+id+"/content", wire.HeaderLease, l.Token), 409, "POST-4203"},
		{"extending with a wrong token", send("tool", "/v1/inquiries/"+id+"/extend", js, `{"lease_token":"9.AAAA"}`), 409, "POST-4203"},
		{"unknown municipality", get("tool", "/v1/inquiries?tenant=atlantis"), 422, "POST-0104"},
		{"unknown state", get("tool", "/v1/inquiries?state=lost"), 422, "POST-4101"},
		{"unknown query parameter", get("tool", "/v1/inquiries?sort=name"), 422, "POST-4101"},
		{"made-up page", get("tool", "/v1/inquiries?after=abc"), 422, "POST-4101"},
		{"page too large", get("tool", "/v1/inquiries?limit=501"), 422, "POST-4101"},
		{"reply before acknowledge", send("tool", "/v1/inquiries/"+id+"/reply", formType, formOf("reply", `{"title":"x","documents":[{"filename":"a.pdf"}]}`, "%PDF-")), 409, "POST-2011"},
		{"case system at an inbox", get("case", "/v1/inquiries"), 403, "POST-4003"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := r.snapshot()
			status, code := tt.do()
			if status != tt.status || code != tt.code {
				t.Errorf("%d %s, want %d %s", status, code, tt.status, tt.code)
			}
			if r.snapshot() != before {
				t.Error("the database changed")
			}
		})
	}
	q, err := tool.Inquiry(ctx, id)
	must(t, err)
	if q.State != "leased" {
		t.Errorf("the inquiry is %s, want leased", q.State)
	}
}

func TestAnExpiredLeaseIsRefusedAndMayBeTakenByAnybody(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	id, _, digest := r.inquiry("dpo-faelles")
	old, err := r.client("tool").Lease(ctx, id)
	must(t, err)
	_, err = r.db.Exec(`UPDATE inquiry SET lease_until = $1 WHERE id = $2`, time.Now().Add(-time.Second).UnixMicro(), id)
	must(t, err)
	ack := wire.Acknowledge{LeaseToken: old.Token, Digest: hex.EncodeToString(digest[:]), Outcome: wire.Accept}
	before := r.snapshot()
	tries := map[string]func() error{
		"content":     func() error { _, err := r.client("tool").Content(ctx, id, old.Token); return err },
		"extend":      func() error { _, err := r.client("tool").Extend(ctx, id, old.Token); return err },
		"acknowledge": func() error { _, err := r.client("tool").Acknowledge(ctx, id, ack); return err },
	}
	for name, try := range tries {
		if got := code(try()); got != "POST-4203" {
			t.Errorf("%s under an expired lease: %q", name, got)
		}
	}
	if r.snapshot() != before {
		t.Error("an expired lease changed the database")
	}
	if q, err := r.client("tool").Inquiry(ctx, id); err != nil || q.State != "waiting" {
		t.Errorf("an inquiry whose lease ran out shows as %q, %v", q.State, err)
	}
	fresh, err := r.client("tool-2").Lease(ctx, id)
	must(t, err)
	for name, try := range tries {
		if got := code(try()); got != "POST-4203" {
			t.Errorf("%s with the token of the lease before: %q", name, got)
		}
	}
	ack.LeaseToken = fresh.Token
	if _, err := r.client("tool-2").Acknowledge(ctx, id, ack); err != nil {
		t.Errorf("the new holder: %v", err)
	}
}

func TestPagesMeetWithoutGapOrDouble(t *testing.T) {
	r := newRig(t)
	want := map[string]bool{}
	for range 7 {
		id, _, _ := r.inquiry("dpo-faelles")
		want[id] = true
	}
	f := client.Filter{Limit: 3}
	for pages := 0; ; pages++ {
		page, err := r.client("tool").Inquiries(context.Background(), f)
		must(t, err)
		for i, q := range page.Items {
			if !want[q.ID] {
				t.Errorf("%s twice, or not ours", q.ID)
			}
			delete(want, q.ID)
			if i > 0 && q.DueAt.Before(*page.Items[i-1].DueAt) {
				t.Error("not the most urgent first")
			}
		}
		if f.After = page.Next; f.After == "" {
			if pages != 2 {
				t.Errorf("%d pages, want 3", pages+1)
			}
			break
		}
	}
	if len(want) != 0 {
		t.Errorf("%d never shown", len(want))
	}
}

func TestADamagedPayloadIsBrokenOff(t *testing.T) {
	r := newRig(t)
	id, _, _ := r.inquiry("dpo-faelles")
	var blob string
	must(t, r.db.QueryRow(`SELECT blob FROM inquiry WHERE id = $1`, id).Scan(&blob))
	file := strings.TrimSuffix(blob, ".00") // the first of its group
	path := r.path("blobs/" + file[34:] + "/" + file[32:34] + "/" + file + ".blobs")
	b, err := os.ReadFile(path)
	must(t, err)
	b[100] ^= 1
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, b, 0o600))
	l, err := r.client("tool").Lease(context.Background(), id)
	must(t, err)
	c, err := r.client("tool").Content(context.Background(), id, l.Token)
	if errors.Is(err, client.ErrUnreachable) {
		return // broken off before the first byte
	}
	must(t, err)
	defer c.Body.Close()
	if n, err := io.Copy(io.Discard, c.Body); err == nil {
		t.Errorf("%d bytes of damaged content came as if whole", n)
	}
}

func TestTheSameKeyGetsTheSameAnswer(t *testing.T) {
	r := newRig(t)
	id, _, _ := r.inquiry("dpo-faelles")
	path := "/v1/inquiries/" + id + "/lease"
	status, _, first := r.ask("tool", "POST", path, "", nil, wire.HeaderKey, "k1")
	if status != http.StatusOK {
		t.Fatalf("lease: %d", status)
	}
	before := r.snapshot()
	status, _, second := r.ask("tool", "POST", path, "", nil, wire.HeaderKey, "k1")
	if status != http.StatusOK || !bytes.Equal(first, second) {
		t.Errorf("again: %d %s, want %s", status, second, first)
	}
	other, _, _ := r.inquiry("dpo-faelles")
	before2 := r.snapshot()
	if status, code, _ := r.ask("tool", "POST", "/v1/inquiries/"+other+"/lease", "", nil, wire.HeaderKey, "k1"); status != 422 || code != "POST-4112" {
		t.Errorf("the key for something else: %d %s", status, code)
	}
	if status, code, _ := r.ask("tool-2", "POST", path, "", nil, wire.HeaderKey, "k1"); status != 409 || code != "POST-4201" {
		t.Errorf("the key of another client counts as its own: %d %s", status, code)
	}
	if r.snapshot() != before2 || before == before2 {
		t.Error("a refused repetition changed the database")
	}
}

func TestAKeyUnderWayIsBusyAndATornClaimIsTakenOver(t *testing.T) {
	r := newRig(t)
	id, _, _ := r.inquiry("dpo-faelles")
	claim := func(at time.Time) {
		_, err := r.db.Exec(`INSERT INTO idempotency (client, key, request, status, answer, at) VALUES ('tool', 'k1', x'', 0, x'', $1)
			ON CONFLICT (client, key) DO UPDATE SET at = excluded.at`, at.UnixMicro())
		must(t, err)
	}
	path := "/v1/inquiries/" + id + "/lease"
	claim(time.Now())
	if status, code, _ := r.ask("tool", "POST", path, "", nil, wire.HeaderKey, "k1"); status != 409 || code != "POST-4113" {
		t.Errorf("while the first is under way: %d %s", status, code)
	}
	claim(time.Now().Add(-5 * time.Minute))
	if status, code, _ := r.ask("tool", "POST", path, "", nil, wire.HeaderKey, "k1"); status != 200 {
		t.Errorf("after the first process died: %d %s", status, code)
	}
}

const formType = "multipart/form-data; boundary=XX"

// formOf writes a form with one JSON part and files.
func formOf(name, head string, files ...string) string {
	s := "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\nContent-Type: application/json\r\n\r\n" + head + "\r\n"
	for _, f := range files {
		s += "--XX\r\nContent-Disposition: form-data; name=\"document\"; filename=\"d\"\r\n\r\n" + f + "\r\n"
	}
	return s + "--XX--\r\n"
}

func asProblem(err error, p **client.Problem) bool { return errors.As(err, p) }
