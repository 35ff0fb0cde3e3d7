package digitalpost_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Paper only on proof (design 5): the same status says that the recipient cannot
// receive and that our own system may not send.
func TestARefusalIsTheRecipientsOnlyWhenItsCodeSaysSo(t *testing.T) {
	for _, c := range []struct {
		name, code string
		recipient  bool
	}{
		{"exempt", "recipient.exempt.not.allowed", true},
		{"in capitals", "Recipient.Closed.Not.Allowed", true},
		{"configured", "mailbox.gone", true},
		{"configured, in capitals", "MAILBOX.GONE", true},
		{"the sender", "sender.not.allowed", false},
		{"the sender, beside the recipient", "sender.recipient.not.allowed", false},
		{"the recipient's contact point", "recipient.contact.point.not.allowed", false},
		{"a right of our system", "mandatory.recipient.not.allowed", false},
		{"a word that only begins so", "recipients.list.not.allowed", false},
		{"a code that nobody knows", "permission.not.allowed", false},
		{"no code", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			const id = "0b1e2f3a-0000-4000-8000-000000000001"
			text := fmt.Sprintf(`{"id":"0b1e2f3a-0000-4000-8000-000000000009","messageUUID":%q,"timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":"NOT_ALLOWED","errorCode":%q}`, id, c.code)
			w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					_, _ = io.Copy(io.Discard, r.Body)
					rw.WriteHeader(http.StatusCreated)
					_, _ = io.WriteString(rw, text)
					return
				}
				_, _ = io.WriteString(rw, `{"receipts":[`+text+`]}`)
			}))
			cfg := w.config()
			cfg.RecipientCodes = []string{"Mailbox.Gone"}
			client := w.connect(t, cfg)
			j := w.job(w.Registered)
			j.MessageID = id

			verdict, kind := dispatch.RefusedContent, track.RefusedContent
			if c.recipient {
				verdict, kind = dispatch.RefusedRecipient, track.RefusedRecipient
			}
			if o := client.HandOver(t.Context(), j, suite.Form(t, client, j)); o.Verdict != verdict {
				t.Errorf("at the door: %s, want %s", o.Verdict, verdict)
			}
			all, err := client.Waiting(t.Context())
			if err != nil || len(all) != 1 || all[0].Kind != kind {
				t.Fatalf("by receipt: %+v, %v, want %s", all, err, kind)
			}
			again, err := client.Reread(t.Context(), all[0])
			if err != nil || again.Kind != kind {
				t.Errorf("read again: %s, %v, want %s", again.Kind, err, kind)
			}
			if got := pushed(t, text, cfg.RecipientCodes); got.Kind != kind {
				t.Errorf("pushed: %s, want %s", got.Kind, kind)
			}
		})
	}
}

// pushed is what a receiver keeps of a receipt.
func pushed(t *testing.T, receipt string, codes []string) track.Receipt {
	t.Helper()
	k := &kept{}
	p, err := digitalpost.NewReceiver(digitalpost.PushConfig{Tenants: []post.TenantID{"engdal"}, Peer: (&peers{any: true}).peer,
		Receipts: k.keep, Owner: k.owner, RecipientCodes: codes, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	q := httptest.NewRequest(http.MethodPost, "/digitalpost/engdal/receipts", strings.NewReader(receipt))
	q.TLS = verifiedBy(t)
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, q)
	if answer.Code != http.StatusOK || len(k.all) != 1 {
		t.Fatalf("pushed: %d, %d kept", answer.Code, len(k.all))
	}
	return k.all[0]
}
