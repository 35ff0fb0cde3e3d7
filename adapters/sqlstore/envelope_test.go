package sqlstore

import (
	"io"
	"log/slog"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func TestEnvelopesAreFoundByWhatIsPrintedOnThem(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		id := post.LetterID(addLetter(t, s, post.LetterPosted, longAgo, "", post.NewID()))
		mustExec(t, s, `UPDATE letter SET channel = 'physical', generation = 2, reference = $2 WHERE id = $1`, string(id), post.NewReference())
		first, second := post.DerivedID(id, post.Physical, 1), post.DerivedID(id, post.Physical, 2)
		for n, h := range []struct{ message, channel, tracking string }{
			{first, "physical", "RR473124829DK"}, {second, "physical", "dao:0012345"}, {post.DerivedID(id, post.Digital, 1), "digital", ""},
		} {
			mustExec(t, s, `DELETE FROM hand_over WHERE message_id = $1`, h.message)
			mustExec(t, s, `INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, tracking)
				VALUES ($1, $2, $3, $4, 1, 1, $5, 1, $6)`, h.message, string(id), h.channel, n%2+1, make([]byte, 32), h.tracking)
		}
		v, err := s.LetterView(t.Context(), "", id)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name   string
			tenant post.TenantID
			code   track.Code
			want   []string
		}{
			{"reference of two sendings", v.Tenant, track.Code{Reference: v.Reference}, []string{first, second}},
			{"reference with its sending", v.Tenant, track.Code{Reference: v.Reference, Generation: 2}, []string{second}},
			{"tracking number", "", track.Code{Tracking: "RR473124829DK"}, []string{first}},
			{"number of another scheme", "", track.Code{Tracking: "0012345"}, []string{second}},
			{"print job", "", track.Code{MessageID: second}, []string{second}},
			{"digital hand-over", "", track.Code{MessageID: post.DerivedID(id, post.Digital, 1)}, nil},
			{"another municipality", "fjordby", track.Code{Reference: v.Reference}, nil},
			{"nobody's", "", track.Code{Reference: "SP-0000-0000"}, nil},
		} {
			got, err := s.FindEnvelopes(t.Context(), c.tenant, c.code)
			if err != nil || len(got) != len(c.want) {
				t.Errorf("%s: got %+v, %v", c.name, got, err)
				continue
			}
			found := map[string]bool{}
			for _, e := range got {
				found[e.MessageID] = e.Letter == id && e.Reference == v.Reference
			}
			for _, w := range c.want {
				if !found[w] {
					t.Errorf("%s: %s is not in %+v", c.name, w, got)
				}
			}
		}

		m := &track.Mailroom{Store: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		for i := range 2 {
			got, err := m.Enter(t.Context(), track.Return{Tenant: v.Tenant, Actor: "mail-room", Code: v.Reference + "/2", Reason: "moved"})
			if err != nil || got.Letter != id || got.State != post.LetterReturned || got.Repeated != (i == 1) {
				t.Fatalf("entered the %d. time: %+v, %v", i+1, got, err)
			}
		}
		v, err = s.LetterView(t.Context(), "", id)
		if err != nil || v.State != post.LetterReturned || v.Code != "moved" {
			t.Fatalf("got %+v, %v", v, err)
		}
		last := v.Events[len(v.Events)-1]
		if last.Kind != "letter.returned" || last.Actor != "mailroom:mail-room" {
			t.Errorf("the ledger says %+v", last)
		}
	})
}
