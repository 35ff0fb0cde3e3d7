package deskapp_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

// park puts a message of a tenant among those that wait for a person.
func (r *rig) park(tenant post.TenantID, code string, cut int) (id string) {
	r.t.Helper()
	id = post.NewID()
	_, err := r.db.Exec(`INSERT INTO mail (id, carrier, tenant, message_id, digest, received_at, header, blob, blob_sha256, blob_size, state, code, due_at, attempts, cut)
		VALUES ($1, 'digitalpost', $2, $1, $3, 1700000000000000, $3, $1, $3, 1, 'parked', $4, 0, 7, $5)`, id, string(tenant), []byte("x"), code, cut)
	must(r.t, err)
	return id
}

func (r *rig) mailState(id string) (state, code string, attempts int) {
	r.t.Helper()
	must(r.t, r.db.QueryRow(`SELECT state, code, attempts FROM mail WHERE id = $1`, id).Scan(&state, &code, &attempts))
	return state, code, attempts
}

func TestOperatorsSeeParkedMailAndLetItGoOn(t *testing.T) {
	r := newRig(t)
	ctx, op := t.Context(), r.client("operator")
	if code, out := r.asks("operator", "mail", "parked"); code != 0 || !strings.Contains(out, "no parked mail") {
		t.Fatalf("%d: %s", code, out)
	}
	own := r.cfg.Tenants[0]
	malware, nowhere := r.park(own.ID, "malware", 0), r.park(own.ID, "unknown-contact-point", 0)
	huge, double := r.park(own.ID, "too-large", 1), r.park(own.ID, "other-content", 0)
	for _, as := range []string{"tool", "case", "approver"} {
		_, list := r.client(as).ParkedMail(ctx, "", 10)
		_, retry := r.client(as).RetryMail(ctx, malware)
		_, file := r.client(as).FileMail(ctx, nowhere, string(own.Inbox))
		if !refusedWith(list, "POST-4003") || !refusedWith(retry, "POST-4003") || !refusedWith(file, "POST-4003") {
			t.Errorf("%s: %v, %v, %v", as, list, retry, file)
		}
	}
	first, err := op.ParkedMail(ctx, "", 3)
	must(t, err)
	rest, err := op.ParkedMail(ctx, first.Next, 3)
	must(t, err)
	if len(first.Items) != 3 || first.Items[0].ID != malware || len(rest.Items) != 1 || rest.Items[0].ID != double || rest.Next != "" {
		t.Errorf("pages of %d and %d", len(first.Items), len(rest.Items))
	}
	if code, out := r.asks("operator", "mail", "parked"); code != 0 || !strings.Contains(out, malware) || !strings.Contains(out, "unknown-contact-point") || strings.Count(out, "2023-11-14") != 4 {
		t.Errorf("%d: %s", code, out)
	}

	for _, c := range []struct {
		what, id, inbox, want string
	}{
		{"half a message is tried again", huge, "", "POST-7131"},
		{"one of two under an id is tried again", double, "", "POST-7131"},
		{"a message that nobody knows", post.NewID(), "", "POST-0002"},
		{"no id at all", "x", "", "POST-0002"},
		{"malware is filed", malware, string(own.Inbox), "POST-7132"},
		{"half a message is filed", huge, string(own.Inbox), "POST-7132"},
		{"another municipality's inbox", nowhere, string(r.cfg.Tenants[len(r.cfg.Tenants)-1].Inbox) + "-x", "POST-7133"},
	} {
		var err error
		if c.inbox == "" {
			_, err = op.RetryMail(ctx, c.id)
		} else {
			_, err = op.FileMail(ctx, c.id, c.inbox)
		}
		if !refusedWith(err, c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}
	if code, out := r.asks("operator", "mail", "retry", malware); code != 0 || !strings.Contains(out, "is read again") {
		t.Errorf("%d: %s", code, out)
	}
	if state, _, attempts := r.mailState(malware); state != "kept" || attempts != 0 {
		t.Errorf("retried: %s after %d attempts", state, attempts)
	}
	if _, err := op.RetryMail(ctx, malware); !refusedWith(err, "POST-0002") {
		t.Errorf("retried twice: %v", err)
	}
	if code, out := r.asks("operator", "mail", "file", nowhere, "-inbox", string(own.Inbox)); code != 0 || !strings.Contains(out, "passed all other checks") {
		t.Errorf("%d: %s", code, out)
	}
	if state, code, _ := r.mailState(nowhere); state != "kept" || code != "filed" {
		t.Errorf("filed: %s %s", state, code)
	}
	for kind, want := range map[string]int{"mail.retried": 1, "mail.filed": 1} {
		var n int
		must(t, r.db.QueryRow(`SELECT count(*) FROM ledger_event WHERE kind = $1 AND tenant = $2`, kind, string(own.ID)).Scan(&n))
		if n != want {
			t.Errorf("%d events %s", n, kind)
		}
	}
}
