package digitalpost_test

import (
	"fmt"
	"net/http"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func TestASystemThatHangsKeepsTheReceiptsOfNoOther(t *testing.T) {
	const id = "0b1e2f3a-0000-4000-8000-000000000001"
	hang, asked := make(chan struct{}), make(chan struct{}, 10)
	defer close(hang)
	w := newWorld(t, nil)
	w.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if system, _, _ := r.BasicAuth(); system == "system-engdal" {
			asked <- struct{}{}
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		fmt.Fprintf(w, `{"receipts":[{"id":%q,"messageUUID":%q,"timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":"COMPLETED"}]}`, id, id)
	}))
	c := w.config()
	c.Systems["fjordby"] = digitalpost.System{ID: "system-fjordby", Token: "other"}
	all := w.connect(t, c).Sources()
	if len(all) != 2 || all[0].Carrier() != "digitalpost" || all[1].Carrier() != "digitalpost" {
		t.Fatalf("%d sources", len(all))
	}
	go func() { _, _ = all[0].Waiting(t.Context()) }()
	<-asked // it hangs
	rs, err := all[1].Waiting(t.Context())
	if err != nil || len(rs) != 1 || rs[0].Tenant != post.TenantID("fjordby") || rs[0].Kind != track.Delivered {
		t.Errorf("%+v, %v", rs, err)
	}
	if _, ok := all[1].(track.Forgetter); !ok {
		t.Error("receipts are forgotten one after the other")
	}
}
