package dispatcherapp

import (
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

func TestParkedReceiptsAreReportedWhenTheyBecomeMore(t *testing.T) {
	t.Parallel()
	h, log := newHouse(t), &told{}
	w := &parkedWatch{count: h.store.ParkedReceipts, log: log.logger()}
	reports := func() int {
		t.Helper()
		if err := w.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		return strings.Count(log.String(), "parked receipts wait for a person")
	}
	if n := reports(); n != 0 {
		t.Errorf("%d reports of nothing", n)
	}
	park := func(event string) {
		h.receive(track.Receipt{EventID: event, Kind: track.Unreadable, At: time.Now(), Raw: []byte("?")})
	}
	park("a")
	park("b")
	if n := reports(); n != 1 || !strings.Contains(log.String(), "receipts=2 more=2") {
		t.Errorf("%d reports: %s", n, log)
	}
	if n := reports(); n != 1 {
		t.Errorf("the same again: %d reports", n)
	}
	park("c")
	if n := reports(); n != 2 || !strings.Contains(log.String(), "receipts=3 more=1") {
		t.Errorf("%d reports: %s", n, log)
	}
}
