package dispatcherapp

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAReceiptIsReadAgainFromItsOwnForm: kept sealed when nobody could read it, opened
// and read by the real adapter, and judged like any other.
func TestAReceiptIsReadAgainFromItsOwnForm(t *testing.T) {
	t.Parallel()
	h, log := newHouse(t), &told{}
	id, message := h.handedOver("k1")
	other, theirs := h.handedOver("k2")
	n := &ngdp{}
	n.say(func(_ string, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	a := &App{log: log.logger(), store: h.store}
	reread, err := a.rereader(config.Dispatcher{}, keys{identity: h.identity, recipient: h.to}, carriers{digital: h.ngdp(n, log.logger())})
	if err != nil {
		t.Fatal(err)
	}
	hands, m := &track.Hands{Drawer: h.store, Log: log.logger()}, h.matching(log.logger())
	own := h.show(id).Tenant
	try := func(tenant post.TenantID, raw string) track.Kept {
		t.Helper()
		sealed, err := h.sealed(t.Context(), []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		rid := track.ReceiptID{Carrier: "digitalpost", Event: fmt.Sprintf("%s:%s", tenant, post.NewID())}
		if err := h.store.KeepReceipts(t.Context(), []track.Receipt{{Carrier: rid.Carrier, EventID: rid.Event, Kind: track.Unreadable,
			Code: "page", At: time.Now(), Tenant: tenant, Raw: sealed}}); err != nil {
			t.Fatal(err)
		}
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := hands.Retry(t.Context(), "op", rid); err != nil {
			t.Fatal(err)
		}
		if err := reread.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		k, err := hands.Show(t.Context(), rid)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if k := try(own, "<html>"); k.Verdict != track.Parked || k.Word() != "unreadable" {
		t.Errorf("garbage: %s %s", k.Verdict, k.Word())
	}
	if k := try("fjordby", ngdpReceipt(post.NewID(), theirs, "COMPLETED")); own == "fjordby" || k.Verdict != track.Parked || k.Word() != track.OtherTenant || k.Letter != "" {
		t.Errorf("another municipality's letter: %s %s", k.Verdict, k.Word())
	}
	h.want(other, post.LetterHandedOver)
	if k := try(own, ngdpReceipt(post.NewID(), message, "COMPLETED")); k.Verdict != track.Applied || k.Letter != id {
		t.Errorf("readable by now: %s %s", k.Verdict, k.Word())
	}
	h.want(id, post.LetterDelivered)
}
