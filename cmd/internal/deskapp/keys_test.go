package deskapp_test

import (
	"net/http"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// A caller's key that stands for something else already is 409, and the answer names
// what it stands for: whoever sent a month-end under an old name finds the first one.
func TestAKeyOfSomethingElseIsAConflictThatNamesTheFirst(t *testing.T) {
	r := newRig(t)
	cs, one := r.client("case"), document(pdf(t, "decision-01"))
	b := r.announce("november", one)
	must(t, cs.Upload(t.Context(), b.ID, []client.Document{one}, func(client.Document, wire.DocumentPut) {}))
	closed, err := cs.CloseBatch(t.Context(), b.ID)
	must(t, err)
	if again := r.announce("november", one); !again.Repeated || again.ID != b.ID || again.State != closed.State {
		t.Errorf("the same batch again: %+v", again)
	}
	party := wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}
	line := wire.BatchLine{Key: "november0", Title: "Noget andet", Document: "a.pdf", SHA256: one.SHA256, Recipient: party}
	before := dropAnswers(r.snapshot())
	for name, c := range map[string]struct {
		do    func() error
		code  string
		names string
	}{
		"a batch with other lines": {func() error {
			_, err := cs.OpenBatch(t.Context(), wire.BatchOpen{Key: "november", Lines: []wire.BatchLine{line}})
			return err
		}, "POST-6003", "first used for " + b.ID},
		"a line whose key a letter of another batch has": {func() error {
			_, err := cs.OpenBatch(t.Context(), wire.BatchOpen{Key: "december", Lines: []wire.BatchLine{line}})
			return err
		}, "POST-6011", " of batch " + b.ID},
		"a letter whose key one of a batch has": {func() error {
			_, err := cs.SubmitLetter(t.Context(), wire.Letter{Key: "november0", Title: "Noget andet", Documents: []wire.Document{{Filename: "a.pdf"}}, Recipient: party}, files(t, "decision-01"))
			return err
		}, "POST-2010", " of batch " + b.ID},
	} {
		var p *client.Problem
		if err := c.do(); !asProblem(err, &p) || p.Status != http.StatusConflict || p.Code != c.code || !strings.Contains(p.Detail, c.names) || p.Cure == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if dropAnswers(r.snapshot()) != before {
		t.Error("a refused key changed the database")
	}
}
