package digitalpost_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// TestTheMunicipalityAnswersThePersonForWhomAnInquiryWasSentOn: what a portal
// inquiry to the municipality's own contact point carries is enough for a case
// system to answer the person, in the thread, whichever way the sender is named.
func TestTheMunicipalityAnswersThePersonForWhomAnInquiryWasSentOn(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		w := newWorld(t, nil)
		cfg := w.config()
		cfg.OriginatorAsSender = swapped
		w.client = w.connect(t, cfg)
		citizen := record0("nancy")
		j := w.job(post.PartyRecord{IDType: "CVR", ID: string(w.tenant.CVR), Name: w.tenant.Name, ContactPoint: w.tenant.ContactPoint})
		j.Originator = &citizen
		w.send(t, j)
		id, err := w.sim.Write(digitalposttest.Letter{From: post.PartyRecord{IDType: "CVR", ID: string(w.tenant.CVR), Name: w.tenant.Name},
			Answers: j.MessageID, Subject: "Svar", Text: "Kære Nancy"})
		if err != nil {
			t.Fatalf("swapped %t: %v", swapped, err)
		}
		box := w.sim.Box(citizen.ID)
		if len(box) != 1 || box[0].UUID != id {
			t.Fatalf("swapped %t: %d in the person's box", swapped, len(box))
		}
		x, err := w.sim.XML(id)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		m, err := memo.Read(x, memo.Limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		log := m.Header.Replies
		if len(log) != 2 || !strings.EqualFold(log[1].MessageUUID, j.MessageID) || log[1].ReplyUUID != id || log[1].MessageID != j.Reference {
			t.Errorf("swapped %t: the answer is not in the thread", swapped)
		}
	}
}
