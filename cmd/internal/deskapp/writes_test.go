package deskapp_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
)

// body returns media and body of a request of the form that operation id takes.
func body(id string) (media, b string) {
	switch id {
	case "submit-letter", "reply-to-inquiry":
		return formType, formOf("letter", "{}", "x")
	case "put-documents":
		return "application/x-tar", strings.Repeat("\x00", 1024)
	case "put-document":
		return "application/pdf", "%PDF"
	case "lease-inquiry", "close-batch", "approve-batch", "continue-batch", "pause-batch", "resume-batch", "stop-batch":
		return "", ""
	}
	return "application/json", "{}"
}

// TestEachWriteNeedsAKeyOfItsOwn goes through every operation that the API
// describes as a write, whatever is added to it.
func TestEachWriteNeedsAKeyOfItsOwn(t *testing.T) {
	r := newRig(t)
	roles := map[config.Role]string{config.RoleTool: "tool", config.RoleCase: "case", config.RoleApprover: "approver", config.RoleOperator: "operator"}
	for _, as := range roles {
		_, err := r.db.Exec(`INSERT INTO idempotency (client, key, request, status, answer, at) VALUES ($1, 'used', x'01', 201, x'7b7d', $2)`, as, time.Now().UnixMicro())
		must(t, err)
	}
	before := r.snapshot()
	writes := 0
	for id, op := range operations(t, r) {
		if op[0] == "GET" {
			continue
		}
		writes++
		as := roles[deskapi.Matrix()[id][0]]
		for _, tt := range []struct {
			key  string
			code string
		}{
			{"", "POST-4111"}, {strings.Repeat("k", 201), "POST-4111"}, {"two words", "POST-4111"}, {"nøgle", "POST-4111"},
			{"used", "POST-4112"}, // for another request
		} {
			media, b := body(id)
			status, code, _ := r.ask(as, op[0], op[1], media, strings.NewReader(b), wire.HeaderKey, tt.key)
			if want := map[string]int{"POST-4111": 400, "POST-4112": 422}[tt.code]; code != tt.code || status != want {
				t.Errorf("%s with the key %q: %d %s, want %s", id, tt.key, status, code, tt.code)
			}
		}
	}
	if writes < 29 {
		t.Errorf("%d writes: the search is broken", writes)
	}
	if r.snapshot() != before {
		t.Error("a write without a key of its own changed the database")
	}
}

// crash makes it look as if the process had died after the effect of key and
// before its answer was kept, long enough ago that nobody waits for it.
func (r *rig) crash(client, key string) {
	r.t.Helper()
	res, err := r.db.Exec(`UPDATE idempotency SET status = 0, answer = x'', request = x'', at = $3 WHERE client = $1 AND key = $2 AND status > 0`,
		client, key, time.Now().Add(-time.Hour).UnixMicro())
	must(r.t, err)
	if n, _ := res.RowsAffected(); n != 1 {
		r.t.Fatalf("%s/%s: no answer was kept", client, key)
	}
}

// TestAWriteWhoseAnswerWasLostIsNotDoneTwice: the effect of a write is
// committed, the process dies before the answer is kept, and the caller asks
// again with the same key. Whatever it is told, nothing is done a second time.
func TestAWriteWhoseAnswerWasLostIsNotDoneTwice(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	inquiry, _, digest := r.inquiry("dpo-faelles")
	var keys int
	// twice asks, loses the answer, and asks again. It returns the first answer.
	twice := func(name, as, method, path, media, b string, out any) {
		t.Helper()
		keys++
		key := fmt.Sprintf("w-%d", keys)
		status, code, first := r.ask(as, method, path, media, strings.NewReader(b), wire.HeaderKey, key)
		if status >= 300 {
			t.Fatalf("%s: %d %s %s", name, status, code, first)
		}
		if out != nil {
			must(t, json.Unmarshal(first, out))
		}
		before := drop(dropAnswers(r.snapshot()), "data_key")
		r.crash(as, key)
		status, code, again := r.ask(as, method, path, media, strings.NewReader(b), wire.HeaderKey, key)
		if status >= 300 {
			t.Errorf("%s, again after the answer was lost: %d %s", name, status, code)
		} else if a, b := comparable(first), comparable(again); a != b {
			t.Errorf("%s: answered %s, then %s", name, a, b)
		}
		if after := drop(dropAnswers(r.snapshot()), "data_key"); after != before {
			t.Errorf("%s was done twice:\n%s", name, difference(before, after))
		}
	}
	const js = "application/json"
	submit := func(key string) (l wire.LetterReceipt) {
		twice("submit-letter", "case", "POST", "/v1/letters", formType, formOf("letter", r.letter(func(l *wire.Letter) { l.Key = key }), string(pdf(t, "decision-01"))), &l)
		return l
	}
	l := submit("one")
	twice("hold-letter", "approver", "POST", "/v1/letters/"+l.ID+"/hold", js, `{"reason":"lawsuit"}`, nil)
	twice("unhold-letter", "approver", "POST", "/v1/letters/"+l.ID+"/unhold", js, `{"reason":"lawsuit"}`, nil)
	twice("decide-letter", "case", "POST", "/v1/letters/"+l.ID+"/decisions", js, `{"decision":"cancel"}`, nil)
	if _, err := r.client("approver").Decide(ctx, l.ID, "close"); code(err) != "POST-2015" {
		t.Errorf("a cancelled letter was closed: %v", err)
	}
	_, err := r.db.Exec(`UPDATE letter SET state = 'needs-person' WHERE id = $1`, submit("two").ID)
	must(t, err)
	id := ""
	must(t, r.db.QueryRow(`SELECT id FROM letter WHERE state = 'needs-person'`).Scan(&id))
	twice("decide-letter", "approver", "POST", "/v1/letters/"+id+"/decisions", js, `{"decision":"close"}`, nil)

	twice("pause-channel", "operator", "POST", "/v1/channels/pause", js, `{"channel":"digital"}`, nil)
	twice("resume-channel", "operator", "POST", "/v1/channels/resume", js, `{"channel":"digital"}`, nil)
	// A trace is a question, which may be asked again: it is not among these.

	doc := pdf(t, "decision-01")
	sum := sha256.Sum256(doc)
	line := wire.BatchLine{Key: "n-1", Title: "Afgørelse", Document: "a.pdf", SHA256: hex.EncodeToString(sum[:]),
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	open, err := json.Marshal(wire.BatchOpen{Key: "november", Announced: 1})
	must(t, err)
	var b wire.Batch
	twice("open-batch", "case", "POST", "/v1/batches", js, string(open), &b)
	part, err := json.Marshal(wire.BatchPart{Lines: []wire.BatchLine{line}})
	must(t, err)
	at := "/v1/batches/" + b.ID
	twice("put-lines", "case", "PUT", at+"/lines/1", js, string(part), nil)
	twice("put-document", "case", "PUT", at+"/documents/"+line.SHA256, "application/pdf", string(doc), nil)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	must(t, w.WriteHeader(&tar.Header{Name: line.SHA256, Size: int64(len(doc)), Mode: 0o600, Typeflag: tar.TypeReg}))
	_, err = w.Write(doc)
	must(t, err)
	must(t, w.Close())
	twice("put-documents", "case", "PUT", at+"/documents", "application/x-tar", archive.String(), nil)
	twice("close-batch", "case", "POST", at+"/close", "", "", nil)
	twice("approve-batch", "approver", "POST", at+"/approve", "", "", nil)
	twice("pause-batch", "case", "POST", at+"/pause", "", "", nil)
	twice("resume-batch", "case", "POST", at+"/resume", "", "", nil)
	twice("stop-batch", "case", "POST", at+"/stop", "", "", nil)

	lease, err := r.client("tool").Lease(ctx, inquiry)
	must(t, err)
	ack, err := json.Marshal(wire.Acknowledge{LeaseToken: lease.Token, Digest: hex.EncodeToString(digest[:]), Outcome: wire.Accept})
	must(t, err)
	twice("acknowledge-inquiry", "tool", "POST", "/v1/inquiries/"+inquiry+"/acknowledge", js, string(ack), nil)
	answer, err := json.Marshal(reply())
	must(t, err)
	twice("reply-to-inquiry", "tool", "POST", "/v1/inquiries/"+inquiry+"/reply", formType, formOf("reply", string(answer), string(pdf(t, "answer"))), nil)
}

// comparable is an answer without what says that it is a repetition.
func comparable(answer []byte) string {
	var m map[string]any
	if json.Unmarshal(answer, &m) != nil {
		return string(answer)
	}
	delete(m, "repeated")
	if items, ok := m["items"].([]any); ok {
		for _, i := range items {
			if item, ok := i.(map[string]any); ok && item["outcome"] == "stored" {
				item["outcome"] = "known"
			}
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// difference is the lines that only one of two snapshots has.
func difference(a, b string) string {
	before, after := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []string
	for _, l := range before {
		if !slices.Contains(after, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}
