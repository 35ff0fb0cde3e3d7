package digitalposttest_test

import (
	"io"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
)

func TestWhatAnotherCarrierBringsIsJudgedAndGivesNoReceipts(t *testing.T) {
	s := open(t, config(t.TempDir()))
	uuid, body := message(t, cpr, nil)
	if m := s.Carry(uuid, "other", "29000011", body); m.Status != "COMPLETED" || m.Road != "other" {
		t.Errorf("got %+v", m)
	}
	if m := s.Carry(uuid, "other", "29000011", body); m.Handed != 2 {
		t.Errorf("a repetition was handed over %d times", m.Handed)
	}
	stranger, text := message(t, cpr, nil)
	if m := s.Carry(stranger, "other", "29000022", text); m.Status != "NOT_ALLOWED" {
		t.Errorf("in a foreign name: %+v", m)
	}
	if len(s.Box(cpr)) != 1 || len(bulk(t, s)) != 0 {
		t.Errorf("%d in the box, %d receipts", len(s.Box(cpr)), len(bulk(t, s)))
	}
	if err := s.File(uuid, 0, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestAValueDateHoldsAMessageBack(t *testing.T) {
	c := config("")
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { return now }
	s := open(t, c)
	uuid, body := message(t, cpr, func(m *memo.Message) { m.Header.DeliverFrom = "2026-11-24" })
	call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	for _, step := range []struct {
		at   string
		want int
	}{{"2026-11-23T22:59:59Z", 0}, {"2026-11-23T23:00:00Z", 1}} { // midnight in Denmark
		now, _ = time.Parse(time.RFC3339, step.at)
		if got := len(s.Box(cpr)); got != step.want || len(bulk(t, s)) != step.want {
			t.Errorf("%s: %d in the box", step.at, got)
		}
	}
}
