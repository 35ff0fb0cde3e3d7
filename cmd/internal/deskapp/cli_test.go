package deskapp_test

import (
	"bytes"
	"context"
	csvs "encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/inboxctlapp"
	"sikkerpost.dk/gateway/cmd/internal/postctlapp"
)

// inboxctl and postctl run a command as the client called as.
func (r *rig) inboxctl(as string, args ...string) (int, string, string) {
	return r.inboxctlIn(context.Background(), as, args...)
}

func (r *rig) inboxctlIn(ctx context.Context, as string, args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	args = append(args, "-url", r.url, "-cert", r.path(as+".pem"), "-key", r.path(as+".key.pem"), "-ca", r.path("ca.pem"), "-state", r.path("state-"+as+".json"))
	return inboxctlapp.Run(ctx, args, strings.NewReader(""), &out, &errs), out.String(), errs.String()
}

func (r *rig) postctl(as string, args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	args = append(args, "-url", r.url, "-client-cert", r.path(as+".pem"), "-client-key", r.path(as+".key.pem"), "-ca", r.path("ca.pem"))
	return postctlapp.Run(context.Background(), args, strings.NewReader(""), &out, &errs), out.String(), errs.String()
}

func TestTheDPOsToolGoesTheWholeWay(t *testing.T) {
	r := newRig(t)
	_, ref, digest := r.inquiry("dpo-faelles", "../../.bashrc", "request.pdf", "request.pdf")
	out := r.path("case")

	code, text, errs := r.inboxctl("tool", "list")
	if code != 0 || !strings.Contains(text, ref) || !strings.Contains(text, "DUE") {
		t.Fatalf("list: %d %s %s", code, text, errs)
	}
	if code, _, errs := r.inboxctl("tool", "ack", ref); code != 1 || !strings.Contains(errs, "has not been opened here") || !strings.Contains(errs, "hint: ") {
		t.Errorf("ack before open: %d %s", code, errs)
	}
	code, text, errs = r.inboxctl("tool", "open", ref, "-identity", r.dpo, "-out", out)
	if code != 0 {
		t.Fatalf("open: %d %s", code, errs)
	}
	for _, want := range []string{"Jeg vil gerne se alt.", fmt.Sprintf("%x", digest), "Nancy"} {
		if !strings.Contains(text, want) {
			t.Errorf("open does not print %q: %s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("the message can drive the terminal")
	}
	files, err := os.ReadDir(out)
	must(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		info, err := f.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
		b, err := os.ReadFile(filepath.Join(out, f.Name()))
		must(t, err)
		if !bytes.Equal(b, pdf(t, "request")) {
			t.Errorf("%s is not what the person attached", f.Name())
		}
	}
	if got := strings.Join(names, " "); got != "_.._.bashrc request-2.pdf request.pdf" && got != "_.bashrc request-2.pdf request.pdf" {
		t.Errorf("files: %s", got)
	}
	if code, _, errs := r.inboxctl("tool-2", "open", ref, "-identity", r.dpo); code != 1 || !strings.Contains(errs, "code: POST-4201") {
		t.Errorf("open by a second tool: %d %s", code, errs)
	}
	if code, _, errs := r.inboxctl("tool", "ack", ref, "-reject", "boring"); code != 1 || !strings.Contains(errs, "code: POST-4205") {
		t.Errorf("ack with a made-up reason: %d %s", code, errs)
	}
	if code, text, errs := r.inboxctl("tool", "ack", ref); code != 0 || !strings.Contains(text, "acknowledged") {
		t.Fatalf("ack: %d %s %s", code, text, errs)
	}
	if code, text, errs := r.inboxctl("tool", "ack", ref, "-json"); code != 0 || !strings.Contains(text, `"v":1`) {
		t.Errorf("ack again: %d %s %s", code, text, errs)
	}
	file := r.path("answer.pdf")
	must(t, os.WriteFile(file, pdf(t, "answer"), 0o600))
	code, first, errs := r.inboxctl("tool", "reply", ref, "-title", "Svar til borgeren", "-file", file, "-json")
	if code != 0 {
		t.Fatalf("reply: %d %s", code, errs)
	}
	if code, second, _ := r.inboxctl("tool", "reply", ref, "-title", "Svar til borgeren", "-file", file, "-json"); code != 0 || second != first {
		t.Errorf("the same reply again: %d %s, first %s", code, second, first)
	}
	state, err := os.ReadFile(r.path("state-tool.json"))
	must(t, err)
	if strings.Contains(string(state), "Jeg vil") || strings.Contains(string(state), "AGE-SECRET") {
		t.Error("the state file holds content or a key")
	}
}

func TestAckTakesANewLeaseWhenReadingTookLong(t *testing.T) {
	r := newRig(t)
	id, ref, _ := r.inquiry("dpo-faelles")
	if code, _, errs := r.inboxctl("tool", "open", ref, "-identity", r.dpo); code != 0 {
		t.Fatalf("open: %s", errs)
	}
	_, err := r.db.Exec(`UPDATE inquiry SET lease_until = $1 WHERE id = $2`, time.Now().Add(-time.Second).UnixMicro(), id)
	must(t, err)
	if code, text, errs := r.inboxctl("tool", "ack", ref); code != 0 || !strings.Contains(text, "acknowledged") {
		t.Errorf("ack: %d %s %s", code, text, errs)
	}
}

func TestAWrongIdentityOpensNothing(t *testing.T) {
	r := newRig(t)
	_, ref, _ := r.inquiry("dpo-faelles", "a.pdf")
	r.ageKey("thief")
	out := r.path("out")
	code, text, errs := r.inboxctl("tool", "open", ref, "-identity", r.path("thief.key"), "-out", out)
	if code != 1 || text != "" || !strings.Contains(errs, "code: POST-") {
		t.Errorf("%d %q %s", code, text, errs)
	}
	if left, _ := os.ReadDir(out); len(left) != 0 {
		t.Errorf("%d files were left behind", len(left))
	}
}

// TestAnotherInquirysContentIsNotShownUnderThisReference: the references of two inquiries were swapped in
// the database, or one's content given for the other's. Whoever answered what they read would tell one
// person what the other wrote.
func TestAnotherInquirysContentIsNotShownUnderThisReference(t *testing.T) {
	r := newRig(t)
	one, first, _ := r.inquiry("dpo-faelles", "a.pdf")
	two, second, _ := r.inquiry("dpo-faelles", "b.pdf")
	for _, step := range [][2]string{{one, "SP-0000-0000"}, {two, first}, {one, second}} {
		_, err := r.db.Exec(`UPDATE inquiry SET reference = $1 WHERE id = $2`, step[1], step[0])
		must(t, err)
	}
	out := r.path("out")
	for _, ref := range []string{first, second, one} {
		code, text, errs := r.inboxctl("tool", "open", ref, "-identity", r.dpo, "-out", out)
		if code != 1 || text != "" || !strings.Contains(errs, "not that of the inquiry asked for") || !strings.Contains(errs, "do not answer") {
			t.Errorf("%d %q %s", code, text, errs)
		}
		if code, text, _ := r.inboxctl("tool", "ack", ref); code != 1 {
			t.Errorf("it was acknowledged: %s", text)
		}
	}
	if left, _ := os.ReadDir(out); len(left) != 0 {
		t.Errorf("%d files were left behind", len(left))
	}
	_, err := r.db.Exec(`UPDATE inquiry SET header = (SELECT header FROM inquiry WHERE id = $1), blob = (SELECT blob FROM inquiry WHERE id = $1),
		blob_sha256 = (SELECT blob_sha256 FROM inquiry WHERE id = $1), blob_size = (SELECT blob_size FROM inquiry WHERE id = $1) WHERE id = $2`, one, two)
	must(t, err)
	if code, text, errs := r.inboxctl("tool", "open", two, "-identity", r.dpo); code != 1 || text != "" {
		t.Errorf("content of another: %d %q %s", code, text, errs)
	}
}

func TestEveryWayToFailHasItsExitCode(t *testing.T) {
	r := newRig(t)
	_, ref, _ := r.inquiry("dpo-faelles")
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name string
		run  func() (int, string, string)
		code int
		says string
	}{
		{"help", func() (int, string, string) { return r.inboxctl("tool", "--help") }, 0, ""},
		{"no such command", func() (int, string, string) { return r.inboxctl("tool", "burn") }, 2, "hint: run inboxctl --help"},
		{"flag missing", func() (int, string, string) { return r.inboxctl("tool", "open", ref) }, 2, "--identity"},
		{"certificate that is not registered", func() (int, string, string) { return r.inboxctl("stranger", "list") }, 4, "code: POST-4002"},
		{"role that may not", func() (int, string, string) { return r.inboxctl("case", "list") }, 4, "code: POST-4003"},
		{"inquiry that is not there", func() (int, string, string) { return r.inboxctl("tool", "lease", "SP-0000-0000") }, 1, "code: POST-0002"},
		{"certificate file that is not there", func() (int, string, string) { return r.inboxctl("nobody", "list") }, 78, "hint: "},
		{"identity that is not there", func() (int, string, string) { return r.inboxctl("tool", "open", ref, "-identity", r.path("no")) }, 78, "hint: "},
		{"interrupted", func() (int, string, string) { return r.inboxctlIn(gone, "tool", "list") }, 130, "interrupted"},
		{"letter that is not there", func() (int, string, string) { return r.postctl("case", "letter", "show", "x") }, 1, "code: POST-0002"},
		{"verify without a certificate", func() (int, string, string) { return r.postctl("case", "letter", "verify", r.path("ca.pem")) }, 2, "-cert"},
		{"verify what is no evidence", func() (int, string, string) {
			return r.postctl("case", "letter", "verify", r.path("ca.pem"), "-cert", r.path("ca.pem"))
		}, 1, "code: POST-2020"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := tt.run()
			if code != tt.code || !strings.Contains(errs, tt.says) {
				t.Errorf("exit %d, want %d; %s", code, tt.code, errs)
			}
			if tt.name == "help" && !strings.HasPrefix(out, "Examples:\n") {
				t.Errorf("help does not begin with examples: %s", out)
			}
		})
	}
	r.url = "https://127.0.0.1:1"
	if code, _, errs := r.inboxctl("tool", "list"); code != 5 || !strings.Contains(errs, "safe to run the same command again") {
		t.Errorf("nobody there: %d %s", code, errs)
	}
	if code, _, errs := r.inboxctl("tool", "list", "-json"); code != 5 || !json.Valid([]byte(errs)) || !strings.Contains(errs, `"exit":5`) {
		t.Errorf("as JSON: %d %s", code, errs)
	}
}

// table writes decisions.csv and its documents and returns the path.
func (r *rig) table(lines ...string) string {
	must(r.t, os.MkdirAll(r.path("pdf"), 0o700))
	for _, n := range []string{"decision-01", "decision-02"} {
		must(r.t, os.WriteFile(r.path("pdf/"+n+".pdf"), pdf(r.t, n), 0o600))
	}
	path := r.path("decisions.csv")
	must(r.t, os.WriteFile(path, []byte("\xef\xbb\xbfkey;id;name;address1;address2;title;document\r\n"+strings.Join(lines, "\r\n")+"\r\n"), 0o600))
	return path
}

func TestABatchFromATable(t *testing.T) {
	r := newRig(t)
	line := func(n int, doc string) string {
		return fmt.Sprintf(`a-%d;%s;"%s";Kirsebærvej 4;2690 Engdal;Afgørelse;%s`, n, r.nancy.CPR, r.nancy.Name, doc)
	}
	csv := r.table(line(1, "decision-01.pdf"), line(2, "decision-02.pdf"), line(3, "decision-01.pdf"))
	if code, out, errs := r.postctl("case", "batch", "check", csv, "-documents", r.path("pdf")); code != 0 || !strings.Contains(out, "3 letters read, 0 rows wrong") {
		t.Fatalf("check: %d %s %s", code, out, errs)
	}
	code, out, errs := r.postctl("case", "batch", "send", csv, "-documents", r.path("pdf"), "-key", "nov", "-json")
	if code != 0 {
		t.Fatalf("send: %d %s", code, errs)
	}
	var b struct {
		V     int    `json:"v"`
		ID    string `json:"id"`
		State string `json:"state"`
	}
	must(t, json.Unmarshal([]byte(out), &b))
	if b.V != 1 || b.State != "closed" {
		t.Fatalf("sent: %s", out)
	}
	before := drop(dropAnswers(r.snapshot()), "data_key")
	if code, out, _ := r.postctl("case", "batch", "send", csv, "-documents", r.path("pdf"), "-key", "nov"); code != 0 || !strings.Contains(out, "nothing changed") {
		t.Errorf("the same again: %d %s", code, out)
	}
	if drop(dropAnswers(r.snapshot()), "data_key") != before {
		t.Error("the same batch again changed the database")
	}
	if code, _, errs := r.postctl("case", "batch", "approve", b.ID); code != 4 {
		t.Errorf("approved by the submitter: %d %s", code, errs)
	}
	if code, out, errs := r.postctl("approver", "batch", "approve", b.ID); code != 0 || !strings.Contains(out, "ready 3") {
		t.Errorf("approve: %d %s %s", code, out, errs)
	}
	if code, _, errs := r.postctl("operator", "batch", "watch", b.ID, "-wait", "80ms", "-every", "50ms"); code != 7 || !strings.Contains(errs, "[") {
		t.Errorf("watch: %d %s", code, errs)
	}
	if code, out, _ := r.postctl("operator", "batch", "show", b.ID, "-letters"); code != 0 || strings.Count(out, "ready") != 3 {
		t.Errorf("show: %d %s", code, out)
	}
	_, err := r.db.Exec(`UPDATE letter SET state = CASE WHEN line = 1 THEN 'needs-person' ELSE 'delivered' END`)
	must(t, err)
	if code, out, errs := r.postctl("operator", "batch", "watch", b.ID, "-every", "50ms"); code != 3 || !strings.Contains(out, "delivered 2") || !strings.Contains(errs, "1 letter needs a person") {
		t.Errorf("watch of a batch that needs a person: %d %s %s", code, out, errs)
	}
	// What a carrier says reaches the report as text, whatever it is.
	_, err = r.db.Exec(`UPDATE letter SET channel = 'physical', generation = 1, code = '@SUM(A1)';
		INSERT INTO hand_over (letter, channel, generation, message_id, carrier, tracking, answer, created_at, form_size, form_sha256, attempts)
			SELECT id, 'physical', 1, id, 'print-house', '=HYPERLINK("http://x","y")', 'taken', 1, 1, x'', 1 FROM letter`)
	must(t, err)
	code, out, errs = r.postctl("operator", "batch", "report", b.ID)
	rows, err := csvs.NewReader(strings.NewReader(out)).ReadAll()
	if code != 0 || err != nil || len(rows) != 4 || rows[1][5] != "'@SUM(A1)" || rows[1][7] != `'=HYPERLINK("http://x","y")` {
		t.Errorf("report: %d %v %q %s", code, err, rows, errs)
	}
	if code, _, _ := r.postctl("operator", "batch", "report", b.ID, "-out", r.path("report.csv")); code != 0 {
		t.Errorf("report to a file: %d", code)
	}
	if kept, err := os.ReadFile(r.path("report.csv")); err != nil || string(kept) != out {
		t.Errorf("the file differs: %v", err)
	}
}

func TestEveryFaultOfEveryLineIsNamedAndNothingIsSent(t *testing.T) {
	r := newRig(t)
	must(t, os.MkdirAll(r.path("pdf"), 0o700))
	must(t, os.WriteFile(r.path("pdf/fake.pdf"), []byte("MZ"), 0o600))
	must(t, os.WriteFile(r.path("pdf/torn.pdf"), []byte("%PDF-1.7\nnothing\n%%EOF"), 0o600))
	good := r.nancy.CPR + ";N;v;e;T;decision-01.pdf"
	csv := r.table(
		"a;9999999999;N;v;e;T;decision-01.pdf", // line 2: CPR
		"b;123;N;v;e;;missing.pdf",             // line 3: CPR, title, document
		"c;"+good,
		"c;"+good,                           // line 5: key twice
		"d;"+r.nancy.CPR+";;v;e;T;fake.pdf", // line 6: name, not a PDF
		"e;"+good+";too;many",               // line 7: columns
		`f;`+r.nancy.CPR+`;"N`+"\r\n"+`M";v;e;T;../decision-01.pdf`, // line 8 and 9: control character, path
	)
	before := r.snapshot()
	for _, cmd := range [][]string{{"batch", "check", csv, "-documents", r.path("pdf")}, {"batch", "send", csv, "-documents", r.path("pdf"), "-key", "k"}} {
		code, out, errs := r.postctl("case", cmd...)
		if want := map[string]int{"check": 3, "send": 1}[cmd[1]]; code != want {
			t.Errorf("%s: exit %d, want %d: %s", cmd[1], code, want, errs)
		}
		for _, want := range []string{
			"line 2: POST-0101", "line 3: POST-0101", "line 3: POST-2001", "line 3: POST-4304", "line 5: POST-6004",
			"line 6: POST-4305", "line 6: POST-2003", "line 7: POST-4303", "line 8: POST-2018", "line 8: POST-2012", "6 rows wrong",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q:\n%s", cmd[1], want, out)
			}
		}
		if strings.Contains(out+errs, r.nancy.CPR) {
			t.Errorf("%s prints a CPR number", cmd[1])
		}
	}
	if r.snapshot() != before {
		t.Error("a faulty table changed the database")
	}
	// A PDF that only desk can tell from a good one: no letter is made.
	csv = r.table("a;"+good, "b;"+r.nancy.CPR+";N;v;e;T;torn.pdf")
	code, out, _ := r.postctl("case", "batch", "send", csv, "-documents", r.path("pdf"), "-key", "k2")
	if code != 1 || !strings.Contains(out, "line 3: POST-2003") {
		t.Errorf("torn PDF: %d %s", code, out)
	}
	var letters int
	must(t, r.db.QueryRow(`SELECT count(*) FROM letter`).Scan(&letters))
	if letters != 0 {
		t.Errorf("%d letters were made of a faulty batch", letters)
	}
}

func TestALetterFromTheCommandLine(t *testing.T) {
	r := newRig(t)
	doc, desc := r.path("d.pdf"), r.path("letter.json")
	must(t, os.WriteFile(doc, pdf(t, "decision-01"), 0o600))
	must(t, os.WriteFile(desc, []byte(`{"key":"k","title":"Afgørelse","recipient":{"id_type":"CPR","id":"`+r.nancy.CPR+`","name":"N"}}`), 0o600))
	code, out, errs := r.postctl("case", "letter", "send", desc, "-document", doc, "-json")
	if code != 0 {
		t.Fatalf("send: %d %s", code, errs)
	}
	var l struct{ ID string }
	must(t, json.Unmarshal([]byte(out), &l))
	if code, out, _ := r.postctl("case", "letter", "send", desc, "-document", doc); code != 0 || !strings.Contains(out, "nothing changed") {
		t.Errorf("again: %d %s", code, out)
	}
	if code, out, errs := r.postctl("operator", "letter", "show", l.ID); code != 0 || !strings.Contains(out, "state         accepted") || !strings.Contains(out, "letter.accepted") {
		t.Errorf("show: %d %s %s", code, out, errs)
	}
	if code, _, errs := r.postctl("case", "letter", "evidence", l.ID, "-out", r.path("e.asice")); code != 1 || !strings.Contains(errs, "code: POST-2017") {
		t.Errorf("evidence before signing: %d %s", code, errs)
	}
	must(t, os.WriteFile(desc, []byte(`{"key":"k","titel":"x"}`), 0o600))
	if code, _, errs := r.postctl("case", "letter", "send", desc, "-document", doc); code != 1 || !strings.Contains(errs, "hint: ") {
		t.Errorf("unknown member: %d %s", code, errs)
	}
}
