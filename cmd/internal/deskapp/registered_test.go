package deskapp_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
)

func TestRegisteredPostIsTakenOnlyFromAMunicipalityWhoseCarrierOffersIt(t *testing.T) {
	wish := func(l *wire.Letter) { l.Registered = true }
	r := newRig(t)
	if _, err := r.submit("k", wish); !refusedWith(err, "POST-2025") {
		t.Fatalf("not declared: %v", err)
	}
	var letters int
	must(t, r.db.QueryRow(`SELECT count(*) FROM letter`).Scan(&letters))
	if letters != 0 {
		t.Errorf("%d letters of a refused one", letters)
	}
	r = newRig(t, func(c *config.Desk) { c.Tenants[0].Registered = true })
	got, err := r.submit("k", wish)
	must(t, err)
	v, err := r.client("case").Letter(t.Context(), got.ID)
	must(t, err)
	if !v.Registered {
		t.Errorf("%+v", v)
	}
	// The same from the command line, where one word asks for it.
	doc, desc := r.path("d.pdf"), r.path("letter.json")
	must(t, os.WriteFile(doc, pdf(t, "decision-01"), 0o600))
	must(t, os.WriteFile(desc, []byte(`{"key":"k2","title":"Afgørelse","recipient":{"id_type":"CPR","id":"`+r.nancy.CPR+`","name":"N"}}`), 0o600))
	if code, out, errs := r.postctl("case", "letter", "send", desc, "-document", doc, "-registered"); code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, _, errs := r.postctl("case", "letter", "send", desc, "-document", doc); code == 0 || !strings.Contains(errs, "POST-2010") {
		t.Errorf("the same key without the wish: %d %s", code, errs)
	}
	if code, out, errs := r.postctl("case", "letter", "show", got.ID); code != 0 || !strings.Contains(out, "registered    yes") {
		t.Errorf("show: %d %s %s", code, out, errs)
	}
}

// TestALineOfABatchAsksForRegisteredPostAsALetterDoes: refused line by line
// where it is not offered, part of what makes the batch that batch, and said of
// each letter afterwards.
func TestALineOfABatchAsksForRegisteredPostAsALetterDoes(t *testing.T) {
	table := func(r *rig, word string) string {
		must(t, os.MkdirAll(r.path("pdf"), 0o700))
		must(t, os.WriteFile(r.path("pdf/a.pdf"), pdf(t, "decision-01"), 0o600))
		must(t, os.WriteFile(r.path("t.csv"), []byte("nøgle;cpr;navn;adresse1;adresse2;titel;dokument;rekommanderet\n"+
			"a;"+r.nancy.CPR+";N;Vej 1;2690 Engdal;T;a.pdf;\nb;"+r.nancy.CPR+";N;Vej 1;2690 Engdal;T;a.pdf;"+word+"\n"), 0o600))
		return r.path("t.csv")
	}
	send := func(r *rig, word string) (int, string, string) {
		return r.postctl("case", "batch", "send", table(r, word), "-documents", r.path("pdf"), "-key", "nov", "-json")
	}
	r := newRig(t)
	if code, _, errs := send(r, "ja"); code != 1 || !strings.Contains(errs, "POST-2025") || !strings.Contains(errs, "line 3") || strings.Contains(errs, "line 2") {
		t.Fatalf("not declared: %d %s", code, errs)
	}
	var n int
	must(t, r.db.QueryRow(`SELECT count(*) FROM batch`).Scan(&n))
	if n != 0 {
		t.Errorf("%d batches of a refused one", n)
	}
	r = newRig(t, func(c *config.Desk) { c.Tenants[0].Registered = true })
	code, out, errs := send(r, "ja")
	if code != 0 {
		t.Fatalf("declared: %d %s", code, errs)
	}
	var b wire.Batch
	must(t, json.Unmarshal([]byte(out), &b))
	if code, _, errs := send(r, "nej"); code != 1 || !strings.Contains(errs, "POST-6003") {
		t.Errorf("the same key without the wish: %d %s", code, errs)
	}
	if code, out, _ := send(r, "x"); code != 0 || !strings.Contains(out, `"repeated":true`) {
		t.Errorf("the same wish in another word: %d %s", code, out)
	}
	page, err := r.client("case").BatchLetters(t.Context(), b.ID, "", 0)
	must(t, err)
	for _, v := range page.Items {
		if v.Registered != (v.Line == 2) {
			t.Errorf("line %d: registered %t", v.Line, v.Registered)
		}
	}
	code, out, errs = r.postctl("case", "batch", "report", b.ID)
	rows := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(rows) != 3 || !strings.HasSuffix(rows[0], ",registered") || !strings.HasSuffix(rows[1], ",") || !strings.HasSuffix(rows[2], ",yes") {
		t.Errorf("report: %d %s %s", code, out, errs)
	}
	// In parts, the wish counts as it does in one piece.
	open, err := r.client("case").OpenBatch(t.Context(), wire.BatchOpen{Key: "parts", Announced: 1})
	must(t, err)
	line := wire.BatchLine{Key: "p", Title: "Afgørelse", Document: "a.pdf", SHA256: strings.Repeat("ab", 32), Registered: true,
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	_, err = r.client("case").PutLines(t.Context(), open.ID, 1, []wire.BatchLine{line})
	must(t, err)
	line.Registered = false
	if _, err := r.client("case").PutLines(t.Context(), open.ID, 1, []wire.BatchLine{line}); !refusedWith(err, "POST-6013") {
		t.Errorf("the part again without the wish: %v", err)
	}
}
