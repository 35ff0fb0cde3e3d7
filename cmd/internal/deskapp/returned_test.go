package deskapp_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

func TestAnEnvelopeThatCameBackIsEnteredByItsCode(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	got, err := r.submit("k", nil)
	must(t, err)
	id := post.LetterID(got.ID)
	v, err := r.client("operator").Letter(ctx, got.ID)
	must(t, err)
	_, err = r.db.Exec(`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, taken_at, tracking)
		VALUES ($1, $2, 'physical', 1, 1, 1, $3, 1, 1, 'RR473124829DK')`, post.DerivedID(id, post.Physical, 1), got.ID, make([]byte, 32))
	must(t, err)
	set := func(state string) {
		_, err := r.db.Exec(`UPDATE letter SET state = $1, channel = 'physical', generation = 1, version = version + 1 WHERE id = $2`, state, got.ID)
		must(t, err)
	}
	set("delivered-proven")
	room := r.client("approver")
	if _, err := room.EnterReturnedMail(ctx, wire.ReturnedMail{Code: v.Reference, Reason: "moved"}); !refusedWith(err, "POST-7124") {
		t.Errorf("a proven letter came back: %v", err)
	}
	set("posted")
	for code, want := range map[string]string{"SP-0000-0000": "POST-7122", "x": "POST-7121"} {
		if _, err := room.EnterReturnedMail(ctx, wire.ReturnedMail{Code: code, Reason: "moved"}); !refusedWith(err, want) {
			t.Errorf("%s: got %v", code, err)
		}
	}
	if _, err := r.client("case-far").EnterReturnedMail(ctx, wire.ReturnedMail{Code: v.Reference, Reason: "moved"}); !refusedWith(err, "POST-7122") {
		t.Errorf("another municipality's mail room: %v", err)
	}
	if _, err := r.client("tool").EnterReturnedMail(ctx, wire.ReturnedMail{Code: v.Reference, Reason: "moved"}); !refusedWith(err, "POST-4003") {
		t.Errorf("a DPO tool: %v", err)
	}
	if _, err := room.EnterReturnedMail(ctx, wire.ReturnedMail{Code: v.Reference, Reason: "tired"}); err == nil {
		t.Error("an unknown reason was taken")
	}
	for i, code := range []string{"rr473124829dk", v.Reference} {
		out, err := room.EnterReturnedMail(ctx, wire.ReturnedMail{Code: code, Reason: "moved"})
		must(t, err)
		if out.ID != got.ID || out.State != "returned" || out.Repeated != (i == 1) {
			t.Errorf("%s: got %+v", code, out)
		}
	}
	code, out := r.asks("approver", "mail", "returned", v.Reference)
	if code != 0 || !strings.Contains(out, "returned (sending 1, known already)") {
		t.Errorf("%d: %s", code, out)
	}
	if d, err := room.Decide(ctx, got.ID, "reissue"); err == nil && d.State != "routed" {
		t.Errorf("got %+v", d)
	}
	if v, err = r.client("operator").Letter(ctx, got.ID); err != nil || v.Generation != 2 {
		t.Errorf("re-issued as %+v, %v", v, err)
	}
	// The first envelope, scanned once more, says nothing of the second sending.
	again, err := room.EnterReturnedMail(ctx, wire.ReturnedMail{Code: "RR473124829DK", Reason: "moved"})
	if err != nil || !again.Repeated || again.State == "returned" {
		t.Errorf("got %+v, %v", again, err)
	}
}
