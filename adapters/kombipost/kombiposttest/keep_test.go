package kombiposttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/post"
)

// in opens a server over a folder, as after a kill when it was open before.
func in(t *testing.T, dir string, keep int64) *Server {
	t.Helper()
	s, err := New(Config{Agreements: []Agreement{{CVR: "29000011"}}, Dir: dir, Keep: keep, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

const shipmentXML = `<kombi_request><KombiValgKode>Fysisk Post</KombiValgKode><ForsendelseISamling xmlns="urn:oio:fjernprint:1.0.0" xmlns:dkal="urn:oio:dkal:1.0.0" xmlns:sd="urn:oio:sagdok:3.0.0"><ForsendelseI>` +
	`<AfsendelseIdentifikator>%s</AfsendelseIdentifikator><ForsendelseModtager><ModtagerAdresse><PersonName xmlns="http://rep.oio.dk/itst.dk/xml/schemas/2006/01/17/">Poul Ravn Holmgaard</PersonName>` +
	`<PostalAddressFirstLineText xmlns="http://rep.oio.dk/ebxml/xml/schemas/dkcc/2005/05/19/">Møllestien 12</PostalAddressFirstLineText>` +
	`<CountryIdentificationCode xmlns="http://rep.oio.dk/ebxml/xml/schemas/dkcc/2003/02/13/" scheme="iso3166-alpha2">DK</CountryIdentificationCode></ModtagerAdresse></ForsendelseModtager>` +
	`<dkal:FilformatNavn>PDF</dkal:FilformatNavn><dkal:MeddelelseIndholdData>%s</dkal:MeddelelseIndholdData><DokumentParametre><sd:TitelTekst>Svar</sd:TitelTekst></DokumentParametre></ForsendelseI></ForsendelseISamling></kombi_request>`

func hand(t *testing.T, s *Server, size int) (string, []byte) {
	t.Helper()
	id := post.NewID()
	body := fmt.Appendf(nil, shipmentXML, id, bytes.Repeat([]byte("QUFB"), size/4))
	again(t, s, body)
	return id, body
}

func again(t *testing.T, s *Server, body []byte) Shipment {
	t.Helper()
	req, code := parseRequest(body)
	if code != "" {
		t.Fatal(code)
	}
	sum := sha256.Sum256(body)
	got, err := s.take(req, "29000011", post.NewID(), hex.EncodeToString(sum[:]), body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAKillForgetsNoShipmentAndNoStatus(t *testing.T) {
	dir := t.TempDir()
	s := in(t, dir, 0)
	id, body := hand(t, s, 400)
	if err := s.Report(id, Status{Event: kombipost.Recalled}); err != nil {
		t.Fatal(err)
	}
	waiting := s.Queued()
	s.mu.Lock()
	s.done([]string{s.queue[0].id}) // it was taken, and the kill came before anything else
	s.mu.Unlock()
	after := in(t, dir, 0)
	p, ok := after.Shipment(id)
	if !ok || !p.Paper || p.Choice != kombipost.OnPaper || !bytes.Equal(p.Body, body) || p.Print == nil || p.Print.Address[0] != "Poul Ravn Holmgaard" ||
		len(p.Steps) != 1 || p.Steps[0] != kombipost.Recalled {
		t.Fatalf("got %v %+v", ok, p)
	}
	if left := after.Queued(); len(left) != len(waiting)-1 || !bytes.Equal(left[0], waiting[1]) {
		t.Errorf("%d statuses wait, of %d", len(left), len(waiting))
	}
	if got := again(t, after, body); got.Handed != 2 || after.Stats().Accepted != 1 || len(after.Queued()) != len(waiting)-1 {
		t.Errorf("its repetition is %+v", got)
	}
	if err := after.Reset(); err != nil {
		t.Fatal(err)
	}
	if last := in(t, dir, 0); len(last.Shipments()) != 0 || len(last.Queued()) != 0 {
		t.Error("a reset leaves something")
	}
}

func TestOldRequestsGoAndTheirStatusesWait(t *testing.T) {
	dir := t.TempDir()
	const keep = 1 << 20
	s := in(t, dir, keep)
	first, body := hand(t, s, 30<<10)
	n := 1
	for ; n < 80; n++ {
		hand(t, s, 30<<10)
		if n < 10 {
			continue
		}
		s.mu.Lock() // its statuses were taken
		var taken []string
		for _, d := range s.queue[5*10:] {
			taken = append(taken, d.id)
		}
		s.done(taken)
		s.queue = s.queue[:5*10]
		s.mu.Unlock()
	}
	n = 10
	var size int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if info, infoErr := e.Info(); err == nil && infoErr == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil || size > keep+keep/4 {
		t.Errorf("%d bytes, %v", size, err)
	}
	for _, at := range []*Server{s, in(t, dir, keep)} {
		if p, ok := at.Shipment(first); !ok || p.Body != nil || !p.Paper {
			t.Errorf("got %v %+v", ok, p)
		}
		if waiting := at.Queued(); len(waiting) != 5*n {
			t.Errorf("%d statuses wait, want %d", len(waiting), 5*n)
		}
	}
	for range 80 { // nobody takes any: the oldest go
		hand(t, s, 400)
	}
	if waiting := len(s.Queued()); waiting == 0 || waiting >= 5*90 {
		t.Errorf("%d statuses wait", waiting)
	}
	if got := again(t, s, body); got.Handed != 2 {
		t.Errorf("a shipment whose request went is taken anew: %+v", got)
	}
}

// TestFactsOfOldShipmentsGoWhenTheyTakeTooMuchRoom: with a bound for 64 of them, no
// more stay known than lie there whole and those.
func TestFactsOfOldShipmentsGoWhenTheyTakeTooMuchRoom(t *testing.T) {
	dir := t.TempDir()
	const keep = 256 << 10
	s := in(t, dir, keep)
	var last string
	for range 200 {
		last, _ = hand(t, s, 4<<10)
	}
	for _, at := range []*Server{s, in(t, dir, keep)} {
		gone := 0
		for _, p := range at.order {
			if p.gone {
				gone++
			}
		}
		if _, ok := at.Shipment(last); !ok || gone == 0 || gone > 64 || len(at.order) > 150 {
			t.Errorf("%d shipments are known, %d of them without their request; the last is: %v", len(at.order), gone, ok)
		}
	}
}
