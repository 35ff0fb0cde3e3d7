package dispatcherapp

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// mailHouse is a house whose tenants have recipient systems at a simulated
// Digital Post, which is also its way out.
type mailHouse struct {
	*house
	sim     *digitalposttest.Server
	client  *digitalpost.Client
	box     *digitalpost.Mailbox
	dpo     age.Identity
	logKeys ledger.Verifiers
	sign    func(ledger.Statement) ([]byte, string, error)
	log     bytes.Buffer
	points  map[string]mailroom.Point
	room    *mailroom.Room
	desk    *inbox.Desk
	who     inbox.Caller
	nancy   post.PartyRecord
}

func newMailHouse(t *testing.T) *mailHouse {
	t.Helper()
	m := &mailHouse{house: newHouse(t), nancy: *recipient("nancy")}
	first, second := m.tenants[0], m.tenants[1]
	c := digitalposttest.Config{Systems: map[string]digitalposttest.System{}, Authorities: map[post.CVR][]digitalposttest.ContactPoint{},
		Log: slog.New(slog.DiscardHandler)}
	systems := map[post.TenantID]digitalpost.System{}
	for _, tenant := range []post.Tenant{first, second} {
		id := "system-" + string(tenant.ID)
		c.Systems[id] = digitalposttest.System{Token: "t", CVR: tenant.CVR}
		c.Authorities[tenant.CVR] = []digitalposttest.ContactPoint{{ID: tenant.ContactPoint, System: id}, {ID: tenant.DPOContactPoint, System: id}}
		systems[tenant.ID] = digitalpost.System{ID: id, Token: "t"}
	}
	for _, p := range persona.All() {
		c.Parties = append(c.Parties, digitalposttest.Party{Key: p.Key, CPR: p.CPR, CVR: p.CVR, Registration: p.Registration})
	}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m.sim, err = digitalposttest.New(c)
	must(err)
	server := httptest.NewTLSServer(m.sim)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(server.Close)
	m.client, err = digitalpost.New(digitalpost.Config{BaseURL: server.URL + digitalposttest.BasePath, Certificate: server.TLS.Certificates[0],
		RootCAs: pool(server), Systems: systems, Log: slog.New(slog.DiscardHandler)})
	must(err)
	t.Cleanup(func() { _ = m.client.Close() })
	m.box = m.client.Mailbox(systems, nil)
	m.dpo, err = age.GenerateHybridIdentity()
	must(err)
	skey, vkey, err := ledger.GenerateCheckpointKey("log.example")
	must(err)
	checkpoint, err := note.NewSigner(skey)
	must(err)
	m.logKeys, err = ledger.Known(vkey)
	must(err)
	m.sign, err = mailroom.Signer(checkpoint, time.Now())
	must(err)
	m.points = mailroom.Points(m.tenants)
	m.room = m.open(t, m.box)
	m.desk, err = inbox.New(inbox.Config{Lister: m.store, Store: m.store, Blobs: m.blobs, Log: slog.New(slog.DiscardHandler)})
	must(err)
	m.who = inbox.Caller{Client: "tool", Inbox: first.Inbox}
	return m
}

// open returns a new process over the same truth.
func (m *mailHouse) open(t *testing.T, sources ...mailroom.Source) *mailroom.Room {
	t.Helper()
	inboxes := map[post.InboxID][]age.Recipient{}
	for _, tenant := range m.tenants {
		inboxes[tenant.Inbox] = []age.Recipient{m.dpo.(*age.HybridIdentity).Recipient()}
	}
	r, err := mailroom.New(mailroom.Config{Shelf: m.store, Desk: m.store, Sources: sources, Reader: m.box, Blobs: m.blobs,
		Opener: unseal.Opener{m.identity}, Dispatcher: m.to, Tenants: m.tenants, Points: m.points, Inboxes: inboxes, IndexKey: m.index,
		Sign: m.sign, Scanner: intake.NoScanner{}, Log: slog.New(slog.NewTextHandler(&m.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// write sends a letter of Nancy's to the DPO of the first tenant.
func (m *mailHouse) write(t *testing.T, bend func(*digitalposttest.Letter)) string {
	t.Helper()
	l := digitalposttest.Letter{From: m.nancy, To: m.tenants[0].CVR, ContactPoint: m.tenants[0].DPOContactPoint, Subject: "Indsigt", Text: "Hvad har I om mig?"}
	if bend != nil {
		bend(&l)
	}
	id, err := m.sim.Write(l)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// round pulls, answers and takes.
func (m *mailHouse) round(t *testing.T) {
	t.Helper()
	for _, step := range []func(context.Context) error{m.room.Pull, m.room.Answer, m.room.Step} {
		if err := step(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func (m *mailHouse) entries(t *testing.T) []inbox.Entry {
	t.Helper()
	all, _, err := m.desk.List(t.Context(), m.who, inbox.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// parked returns the codes of what is parked.
func (m *mailHouse) parked(t *testing.T) (codes []string) {
	t.Helper()
	rows, err := m.raw.Query(`SELECT code FROM mail WHERE state = 'parked' ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c string
		if err := rows.Scan(&c); err != nil {
			t.Fatal(err)
		}
		codes = append(codes, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return codes
}

func (m *mailHouse) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := m.raw.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

type attached struct {
	name, kind string
	content    []byte
}

// opened is what the DPO reads, and the token of the lease.
func (m *mailHouse) opened(t *testing.T, e inbox.Entry, id age.Identity) (seal.Message, []attached, string, error) {
	t.Helper()
	_, token, err := m.desk.Lease(t.Context(), m.who, string(e.ID))
	if err != nil {
		t.Fatal(err)
	}
	sealed, rc, err := m.desk.Content(t.Context(), m.who, string(e.ID), token)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	clear, err := unseal.Payload(sealed.Header, rc, id)
	if err != nil {
		return seal.Message{}, nil, token, err
	}
	p, err := unseal.Unpack(clear, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: string(e.Tenant), Object: string(e.ID)})
	if err != nil {
		return seal.Message{}, nil, token, err
	}
	var files []attached
	for {
		part, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return seal.Message{}, nil, token, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return seal.Message{}, nil, token, err
		}
		files = append(files, attached{part.Name, part.MediaType, b})
	}
	if sum := p.Digest(); !bytes.Equal(sum[:], e.Digest) {
		t.Error("the content digest is not the one accepted")
	}
	return p.Message, files, token, nil
}

func TestAMessageToTheDPOBecomesAnInquiryInHisInbox(t *testing.T) {
	m := newMailHouse(t)
	m.write(t, func(l *digitalposttest.Letter) {
		l.Files = []digitalposttest.Attached{
			{Name: "bilag.txt", MediaType: "text/plain", Content: []byte("bilag")},
			{Name: "bilag.txt", MediaType: "text/plain", Content: []byte("andet bilag")},
			{Name: "regneark.xlsx", MediaType: "application/vnd.ms-excel", Content: []byte("PK\x03\x04")},
		}
	})
	before := time.Now().Add(-time.Minute)
	m.round(t)
	m.round(t) // nothing comes of it twice
	all := m.entries(t)
	if len(all) != 1 {
		t.Fatalf("%d inquiries, log:\n%s", len(all), m.log.String())
	}
	e := all[0]
	if e.State != post.InquiryWaiting || e.Kind != post.Question || e.Tenant != m.tenants[0].ID || e.Attachments != 3 ||
		!e.DueAt.Equal(intake.Due(post.ToDPO, post.Question, e.AcceptedAt)) || e.AcceptedAt.Before(before) {
		t.Errorf("got %+v", e)
	}
	msg, files, _, err := m.opened(t, e, m.dpo)
	if err != nil {
		t.Fatal(err)
	}
	if msg.Subject != "Indsigt" || !strings.HasPrefix(msg.Text, "Hvad har I om mig?") || !strings.Contains(msg.Text, intake.Unchecked) ||
		msg.Person.Actor.ID != m.nancy.ID || msg.Reference != e.Reference {
		t.Error("the message is not what was written")
	}
	want := []attached{{"bilag.txt", "text/plain", []byte("bilag")}, {"bilag (2).txt", "text/plain", []byte("andet bilag")},
		{"regneark.xlsx", intake.Unchecked, []byte("PK\x03\x04")}}
	if len(files) != len(want) {
		t.Fatalf("%d files", len(files))
	}
	for i, f := range files {
		if f.name != want[i].name || f.kind != want[i].kind || !bytes.Equal(f.content, want[i].content) {
			t.Errorf("file %d is %s %s", i, f.name, f.kind)
		}
	}
	m.checkTraces(t, e)
}

// checkTraces checks what an inquiry by mail leaves behind, and what not.
func (m *mailHouse) checkTraces(t *testing.T, e inbox.Entry) {
	t.Helper()
	if m.sim.Undelivered("system-"+string(m.tenants[0].ID)) != 0 || m.sim.Stats().Answered != 1 {
		t.Error("the carrier was not answered")
	}
	var header, blob, statement []byte
	if err := m.raw.QueryRow(`SELECT header, blob FROM mail WHERE id = $1`, string(e.ID)).Scan(&header, &blob); err != nil {
		t.Fatal(err)
	}
	if len(header) != 0 || len(blob) != 0 {
		t.Error("the raw message can still be opened")
	}
	if n := m.count(t, `SELECT count(*) FROM ledger_event WHERE kind IN ('mail.kept', 'inquiry.accepted')`); n != 2 {
		t.Errorf("%d ledger events", n)
	}
	if err := m.raw.QueryRow(`SELECT statement FROM inquiry WHERE id = $1`, string(e.ID)).Scan(&statement); err != nil {
		t.Fatal(err)
	}
	var r intake.SignedReceipt
	if err := json.Unmarshal(statement, &r); err != nil {
		t.Fatal(err)
	}
	if s, err := ledger.VerifyReceipt([]byte(r.Statement), []byte(r.Certificate), m.logKeys); err != nil || s.Inquiry != e.ID || s.Reference != e.Reference {
		t.Errorf("the signed receipt does not verify: %v", err)
	}
	person, err := m.nancy.Party()
	if err != nil {
		t.Fatal(err)
	}
	own, err := m.store.OwnInquiries(t.Context(), map[post.TenantID][]byte{e.Tenant: intake.PersonIndex(m.index, e.Tenant, post.Person{Actor: person})})
	if err != nil || len(own) != 1 || own[0].ID != e.ID {
		t.Errorf("the person does not find it: %d, %v", len(own), err)
	}
	if log := m.log.String(); strings.Contains(log, m.nancy.ID) || strings.Contains(log, "Indsigt") || strings.Contains(log, "bilag") {
		t.Error("the log holds personal data")
	}
}

func TestTheDispatcherCannotOpenWhatItSealedToTheDPO(t *testing.T) {
	m := newMailHouse(t)
	m.write(t, nil)
	m.round(t)
	if _, _, _, err := m.opened(t, m.entries(t)[0], m.identity); err == nil {
		t.Error("it was opened")
	}
}

func TestAPageIsReadAsItsWordsAndGoesAlong(t *testing.T) {
	m := newMailHouse(t)
	m.write(t, func(l *digitalposttest.Letter) {
		l.HTML = "<html><head><title>x</title><style>p{}</style></head><body><p>Kære &aelig;ldre</p><script>alert(1)</script><p>Linje to</p></body></html>"
	})
	m.round(t)
	msg, files, _, err := m.opened(t, m.entries(t)[0], m.dpo)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(msg.Text, "Kære ældre\nLinje to") || strings.Contains(msg.Text, "alert") || len(files) != 1 || files[0].name != "brev.html" || files[0].kind != intake.Unchecked {
		t.Errorf("got %q and %d files", msg.Text, len(files))
	}
}

func TestWhatCannotBeTakenIsParkedAndNeverLost(t *testing.T) {
	const id = "0b1e2f3a-0000-4000-8000-000000000001"
	eicar := `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	for _, c := range []struct {
		name, code string
		send       func(t *testing.T, m *mailHouse)
		mends      bool // once its contact point is configured
	}{
		{name: "a contact point that leads nowhere", code: "unknown-contact-point", mends: true, send: func(t *testing.T, m *mailHouse) {
			m.write(t, func(l *digitalposttest.Letter) { l.ContactPoint = m.tenants[0].ContactPoint })
		}},
		{name: "malware", code: "malware", send: func(t *testing.T, m *mailHouse) {
			m.write(t, func(l *digitalposttest.Letter) {
				l.Files = []digitalposttest.Attached{{Name: "x.txt", MediaType: "text/plain", Content: []byte(eicar)}}
			})
		}},
		{name: "no message at all", code: "memo.unexpected", send: func(t *testing.T, m *mailHouse) {
			if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, id, strings.NewReader("hello")); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "another authority's message", code: "other-authority", send: func(t *testing.T, m *mailHouse) {
			uuid := m.write(t, func(l *digitalposttest.Letter) { l.To, l.ContactPoint = m.tenants[1].CVR, m.tenants[1].DPOContactPoint })
			m.take(t, uuid, uuid)
			if err := m.box.Answer(t.Context(), m.tenants[1].ID, uuid, false); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a message under another id", code: "other-message-id", send: func(t *testing.T, m *mailHouse) {
			uuid := m.write(t, nil)
			m.take(t, id, uuid)
			if err := m.box.Answer(t.Context(), m.tenants[0].ID, uuid, false); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMailHouse(t)
			c.send(t, m)
			m.round(t)
			if all := m.entries(t); len(all) != 0 {
				t.Fatalf("%d inquiries", len(all))
			}
			if got := m.parked(t); len(got) != 1 || got[0] != c.code || !strings.Contains(m.log.String(), "mail parked for a person") {
				t.Fatalf("parked: %v", got)
			}
			if n := m.count(t, `SELECT count(*) FROM ledger_event WHERE kind = 'mail.parked'`); n != 1 {
				t.Errorf("%d ledger events", n)
			}
			if err := m.room.Report(t.Context(), time.Now()); err != nil || !strings.Contains(m.log.String(), "parked mail waits for a person") {
				t.Errorf("not reported: %v", err)
			}
			// A person adds the contact point and starts the program again.
			m.points[m.tenants[0].ContactPoint] = mailroom.Point{Tenant: m.tenants[0].ID, Inbox: m.tenants[0].Inbox}
			again := m.open(t, m.box)
			if _, _, err := m.store.ParkedMail(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if err := again.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := m.parked(t); (len(m.entries(t)) == 1) != c.mends || (len(got) == 0) != c.mends {
				t.Errorf("after another try: %d inquiries, parked %v", len(m.entries(t)), got)
			}
		})
	}
}

// take pushes the message uuid under id to the first tenant.
func (m *mailHouse) take(t *testing.T, id, uuid string) {
	t.Helper()
	x, err := m.sim.XML(uuid)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, id, x); err != nil {
		t.Fatal(err)
	}
}

func TestAMessageComesInOnceHoweverOftenItIsSent(t *testing.T) {
	m := newMailHouse(t)
	m.sim.SetFaults(digitalposttest.Faults{TornMemos: 1, KeepAnswered: true})
	uuid := m.write(t, nil)
	if err := m.room.Pull(t.Context()); err == nil {
		t.Error("a torn message is no error")
	}
	if n := m.count(t, `SELECT count(*) FROM mail`); n != 0 {
		t.Error("a torn message was kept")
	}
	m.take(t, uuid, uuid) // pushed as well
	m.take(t, uuid, strings.ToLower(uuid))
	var all sync.WaitGroup
	for range 4 { // four processes
		r := m.open(t, m.box)
		all.Go(func() {
			_ = r.Pull(t.Context()) // some come too late
			if err := r.Step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	m.round(t)
	m.round(t) // listed again, so it is deleted there
	if n := len(m.entries(t)); n != 1 || m.count(t, `SELECT count(*) FROM mail`) != 1 || m.count(t, `SELECT count(*) FROM inquiry`) != 1 {
		t.Errorf("%d inquiries", n)
	}
	if n := m.sim.Undelivered("system-" + string(m.tenants[0].ID)); n != 0 {
		t.Errorf("%d still listed", n)
	}
}

func TestAPurgedInquiryLeavesNothingOfItsThreadAndStaysKnown(t *testing.T) {
	m := newMailHouse(t)
	uuid := m.write(t, nil)
	m.round(t)
	if n := m.count(t, `SELECT count(*) FROM mail WHERE thread IS NOT NULL`); n != 1 {
		t.Fatalf("%d threads", n)
	}
	e := m.entries(t)[0]
	for _, q := range []string{`UPDATE inquiry SET state = 'closed', accepted_at = 1, settled_at = 1`, `UPDATE ledger_event SET at = 1`} {
		if _, err := m.raw.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	shelf := m.store.InquiryShelf(post.InquiryClosed, sqlstore.Whose{})
	if _, err := shelf.Purge(t.Context(), retention.Item{ID: string(e.ID), Tenant: string(e.Tenant)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := m.count(t, `SELECT count(*) FROM mail WHERE thread IS NOT NULL`); n != 0 {
		t.Error("the thread is still there")
	}
	m.take(t, uuid, uuid)
	m.round(t)
	if n := len(m.entries(t)); n != 0 {
		t.Errorf("sent again, it made %d inquiries", n)
	}
}

func TestOtherBytesUnderAKnownIDAreForAPerson(t *testing.T) {
	m := newMailHouse(t)
	uuid := m.write(t, nil)
	m.round(t)
	if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, uuid, strings.NewReader("something else")); err != nil {
		t.Fatal(err)
	}
	m.round(t)
	if got := m.parked(t); len(got) != 1 || got[0] != "other-content" || len(m.entries(t)) != 1 {
		t.Errorf("parked %v", got)
	}
}

func TestAnAnswerThatTheCarrierDidNotGetIsGivenAgain(t *testing.T) {
	m := newMailHouse(t)
	uuid := m.write(t, nil)
	m.take(t, uuid, uuid)
	if m.sim.Stats().Answered != 0 {
		t.Fatal("it was answered at once")
	}
	if err := m.room.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.sim.Stats().Answered != 1 || m.count(t, `SELECT count(*) FROM mail WHERE answered = 1`) != 1 {
		t.Error("the carrier does not know")
	}
}

func TestASilentRecipientSystemIsReportedBeforeItIsDeactivated(t *testing.T) {
	m := newMailHouse(t)
	m.round(t)
	room := m.open(t, m.box)
	now := time.Now()
	room.Now = func() time.Time { return now }
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{12 * time.Hour, ""}, {25 * time.Hour, "level=WARN"}, {4 * 24 * time.Hour, "level=ERROR"}} {
		m.log.Reset()
		now = time.Now().Add(c.after)
		if err := room.Report(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := m.log.String(); strings.Contains(got, "without contact") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("after %s: %s", c.after, got)
		}
	}
}

func TestTheDPOAnswersInTheThreadAndTheCitizenAnswersAgain(t *testing.T) {
	m := newMailHouse(t)
	asked := m.write(t, nil)
	m.round(t)
	first := m.entries(t)[0]
	reply := m.reply(t, first)
	box := m.sim.Box(m.nancy.ID)
	if len(box) != 1 {
		t.Fatalf("%d messages in the citizen's box; letter %+v", len(box), m.house.show(reply))
	}
	h := m.header(t, box[0].UUID)
	if len(h.Replies) != 2 || h.Replies[1].MessageUUID != asked || h.Replies[1].ReplyUUID != box[0].UUID || !h.Reply ||
		h.Sender.ContactPoint.ID != m.tenants[0].DPOContactPoint {
		t.Errorf("the reply is not in the thread: %d entries", len(h.Replies))
	}
	// The citizen answers: a new inquiry, which names the letter that it answers.
	again := m.write(t, func(l *digitalposttest.Letter) { l.Answers = box[0].UUID; l.Text = "Tak, men…" })
	m.round(t)
	var letterID string
	if err := m.raw.QueryRow(`SELECT letter FROM mail WHERE message_id = $1`, again).Scan(&letterID); err != nil || letterID != string(reply) {
		t.Errorf("the answer is linked to %q, %v", letterID, err)
	}
	var second inbox.Entry
	for _, e := range m.entries(t) {
		if e.ID != first.ID {
			second = e
		}
	}
	msg, _, _, err := m.opened(t, second, m.dpo)
	if err != nil || !strings.Contains(msg.Text, m.house.show(reply).Reference) || !strings.Contains(msg.Text, "Tak, men…") {
		t.Errorf("the DPO does not see which letter is answered: %v", err)
	}
	m.reply2(t, second, again, asked)
}

// reply2 answers a second time: the thread has grown by two.
func (m *mailHouse) reply2(t *testing.T, e inbox.Entry, again, asked string) {
	t.Helper()
	_, token, err := m.desk.Lease(t.Context(), m.who, string(e.ID))
	if err == nil { // the first lease still stands
		t.Fatalf("leased twice: %s", token)
	}
	if _, err := m.raw.Exec(`UPDATE inquiry SET lease_until = 0 WHERE id = $1`, string(e.ID)); err != nil {
		t.Fatal(err)
	}
	m.reply(t, e)
	h := m.header(t, m.sim.Box(m.nancy.ID)[0].UUID)
	ids := []string{}
	for _, r := range h.Replies {
		ids = append(ids, r.MessageUUID)
	}
	if len(ids) != 4 || ids[1] != again || ids[3] != asked {
		t.Errorf("the thread holds %v", ids)
	}
}

func (m *mailHouse) header(t *testing.T, uuid string) memo.Header {
	t.Helper()
	x, err := m.sim.XML(uuid)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	got, err := memo.Read(x, memo.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got.Header
}

// reply takes an inquiry over, answers it and brings the letter to its end.
func (m *mailHouse) reply(t *testing.T, e inbox.Entry) post.LetterID {
	t.Helper()
	_, _, token, err := m.opened(t, e, m.dpo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.desk.Acknowledge(t.Context(), m.who, string(e.ID), token, e.Digest, ""); err != nil {
		t.Fatal(err)
	}
	r, err := m.house.desk.Submit(t.Context(), letter.Submission{Tenant: e.Tenant, Client: "tool", BusinessKey: post.NewID(), Title: "Svar",
		Inquiry: e.ID, Documents: []letter.Document{{Filename: "svar.pdf", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(pdf("svar"))), nil
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	m.roads = dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: m.client, post.Physical: m.paper})
	a := m.advancer(m.store)
	a.Threads = m.store
	if err := a.Advance(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// pool trusts a test server and nobody else.
func pool(s *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.Certificate())
	return p
}
