package dispatcherapp

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/forward"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// byKombiPost makes KombiPost the first tenant's road, through a dispatcher's
// configuration; what it takes it brings to the simulated Digital Post.
func (m *mailHouse) byKombiPost(t *testing.T) *kombiposttest.Server {
	t.Helper()
	dir, tenant := t.TempDir(), m.tenants[0]
	ca := newIssuer(t, dir)
	serverCert, clientCert := ca.leaf(t, "server"), ca.leaf(t, "gateway")
	c := kombiposttest.Config{Log: slog.New(slog.DiscardHandler),
		Agreements: []kombiposttest.Agreement{{CVR: tenant.CVR, Fingerprint: kombiposttest.Fingerprint(clientCert.Certificate[0])}},
		Taken:      func(s kombiposttest.Shipment) { m.sim.Carry(s.ID, "kombipost", s.CVR, s.Memo) }}
	for _, p := range persona.All() {
		c.Parties = append(c.Parties, kombiposttest.Party{ID: p.CPR + p.CVR, Digital: p.Registration == "REGISTERED"})
	}
	sim, err := kombiposttest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sim)
	server.TLS = kombiposttest.TLS(serverCert, ca.pool)
	server.StartTLS()
	t.Cleanup(server.Close)
	path := func(name string) string { return filepath.Join(dir, name) }
	cfg := config.Dispatcher{
		Common: config.Common{Tenants: []post.Tenant{tenant}},
		KombiPost: config.KombiPost{TokenURL: server.URL, ServiceURL: server.URL, CAFile: path("ca.pem"),
			Systems: map[post.TenantID]config.KombiSystem{tenant.ID: {CertFile: path("gateway.pem"), KeyFile: path("gateway-key.pem")}}},
		Roads: map[post.TenantID]config.Road{tenant.ID: {Digital: post.KombiPost, Physical: post.KombiPost}},
	}
	carried, err := openCarriers(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = carried.kombi.Close() })
	if m.roads, err = carried.roads(cfg); err != nil {
		t.Fatal(err)
	}
	return sim
}

// TestAnInquirySentOnByKombiPostIsAnsweredInThePersonsThread: portal to
// dispatcher to the Postkomponent to the municipality's own contact point, and
// its case system's answer into the mailbox of the party concerned.
func TestAnInquirySentOnByKombiPostIsAnsweredInThePersonsThread(t *testing.T) {
	t.Parallel()
	nancy, jens := *recipient("nancy"), *recipient("jens")
	var company post.PartyRecord
	for _, p := range persona.All() {
		if p.CVR != "" && p.Registration == "REGISTERED" {
			company = post.PartyRecord{IDType: "CVR", ID: p.CVR, Name: p.Name}
		}
	}
	if company.ID == "" {
		t.Fatal("no company among the test people has a mailbox")
	}
	for _, c := range []struct {
		name   string
		person post.PersonRecord
		box    string
	}{
		{"a citizen", post.PersonRecord{Actor: nancy}, nancy.ID},
		{"an employee for the company", post.PersonRecord{Actor: jens, OnBehalfOf: &company}, company.ID},
		{"a citizen for another", post.PersonRecord{Actor: jens, OnBehalfOf: &nancy}, nancy.ID},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMailHouse(t)
			kombi := m.byKombiPost(t)
			id := m.inquiry(post.ToDigitalPost, post.InquiryForwarding, c.person)
			f, err := forward.New(forward.Config{Store: m.store, Blobs: m.blobs, Identity: m.identity, Dispatcher: m.to,
				IndexKey: m.index, Tenants: m.tenants, Bell: bell{}, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Forward(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			letter := post.ForwardedLetterID(id)
			m.advance(letter)
			m.later()
			m.advance(letter) // a second look sends nothing again
			v := m.house.want(letter, post.LetterHandedOver)
			all := kombi.Shipments()
			if len(all) != 1 || all[0].Paper || all[0].Invalid != "" || all[0].Handed != 1 {
				t.Fatalf("%d shipments", len(all))
			}
			h := m.header(t, v.MessageID)
			if h.Recipient.ID != string(m.tenants[0].CVR) || h.Recipient.ContactPoint == nil || h.Recipient.ContactPoint.ID != m.tenants[0].ContactPoint || !h.Reply {
				t.Error("it is not at the municipality's contact point, open to an answer")
			}
			answer, err := m.sim.Write(digitalposttest.Letter{Answers: v.MessageID, Subject: "Svar", Text: "Kære borger",
				From: post.PartyRecord{IDType: "CVR", ID: string(m.tenants[0].CVR), Name: m.tenants[0].Name}})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{nancy.ID, jens.ID, company.ID} {
				box, want := m.sim.Box(p), 0
				if p == c.box {
					want = 1
				}
				if len(box) != want || want == 1 && box[0].UUID != answer {
					t.Errorf("%d letters in a box that should hold %d", len(box), want)
				}
			}
			log := m.header(t, answer).Replies
			if len(log) != 2 || !strings.EqualFold(log[1].MessageUUID, v.MessageID) || log[1].ReplyUUID != answer || log[1].MessageID != v.Reference {
				t.Error("the answer is not in the thread of the inquiry")
			}
		})
	}
}
