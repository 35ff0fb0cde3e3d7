package deskapp_test

import (
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

func TestLettersAreFoundByWhatAnOperatorAsks(t *testing.T) {
	r := newRig(t)
	ids := map[string]string{}
	for _, l := range []struct {
		key, state, channel, carrier string
		ago                          time.Duration
	}{
		{"fresh", "handed-over", "digital", "digitalpost", time.Hour},
		{"silent", "handed-over", "digital", "digitalpost", 72 * time.Hour},
		{"kombi", "posted", "physical", "kombipost", 24 * time.Hour},
		{"person", "needs-person", "digital", "digitalpost", 30 * 24 * time.Hour},
		{"tried", "not-taken", "digital", "digitalpost", time.Minute}, // for ages: its hand-over was decided long ago
		{"done", "delivered", "digital", "digitalpost", 30 * 24 * time.Hour},
	} {
		got, err := r.submit(l.key, nil)
		must(t, err)
		ids[l.key] = got.Reference
		_, err = r.db.Exec(`UPDATE letter SET state = $1, since = $2, channel = $3, generation = 1 WHERE id = $4`, l.state, time.Now().Add(-l.ago).UnixMicro(), l.channel, got.ID)
		must(t, err)
		_, err = r.db.Exec(`INSERT INTO hand_over (message_id, letter, carrier, channel, generation, created_at, form_size, form_sha256, attempts)
			VALUES ($1, $2, $3, $4, 1, 1, 1, $5, 1)`, post.NewID(), got.ID, l.carrier, l.channel, make([]byte, 32))
		must(t, err)
	}
	own, other := string(r.cfg.Tenants[0].ID), string(r.cfg.Tenants[1].ID)
	for _, c := range []struct{ args, want string }{
		{"-late", "silent person tried"},
		{"-late -limit 1", "person"},
		{"-late -carrier kombipost", ""},
		{"-carrier kombipost", "kombi"},
		{"-since 36h", "fresh kombi tried"},
		{"-since 36h -carrier digitalpost", "fresh tried"},
		{"-state handed-over -since 7d", "fresh silent"},
		{"-tenant " + own, "fresh silent kombi person tried done"},
		{"-tenant " + other, ""},
	} {
		code, out := r.asks("operator", append([]string{"letter", "list"}, strings.Fields(c.args)...)...)
		if code != 0 {
			t.Errorf("%s: %d %s", c.args, code, out)
		}
		if c.want == "" && !strings.Contains(out, "no letters") {
			t.Errorf("%s: %s", c.args, out)
		}
		for key, id := range ids {
			wanted := strings.Contains(" "+c.want+" ", " "+key+" ")
			// A piece of advice names the first letter again.
			if listed := strings.Contains(out, id+"  "); listed != wanted {
				t.Errorf("%s: %s listed %v, want %v\n%s", c.args, key, listed, wanted, out)
			}
		}
	}
	for args, want := range map[string]string{"-tenant nowhere": "POST-", "-carrier pigeon": "POST-7146"} {
		if code, out := r.asks("operator", append([]string{"letter", "list"}, strings.Fields(args)...)...); code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", args, code, out)
		}
	}
	if code, out := r.asks("operator", "letter", "list", "-since", "yesterday"); code != 2 || !strings.Contains(out, "is no time") {
		t.Errorf("%d %s", code, out)
	}
	// A municipality sees its own, whatever it asks for.
	if code, out := r.asks("case", "letter", "list", "-tenant", other); code != 4 || !strings.Contains(out, "POST-") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := r.asks("case-far", "letter", "list", "-late"); code != 0 || !strings.Contains(out, "no letters") {
		t.Errorf("%d %s", code, out)
	}
}
