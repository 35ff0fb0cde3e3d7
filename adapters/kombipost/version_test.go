package kombipost_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

func TestTheVersionAndThePaperLimitAreThoseThatWereAgreed(t *testing.T) {
	w := newWorld(t, nil)
	cfg := w.config()
	cfg.MemoVersion, cfg.PaperLimit = "1.1", 20<<20
	client := w.connect(t, cfg)
	j := w.Job(post.Digital, w.Registered)
	if form := suite.Rendered(t, client, j); !bytes.Contains(form, []byte(`memoVersion="1.1" memoSchVersion="1.1.0"`)) {
		t.Errorf("%.400s", form)
	}
	if o := w.send(t, client, j); o.Verdict != dispatch.Taken {
		t.Errorf("1.1 is answered %+v", o)
	}
	j = w.Job(post.Digital, w.Registered)
	j.Originator = &w.Exempt
	var out bytes.Buffer
	if err := client.Render(t.Context(), j, &out); !errors.Is(err, post.FaultMemoVersion) || !errors.Is(err, post.ErrPermanent) || out.Len() != 0 {
		t.Errorf("an inquiry sent on in 1.1: %d bytes, %v", out.Len(), err)
	}
	for _, c := range []struct {
		client  *kombipost.Client
		size    int
		refused bool
	}{{w.client, 8 << 20, true}, {client, 8 << 20, false}, {client, 21 << 20, true}} {
		j := w.Job(post.Physical, w.Registered)
		j.Documents = []dispatch.Document{suite.Document("a.pdf", append([]byte("%PDF-1.4\n"), make([]byte, c.size)...))}
		if err := c.client.Render(t.Context(), j, io.Discard); errors.Is(err, post.FaultPaperTooLarge) != c.refused || err != nil && !c.refused {
			t.Errorf("%d bytes: %v", c.size, err)
		}
	}
	for field, bend := range map[string]func(*kombipost.Config){
		"MemoVersion": func(c *kombipost.Config) { c.MemoVersion = "2" },
		"PaperLimit":  func(c *kombipost.Config) { c.PaperLimit = -1 },
	} {
		cfg := w.config()
		bend(&cfg)
		if _, err := kombipost.New(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestEachKindOfMessageByKombiPostHoldsToTheOfficialSchema: replies, inquiries
// sent on and both versions, as they stand inside the request.
func TestEachKindOfMessageByKombiPostHoldsToTheOfficialSchema(t *testing.T) {
	const what = "the check of each kind of message against the official schema"
	tool, ok := outside.Program(t, "xmllint", what)
	data, here := outside.Data(t, "memo", what)
	if !ok || !here {
		return
	}
	w := newWorld(t, nil)
	thread, err := memo.ThreadOf(memo.Header{UUID: post.DerivedID("q", post.Digital, 1), ID: "q", Sender: memo.Party{ID: w.Registered.ID}})
	if err != nil {
		t.Fatal(err)
	}
	for version, schema := range map[string]string{"1.1": "1.1/xsd", "1.2": "1.2/xsd-derived"} {
		cfg := w.config()
		cfg.MemoVersion = version
		client := w.connect(t, cfg)
		reply, own := w.Job(post.Digital, w.Registered), w.Job(post.Digital, w.Registered)
		reply.SenderContactPoint, reply.Thread = w.Tenant.DPOContactPoint, thread
		own.Originator = &w.Exempt
		jobs := []dispatch.Job{w.Job(post.Digital, w.Registered), reply}
		if version == memo.Version {
			jobs = append(jobs, own)
		}
		for i, j := range jobs {
			if out, err := validate(tool, filepath.Join(data, schema, "MeMo_core.xsd"), cut(t, suite.Rendered(t, client, j), "memo:Message")); err != nil {
				t.Errorf("%s, %d: %v\n%s", version, i, err, out)
			}
		}
	}
}
