package deskapp_test

import (
	"fmt"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/internal/post"
)

// parkReceipt puts a receipt among those that wait for a person.
func (r *rig) parkReceipt(event, kind, reason string, raw []byte) (id string) {
	r.t.Helper()
	_, err := r.db.Exec(`INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at, verdict, reason, tenant)
		VALUES ('digitalpost', $1, '', $2, 1700000000000000, 'a.code', '', $3, 1700000000000000, 'parked', $4, $5)`,
		event, kind, raw, reason, string(r.cfg.Tenants[0].ID))
	must(r.t, err)
	return "digitalpost/" + event
}

func TestOperatorsSeeParkedReceiptsAndEndThem(t *testing.T) {
	r := newRig(t)
	ctx, op := t.Context(), r.client("operator")
	if code, out := r.asks("operator", "receipts", "parked"); code != 0 || !strings.Contains(out, "no parked receipts") {
		t.Fatalf("%d: %s", code, out)
	}
	own := string(r.cfg.Tenants[0].ID)
	garbage := r.parkReceipt(own+":sha256-00", "unreadable", "unreadable", []byte("sealed"))
	against := r.parkReceipt(own+":1", "refused-content", "contradicts delivered", []byte("sealed"))
	stuck := r.parkReceipt(own+":2", "delivered", "unsettled", []byte("sealed"))
	purged := r.parkReceipt("odd id/%2F?~", "unreadable", "unreadable", []byte{})
	for _, as := range []string{"tool", "case", "approver"} {
		c := r.client(as)
		_, list := c.ParkedReceipts(ctx, client.ParkedChoice{Limit: 10})
		_, show := c.Receipt(ctx, garbage)
		_, retry := c.RetryReceipt(ctx, garbage)
		_, all := c.RetryReceipts(ctx, "unreadable", "")
		_, closed := c.CloseReceipt(ctx, garbage, "not-ours")
		_, mail := c.CloseMail(ctx, post.NewID(), "answered")
		for what, err := range map[string]error{"list": list, "show": show, "retry": retry, "retry all": all, "close": closed, "close mail": mail} {
			if !refusedWith(err, "POST-4003") {
				t.Errorf("%s may %s: %v", as, what, err)
			}
		}
	}
	first, err := op.ParkedReceipts(ctx, client.ParkedChoice{Limit: 3})
	must(t, err)
	rest, err := op.ParkedReceipts(ctx, client.ParkedChoice{Limit: 3, After: first.Next})
	must(t, err)
	if len(first.Items) != 3 || len(rest.Items) != 1 || rest.Items[0].ID != purged || rest.Next != "" {
		t.Errorf("pages %+v and %+v", first, rest)
	}
	code, out := r.asks("operator", "receipts", "parked", "-code", "contradicts-delivered")
	if code != 0 || !strings.Contains(out, against) || strings.Contains(out, garbage) || !strings.Contains(out, "refused-content") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := r.asks("operator", "receipts", "parked", "-tenant", "nowhere"); code != 1 || !strings.Contains(out, "POST-") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := r.asks("operator", "receipts", "show", purged); code != 0 || !strings.Contains(out, "purged") || !strings.Contains(out, "what to do: ") {
		t.Errorf("%d: %s", code, out)
	}

	for _, c := range []struct {
		what string
		do   func() error
		want string
	}{
		{"nothing is left to read", func() error { _, err := op.RetryReceipt(ctx, purged); return err }, "POST-7142"},
		{"a receipt that nobody knows", func() error { _, err := op.RetryReceipt(ctx, "digitalpost/x"); return err }, "POST-0002"},
		{"no id at all", func() error { _, err := op.Receipt(ctx, "x"); return err }, "POST-0002"},
		{"a page after one that nobody knows", func() error {
			_, err := op.ParkedReceipts(ctx, client.ParkedChoice{Limit: 3, After: "digitalpost/x"})
			return err
		}, "POST-0002"},
		{"a code that none has", func() error { _, err := op.RetryReceipts(ctx, "wrong-channel", ""); return err }, "POST-7143"},
		{"a reason of no list", func() error { _, err := op.CloseReceipt(ctx, garbage, "bored"); return err }, "POST-4101"},
	} {
		if err := c.do(); !refusedWith(err, c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}

	if code, out := r.asks("operator", "receipts", "retry"); code != 2 || !strings.Contains(out, "-all-of CODE") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := r.asks("operator", "receipts", "retry", stuck); code != 0 || !strings.Contains(out, "is being judged") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := r.asks("operator", "receipts", "retry", "-all-of", "unreadable"); code != 3 || !strings.Contains(out, "1 receipt tried again") || !strings.Contains(out, "1 receipt left out") {
		t.Errorf("%d: %s", code, out)
	}
	if got, err := op.Receipt(ctx, garbage); err != nil || got.Verdict != "again" {
		t.Errorf("%+v, %v", got, err)
	}
	for range 2 {
		if code, out := r.asks("operator", "receipts", "close", against, "-reason", "resolved"); code != 0 || !strings.Contains(out, "closed") {
			t.Errorf("%d: %s", code, out)
		}
	}
	if _, err := op.RetryReceipt(ctx, against); !refusedWith(err, "POST-7141") {
		t.Errorf("retried after it was closed: %v", err)
	}
	for kind, want := range map[string]int{"receipt.retried": 2, "receipt.closed": 1} {
		var n int
		must(t, r.db.QueryRow(`SELECT count(*) FROM ledger_event WHERE kind = $1 AND tenant = $2`, kind, own).Scan(&n))
		if n != want {
			t.Errorf("%d events %s, want %d", n, kind, want)
		}
	}
	var body string
	must(t, r.db.QueryRow(`SELECT body FROM ledger_event WHERE kind = 'receipt.closed'`).Scan(&body))
	for _, want := range []string{"operator", "resolved", "contradicts-delivered", against} {
		if !strings.Contains(body, want) {
			t.Errorf("the ledger does not say %s: %s", want, body)
		}
	}
}

// TestManyReceiptsAreTriedAgainOnce although each that is no better is parked again.
func TestManyReceiptsAreTriedAgainOnce(t *testing.T) {
	r := newRig(t)
	for i := range 1201 {
		r.parkReceipt(fmt.Sprintf("e%04d", i), "delivered", "unsettled", []byte("x"))
	}
	code, out := r.asks("operator", "receipts", "retry", "-all-of", "unsettled")
	if code != 0 || !strings.Contains(out, "1201 receipts tried again") {
		t.Errorf("%d: %s", code, out)
	}
	var n int
	must(t, r.db.QueryRow(`SELECT count(*) FROM ledger_event WHERE kind = 'receipt.retried'`).Scan(&n))
	if n != 1201 {
		t.Errorf("%d events", n)
	}
}

func TestMailThatNobodyWillTakeIsClosed(t *testing.T) {
	r := newRig(t)
	ctx, op, own := t.Context(), r.client("operator"), r.cfg.Tenants[0].ID
	harmful, kept := r.park(own, "malware", 0), r.park(own, "too-large", 1)
	_, err := r.db.Exec(`UPDATE mail SET state = 'kept' WHERE id = $1`, kept)
	must(t, err)
	for range 2 {
		if code, out := r.asks("operator", "mail", "close", harmful, "-reason", "harmful"); code != 0 || !strings.Contains(out, "closed") {
			t.Errorf("%d: %s", code, out)
		}
	}
	if state, code, _ := r.mailState(harmful); state != "closed" || code != "malware" {
		t.Errorf("%s %s", state, code)
	}
	if list, err := op.ParkedMail(ctx, "", 10); err != nil || len(list.Items) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := op.CloseMail(ctx, kept, "answered"); !refusedWith(err, "POST-7144") {
		t.Errorf("mail that is being read: %v", err)
	}
	if _, err := op.CloseMail(ctx, post.NewID(), "answered"); !refusedWith(err, "POST-0002") {
		t.Errorf("mail that nobody knows: %v", err)
	}
	if _, err := op.RetryMail(ctx, harmful); !refusedWith(err, "POST-0002") {
		t.Errorf("retried after it was closed: %v", err)
	}
	var n int
	must(t, r.db.QueryRow(`SELECT count(*) FROM ledger_event WHERE kind = 'mail.closed' AND tenant = $1`, string(own)).Scan(&n))
	if n != 1 {
		t.Errorf("%d events", n)
	}
}
