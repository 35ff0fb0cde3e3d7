package kombipost_test

import (
	"crypto/tls"
	"sync/atomic"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// TestACertificateRenewsWithoutARestart changes the certificate of one tenant
// while another one still shows the former.
func TestACertificateRenewsWithoutARestart(t *testing.T) {
	w := newWorld(t, nil)
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(&w.cert)
	c := w.config()
	s := c.Systems[w.tenants[0].ID]
	s.Certificate, s.Renewed = tls.Certificate{}, shown.Load
	c.Systems[w.tenants[0].ID] = s
	client := w.connect(t, c)
	send := func(tenant post.Tenant) dispatch.Outcome {
		j := w.Job(post.Digital, w.Registered)
		j.Tenant = tenant
		return w.send(t, client, j)
	}
	counts := func() [2]int { st := w.sim.Stats(); return [2]int{st.Assertions, st.Tokens} }
	for _, tenant := range w.tenants[:2] { // both show w.cert
		if o := send(tenant); o.Verdict != dispatch.Taken {
			t.Fatalf("%s: %s %q", tenant.ID, o.Verdict, o.Code)
		}
	}
	before := counts()
	shown.Store(&w.next)
	for range 3 {
		if o := send(w.tenants[0]); o.Verdict != dispatch.Taken {
			t.Fatalf("after the renewal: %s %q", o.Verdict, o.Code)
		}
	}
	if after := counts(); after != [2]int{before[0] + 1, before[1] + 1} {
		t.Errorf("a renewal cost %v calls before, %v after: a token belongs to one certificate", before, after)
	}
	if o := send(w.tenants[1]); o.Verdict != dispatch.Taken || counts() != [2]int{before[0] + 1, before[1] + 1} {
		t.Errorf("the tenant that still shows the former: %s %q, %v", o.Verdict, o.Code, counts())
	}
	// A certificate without an agreement is refused before anything leaves, and
	// the old tokens do not help it.
	stranger := w.ca.leaf(t)
	shown.Store(&stranger)
	if o := send(w.tenants[0]); o.Verdict != dispatch.NotTaken || o.Code != "auth.forbidden" {
		t.Errorf("a certificate without agreement: %s %q", o.Verdict, o.Code)
	}
	shown.Store(&w.next)
	if o := send(w.tenants[0]); o.Verdict != dispatch.Taken {
		t.Errorf("back again: %s %q", o.Verdict, o.Code)
	}
}
