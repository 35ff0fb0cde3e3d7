package sqlstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

func TestOfMessagesThatComeAtOnceUnderOneIDOneIsTheFirst(t *testing.T) {
	eachEngine(t, testOfMessagesThatComeAtOnceUnderOneIDOneIsTheFirst)
}

func testOfMessagesThatComeAtOnceUnderOneIDOneIsTheFirst(t *testing.T, open opener) {
	s := open(t)
	const at, of = 8, 10
	for round := range of {
		var all sync.WaitGroup
		id := post.NewID()
		for i := range 2 * at { // each twice
			all.Go(func() {
				a := mailroom.Arrival{ID: post.NewID(), Carrier: "digitalpost", Tenant: "engdal", MessageID: id, Digest: fmt.Append(nil, i/2),
					At: time.Now(), Object: seal.Object{Header: []byte("h"), Blob: post.NewID(), SHA256: []byte("s"), Size: 1}}
				if _, err := s.KeepMail(t.Context(), a, ledger.New("mail.kept", "engdal", id)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var kept, parked, events int
		if err := s.read.QueryRow(`SELECT count(*) FILTER (WHERE state = 'kept'), count(*) FILTER (WHERE state = 'parked' AND code = 'other-content')
			 FROM mail WHERE message_id = $1`, id).Scan(&kept, &parked); err != nil {
			t.Fatal(err)
		}
		if err := s.read.QueryRow(`SELECT count(*) FROM ledger_event WHERE kind = 'mail.kept'`).Scan(&events); err != nil {
			t.Fatal(err)
		}
		if kept != 1 || parked != at-1 || events != at*(round+1) {
			t.Fatalf("round %d: %d kept, %d parked, %d events", round, kept, parked, events)
		}
	}
}
