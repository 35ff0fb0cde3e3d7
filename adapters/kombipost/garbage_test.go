package kombipost

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// receipts is an Inbox that knows the receipts it has by their ids, as the
// tracker's store does.
type receipts struct {
	mu   sync.Mutex
	kept map[string]track.Receipt
}

func (k *receipts) Keep(_ context.Context, r track.Receipt) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.kept[r.EventID]; !known {
		k.kept[r.EventID] = r
	}
	return nil
}

func (*receipts) Owner(context.Context, string) (post.TenantID, error) { return "engdal", nil }

// TestGarbageInTheQueueIsKeptAcknowledgedAndHoldsUpNothing: what Beskedfordeler
// delivers over AMQP goes the same way as what it pushes, and the good status
// behind all of it, under an id that garbage has borne before, is believed.
func TestGarbageInTheQueueIsKeptAcknowledgedAndHoldsUpNothing(t *testing.T) {
	letter := post.NewID()
	status := func(cvr, event, letter string) string {
		return `<Haendelsesbesked><BeskedId><UUIDIdentifikator>0b1e2f3a-0000-4000-8000-00000000000a</UUIDIdentifikator></BeskedId>` +
			`<Beskedkuvert><Filtreringsdata><Beskedtype><UUIDIdentifikator>` + MessageType + `</UUIDIdentifikator></Beskedtype>` +
			`<TilladtModtager><URNIdentifikator>urn:oio:cvr:` + cvr + `</URNIdentifikator></TilladtModtager>` +
			`<ObjektRegistrering><ObjektHandling><UUIDIdentifikator>` + event + `</UUIDIdentifikator></ObjektHandling></ObjektRegistrering></Filtreringsdata></Beskedkuvert>` +
			`<Beskeddata>` + `<Base64>` + base64.StdEncoding.EncodeToString([]byte(`<PKO_PostStatus><KanalKode>Digital Post</KanalKode><TransaktionsDatoTid>2026-11-22T09:00:00Z</TransaktionsDatoTid><MessageUUID>`+letter+`</MessageUUID></PKO_PostStatus>`)) + `</Base64>` +
			`</Beskeddata></Haendelsesbesked>`
	}
	const delivered = "f7161a89-5068-4023-bc80-d7f4daad2a2e"
	garbage := map[string]string{
		"not XML":            "\x00\x01\xff",
		"half of it":         status("29000011", delivered, letter)[:300],
		"entities that grow": `<!DOCTYPE a [<!ENTITY b "c">]>` + status("29000011", delivered, letter),
		"a billion elements": strings.Repeat("<a>", 300_000),
		"another schema":     "<Envelope/>",
		"no event":           status("29000011", post.NewID(), letter),
		"not served":         status("12345678", delivered, letter),
		"no letter":          status("29000011", delivered, "x"),
		"64 MB":              strings.Repeat("<a/>", 16<<20),
		"nothing":            "",
	}
	bodies := make([]string, 0, len(garbage)+1)
	for _, b := range garbage {
		bodies = append(bodies, b)
	}
	bodies = append(bodies, status("29000011", delivered, letter))
	in, l := &receipts{kept: map[string]track.Receipt{}}, &ledgerOf{said: map[uint64]string{}}
	p, err := NewPuller(PullConfig{
		StatusConfig: StatusConfig{Inbox: in, Tenants: map[post.CVR]post.TenantID{"29000011": "engdal"}, Log: slog.New(slog.DiscardHandler)},
		Address:      "127.0.0.1:5671", Queues: map[post.TenantID]string{"engdal": "q"}, rest: time.Microsecond,
	}, &Client{systems: map[post.TenantID]System{"engdal": {}}})
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := p.consume(t.Context(), deliver(l, bodies...)); err != nil || kept != len(bodies) || len(in.kept) != len(bodies) {
		t.Errorf("kept %d, %d receipts of %d, %v", kept, len(in.kept), len(bodies), err)
	}
	for tag, said := range l.said {
		if said != "ack" {
			t.Errorf("%.40q: %s", bodies[tag-1], said)
		}
	}
	for _, r := range in.kept {
		good := r.Kind == track.Delivered && r.MessageID == letter && string(r.Raw) == bodies[len(bodies)-1]
		if !good && (r.Kind != track.Unreadable || r.MessageID != "" || len(r.Raw) > maxPush) {
			t.Errorf("believed %s of %q (%s)", r.Kind, r.MessageID, r.Code)
		}
	}
	if r := in.kept["0b1e2f3a-0000-4000-8000-00000000000a"]; r.Kind != track.Delivered {
		t.Errorf("the good one is %s (%s)", r.Kind, r.Code)
	}
}
