package dispatcherapp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// paper is a house with a print house behind a door, a register of addresses,
// and a mail room: every part of it the real one, save the people.
type paper struct {
	*house
	door     *printhousetest.Door
	print    *printhousetest.House
	road     *printhouse.House
	reach    printhouse.Config // of road
	register string
	log      bytes.Buffer
	mail     *track.Mailroom
}

func newPaper(t *testing.T) *paper {
	t.Helper()
	p := &paper{house: newHouse(t)}
	p.dir = directory{reach(dispatch.Unreachable, "EXEMPT")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, private, err := ed25519.GenerateKey(nil)
	must(err)
	key, err := ssh.NewSignerFromSigner(private)
	must(err)
	root := t.TempDir()
	log := slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.door, err = printhousetest.OpenDoor(printhousetest.DoorConfig{Root: root, Client: key.PublicKey(), Log: slog.New(slog.DiscardHandler)})
	must(err)
	t.Cleanup(func() { _ = p.door.Close() })
	identity, err := age.GenerateX25519Identity()
	must(err)
	p.print, err = printhousetest.New(printhousetest.Config{Jobs: filepath.Join(root, "jobs"), Events: filepath.Join(root, "events"),
		Dir: filepath.Join(root, "paper"), Identities: []age.Identity{identity}, Log: slog.New(slog.DiscardHandler)})
	must(err)
	p.reach = printhouse.Config{Out: "/jobs", Events: "/events", Recipients: []age.Recipient{identity.Recipient()}, Log: log,
		SFTP: &printhouse.SFTP{Address: p.door.Address(), User: "engdal", HostKeys: []ssh.PublicKey{p.door.HostKey()}, Key: key, Timeout: time.Minute}}
	p.road = p.another()
	p.register = filepath.Join(root, "register.jsonl")
	p.mail = &track.Mailroom{Store: p.store, Log: log}
	return p
}

// another is one more process's connection to the print house.
func (p *paper) another() *printhouse.House {
	p.t.Helper()
	h, err := printhouse.New(p.reach)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = h.Close() })
	return h
}

// lives writes the register: one person, living there.
func (p *paper) lives(status string, address ...string) {
	p.t.Helper()
	who := recipient("nancy")
	line, err := json.Marshal(cprregister.Entry{IDType: who.IDType, ID: who.ID, Status: status, Name: who.Name, Address: address, Protected: true})
	if err == nil {
		err = os.WriteFile(p.register, line, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// step lets time pass and a new process take the letter on.
func (p *paper) step(id post.LetterID) {
	p.t.Helper()
	p.later()
	register, err := cprregister.OpenFile(p.register)
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := dispatch.New(dispatch.Config{Store: p.store, Blobs: p.blobs, Opener: unseal.Opener{p.identity}, Signer: p.signer,
		Certs: []*x509.Certificate{p.signer.Certificate()}, Directory: p.dir, Roots: p.store, Tenants: p.tenants,
		Roads: dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: p.digital, post.Physical: p.road}),
		Log:   slog.New(slog.NewTextHandler(&p.log, nil)), Quiet: time.Millisecond, Backoff: time.Millisecond, LookupBudget: p.budget,
		Addresses: register, Seal: func(_ context.Context, clear []byte) ([]byte, error) { return seal.Small(clear, p.to) }})
	if err == nil {
		err = a.Advance(p.t.Context(), id)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// receipts fetches and matches what the print house says.
func (p *paper) receipts() {
	p.t.Helper()
	if _, err := p.print.Step(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.match()
}

// match matches what lies in the folder of events.
func (p *paper) match() {
	p.t.Helper()
	m, err := track.New(track.Config{Inbox: p.store, Sources: []track.Source{p.road}, Log: slog.New(slog.NewTextHandler(&p.log, nil)),
		Seal: func(_ context.Context, raw []byte) ([]byte, error) { return seal.Small(raw, p.to) }})
	if err == nil {
		err = m.Step(p.t.Context())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *paper) happens(job string, kind printhouse.EventKind) {
	p.t.Helper()
	if _, err := p.print.Report(job, kind, ""); err != nil {
		p.t.Fatal(err)
	}
	p.receipts()
}

func (p *paper) submitWithoutAddress() post.LetterID {
	p.t.Helper()
	s := submission("paper")
	s.Recipient.Address = nil
	r, err := p.desk.Submit(p.t.Context(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.ID
}

// window is what stood in the window of a job.
func (p *paper) window(job string) []string {
	p.t.Helper()
	j, err := p.print.Job(job)
	if err != nil {
		p.t.Fatal(err)
	}
	return j.Ticket.Address
}

// TestPaperComesBackAndGoesOutAgain is the whole loop: printed, posted, back in
// the mail room, sent once more to where the recipient lives now, and proven.
func TestPaperComesBackAndGoesOutAgain(t *testing.T) {
	p := newPaper(t)
	p.lives(cprregister.StatusActive, "Skjulte Vej 1", "2690 Engdal")
	id := p.submitWithoutAddress()
	first, second := post.DerivedID(id, post.Physical, 1), post.DerivedID(id, post.Physical, 2)

	// The answer to the first attempt is lost. By the next one the register says
	// something else: the letter does not.
	p.door.Break(printhousetest.Fault{Step: "Link"})
	p.step(id)
	p.want(id, post.LetterOutcomeUnknown)
	p.lives(cprregister.StatusActive, "Helt Anden Vej 9", "9999 Langtbort")
	p.step(id)
	p.want(id, post.LetterHandedOver)
	p.receipts()
	p.want(id, post.LetterPrinting)
	if got, want := p.window(first), []string{recipient("nancy").Name, "Skjulte Vej 1", "2690 Engdal"}; !slices.Equal(got, want) {
		t.Fatalf("the window shows %q, want %q", got, want)
	}
	p.happens(first, printhouse.EventPosted)
	tracking := p.want(id, post.LetterPosted).Tracking

	// The envelope lies in the mail room.
	back, err := p.mail.Enter(t.Context(), track.Return{Tenant: "engdal", Actor: "mail-room", Code: tracking, Reason: "moved"})
	if err != nil || back.Letter != id || back.State != post.LetterReturned {
		t.Fatalf("got %+v, %v", back, err)
	}

	// Sent again while the register still says what came back: nobody prints that.
	p.lives(cprregister.StatusActive, "SKJULTE VEJ 1", "2690  Engdal")
	p.decide(id, letter.Reissue)
	p.step(id)
	if v := p.want(id, post.LetterNeedsPerson); v.Code != "address-unchanged" {
		t.Fatalf("code %s", v.Code)
	}
	// The register learns where the recipient has gone.
	p.lives(cprregister.StatusActive, "Nye Vej 2", "2690 Engdal")
	p.decide(id, letter.Retry)
	p.step(id)
	p.receipts()
	p.want(id, post.LetterPrinting)
	if got := p.window(second); got[1] != "Nye Vej 2" {
		t.Fatalf("the window shows %q", got)
	}
	p.happens(second, printhouse.EventPosted)
	// The first envelope, scanned once more, is an old story.
	if again, err := p.mail.Enter(t.Context(), track.Return{Tenant: "engdal", Actor: "mail-room", Code: tracking, Reason: "moved"}); err != nil || !again.Repeated {
		t.Fatalf("got %+v, %v", again, err)
	}
	p.happens(second, printhouse.EventProven)
	if v := p.want(id, post.LetterProven); v.Generation != 2 {
		t.Errorf("generation %d", v.Generation)
	}
	if jobs := p.print.Jobs(); len(jobs) != 2 {
		t.Errorf("%d jobs were printed", len(jobs))
	}
	p.conserved()
	p.hidden(id)
}

func (p *paper) decide(id post.LetterID, d letter.Decision) {
	p.t.Helper()
	if _, err := p.desk.Decide(p.t.Context(), letter.Decided{Tenant: "engdal", Letter: id, Actor: "approver", Decision: d}); err != nil {
		p.t.Fatal(err)
	}
}

// hidden looks for addresses where they must not be: log, view, evidence and
// database.
func (p *paper) hidden(id post.LetterID) {
	p.t.Helper()
	view, err := json.Marshal(p.show(id))
	if err != nil {
		p.t.Fatal(err)
	}
	proof, err := p.store.LetterProof(p.t.Context(), "", id)
	if err != nil {
		p.t.Fatal(err)
	}
	evidence, err := json.Marshal(proof)
	if err != nil {
		p.t.Fatal(err)
	}
	var kept []byte
	rows, err := p.raw.Query(`SELECT address FROM hand_over`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			p.t.Fatal(err)
		}
		if len(b) > 0 {
			n++
		}
		kept = append(kept, b...)
	}
	if err := rows.Err(); err != nil || n != 2 {
		p.t.Errorf("%d addresses are kept, %v", n, err)
	}
	for where, text := range map[string]string{"log": p.log.String(), "view": string(view), "evidence": string(evidence), "database": string(kept)} {
		for _, private := range []string{"Skjulte", "Nye Vej", "Engdal\"", recipient("nancy").Name, recipient("nancy").ID} {
			if strings.Contains(text, private) {
				p.t.Errorf("the %s shows %q", where, private)
			}
		}
	}
}

func TestWithoutADefiniteAddressNothingIsPrinted(t *testing.T) {
	for _, c := range []struct {
		status  string
		address []string
		code    string
		waits   bool
	}{
		{cprregister.StatusDeceased, nil, "address-deceased", false},
		{cprregister.StatusEmigrated, nil, "address-abroad", false},
		{cprregister.StatusUnknown, nil, "address-unknown", false},
		{cprregister.StatusActive, []string{"2690 Engdal"}, "address: address.form", true},
		{"something new", []string{"Møllestien 12", "2690 Engdal"}, "address: answer.status", true},
	} {
		t.Run(c.status+c.code, func(t *testing.T) {
			p := newPaper(t)
			p.lives(c.status, c.address...)
			id := p.submitWithoutAddress()
			p.step(id)
			want := post.LetterNeedsPerson
			if c.waits {
				want = post.LetterRouted
			}
			if v := p.want(id, want); v.Code != c.code {
				t.Errorf("code %q", v.Code)
			}
			if c.waits { // until the budget is over, or the register knows
				p.budget = time.Nanosecond
				p.step(id)
				if v := p.want(id, post.LetterNeedsPerson); !strings.HasPrefix(v.Code, "address-unsure") {
					t.Errorf("code %q", v.Code)
				}
			}
			if jobs, err := p.print.Step(t.Context()); jobs != 0 || err != nil {
				t.Errorf("%d jobs, %v", jobs, err)
			}
		})
	}
}

// TestALetterThatBearsItsAddressAsksNobody: what the sender wrote stands, until
// it comes back.
func TestALetterThatBearsItsAddressAsksNobody(t *testing.T) {
	p := newPaper(t)
	p.lives(cprregister.StatusActive, "Helt Anden Vej 9", "9999 Langtbort")
	s := submission("own")
	s.Recipient.Address = []string{"Møllestien 12", "2690 Engdal"}
	r, err := p.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	p.step(r.ID)
	p.receipts()
	if got := p.window(post.DerivedID(r.ID, post.Physical, 1)); got[1] != "Møllestien 12" {
		t.Errorf("the window shows %q", got)
	}
	if _, err := p.mail.Enter(t.Context(), track.Return{Actor: "mail-room", Code: r.Reference, Reason: "moved"}); err != nil {
		t.Fatal(err)
	}
	p.decide(r.ID, letter.Reissue)
	p.step(r.ID)
	p.receipts()
	if got := p.window(post.DerivedID(r.ID, post.Physical, 2)); got[1] != "Helt Anden Vej 9" {
		t.Errorf("the second window shows %q", got)
	}
	if _, err := p.mail.Enter(t.Context(), track.Return{Actor: "mail-room", Code: r.Reference, Reason: "moved"}); err == nil {
		t.Error("a reference of two sendings was taken for one of them")
	}
	p.conserved()
}
