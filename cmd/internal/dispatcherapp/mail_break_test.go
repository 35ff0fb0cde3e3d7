package dispatcherapp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// memo returns a message of Nancy's to the DPO of the first tenant, bent.
func (m *mailHouse) memo(t *testing.T, bend func(*memo.Message)) (uuid string, xml []byte) {
	t.Helper()
	uuid = post.DerivedID(post.LetterID(post.NewID()), "viewer", 1)
	msg := &memo.Message{
		Header: memo.Header{
			Type: memo.DigitalPost, UUID: uuid, Label: "Indsigt", Sender: memo.Party{ID: m.nancy.ID, IDType: "CPR", Label: m.nancy.Name},
			Recipient: memo.Party{ID: string(m.tenants[0].CVR), IDType: "CVR", ContactPoint: &memo.ContactPoint{ID: m.tenants[0].DPOContactPoint}},
		},
		Body: &memo.Body{Created: time.Now()},
	}
	attach(msg, memo.Main, "brev.txt", "Hvad har I om mig?")
	bend(msg)
	var b bytes.Buffer
	if err := memo.Write(&b, msg); err != nil {
		t.Fatal(err)
	}
	return uuid, b.Bytes()
}

func attach(msg *memo.Message, kind memo.Kind, name, text string) {
	msg.Body.Documents = append(msg.Body.Documents, memo.Document{Kind: kind, Files: []memo.File{{MediaType: "text/plain", Filename: name,
		Language: "da", Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}}})
}

// pushed brings a bent message in.
func (m *mailHouse) pushed(t *testing.T, bend func(*memo.Message)) (uuid string) {
	t.Helper()
	uuid, xml := m.memo(t, bend)
	if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, uuid, bytes.NewReader(xml)); err != nil {
		t.Fatal(err)
	}
	if err := m.room.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	return uuid
}

func TestAMessageThatIsListedUnderAnIDThatWasUsedForAnotherIsNotDeletedUnread(t *testing.T) {
	m := newMailHouse(t)
	uuid := m.write(t, nil) // waits at the carrier
	m.take(t, uuid, uuid)   // and something else comes under its id
	if _, err := m.raw.Exec(`UPDATE mail SET message_id = 'gone'`); err != nil {
		t.Fatal(err)
	}
	if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, uuid, strings.NewReader("not this")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.raw.Exec(`UPDATE mail SET answered = 1`); err != nil {
		t.Fatal(err)
	}
	if err := m.room.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.sim.Undelivered("system-"+string(m.tenants[0].ID)) != 0 {
		t.Error("it is listed still")
	}
	if n := m.count(t, `SELECT count(*) FROM mail WHERE message_id = $1`, uuid); n != 2 {
		t.Errorf("%d messages are kept under the id: the one that waited was deleted unread", n)
	}
	if got := m.parked(t); len(got) != 1 || got[0] != "other-content" {
		t.Errorf("parked %v", got)
	}
}

func TestAnAnswerGoesToTheSenderWhomTheCarrierKnowsWhateverTheMessageClaims(t *testing.T) {
	poul := recipient("poul")
	for _, c := range []struct {
		name string
		bend func(*memo.Message)
	}{
		{"a representative", func(msg *memo.Message) {
			msg.Header.Sender.Representative = &memo.Representative{ID: poul.ID, IDType: "CPR", Label: poul.Name}
		}},
		{"the thread's sender", func(msg *memo.Message) {
			msg.Header.Replies = []memo.ReplyData{{MessageUUID: msg.Header.UUID, SenderID: poul.ID, RecipientID: msg.Header.Recipient.ID}}
		}},
		{"whom the content is about", func(msg *memo.Message) {
			msg.Header.Content = &memo.ContentData{CPR: poul.ID, Name: poul.Name}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMailHouse(t)
			m.pushed(t, c.bend)
			e := m.entries(t)
			if len(e) != 1 {
				t.Fatalf("%d inquiries, parked %v", len(e), m.parked(t))
			}
			m.reply(t, e[0])
			if len(m.sim.Box(m.nancy.ID)) != 1 || len(m.sim.Box(poul.ID)) != 0 {
				t.Errorf("the sender has %d answers, the other %d", len(m.sim.Box(m.nancy.ID)), len(m.sim.Box(poul.ID)))
			}
			for who, want := range map[*post.PartyRecord]int{&m.nancy: 1, poul: 0} {
				p, err := who.Party()
				if err != nil {
					t.Fatal(err)
				}
				own, err := m.store.OwnInquiries(t.Context(), map[post.TenantID][]byte{m.tenants[0].ID: intake.PersonIndex(m.index, m.tenants[0].ID, post.Person{Actor: p})})
				if err != nil || len(own) != want {
					t.Errorf("%d inquiries of their own, want %d: %v", len(own), want, err)
				}
			}
		})
	}
}

func TestAMessageInTheThreadOfAnothersLetterIsNotLinkedToIt(t *testing.T) {
	m := newMailHouse(t)
	m.roads = dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: m.client, post.Physical: m.paper})
	id := m.submit("poul's")
	m.advance(id)
	var theirs string
	if err := m.raw.QueryRow(`SELECT message_id FROM hand_over WHERE letter = $1`, string(id)).Scan(&theirs); err != nil {
		t.Fatal(err)
	}
	ref, own := m.house.show(id).Reference, m.sim.Box(recipientOf(t, m, id))
	if len(own) != 1 {
		t.Fatalf("%d letters came in", len(own))
	}
	stranger := recipient("poul")
	m.pushed(t, func(msg *memo.Message) {
		msg.Header.Sender = memo.Party{ID: stranger.ID, IDType: "CPR", Label: stranger.Name}
		msg.Header.Replies = []memo.ReplyData{{MessageUUID: theirs, ReplyUUID: msg.Header.UUID, SenderID: string(m.tenants[0].CVR), RecipientID: stranger.ID}}
	})
	e := m.entries(t)
	if len(e) != 1 {
		t.Fatalf("%d inquiries, parked %v", len(e), m.parked(t))
	}
	if n := m.count(t, `SELECT count(*) FROM mail WHERE letter <> ''`); n != 0 {
		t.Error("it is linked to the letter of somebody else")
	}
	msg, _, _, err := m.opened(t, e[0], m.dpo)
	if err != nil || strings.Contains(msg.Text, ref) {
		t.Errorf("the DPO is told that it answers the letter of somebody else, %v", err)
	}
	// The letter's own recipient is believed.
	nancys := m.pushed(t, func(msg *memo.Message) {
		msg.Header.Replies = []memo.ReplyData{{MessageUUID: theirs, ReplyUUID: msg.Header.UUID, SenderID: string(m.tenants[0].CVR), RecipientID: m.nancy.ID}}
	})
	if n := m.count(t, `SELECT count(*) FROM mail WHERE message_id = $1 AND letter = $2`, nancys, string(id)); n != 1 {
		t.Error("her own answer is not linked")
	}
}

// recipientOf is the number of whoever the letters of [house.submit] go to.
func recipientOf(t *testing.T, m *mailHouse, _ post.LetterID) string {
	t.Helper()
	to := submission("x").Recipient
	if to.ID != m.nancy.ID {
		t.Fatal("the letters of the house go to somebody else now")
	}
	return to.ID
}

// trap is a scanner that breaks on one word.
type trap struct {
	scans atomic.Int32
	bang  func() (intake.Verdict, error)
}

func (s *trap) Scan(_ context.Context, r io.Reader) (intake.Verdict, error) {
	s.scans.Add(1)
	b, err := io.ReadAll(r)
	if err == nil && bytes.Contains(b, []byte("bang")) {
		return s.bang()
	}
	return intake.Clean, err
}

func (m *mailHouse) trapped(t *testing.T, bang func() (intake.Verdict, error)) (*mailroom.Room, *trap) {
	t.Helper()
	s := &trap{bang: bang}
	r := m.open(t, m.box)
	r.Scanner = s
	return r, s
}

func TestAMessageThatBreaksItsReaderIsParkedAndTheNextOneIsTaken(t *testing.T) {
	m := newMailHouse(t)
	m.room, _ = m.trapped(t, func() (intake.Verdict, error) { panic("hemmelige ord") })
	m.write(t, func(l *digitalposttest.Letter) { l.Text = "bang" })
	m.write(t, nil)
	m.round(t)
	if got := m.parked(t); len(got) != 1 || got[0] != "broke-the-reader" {
		t.Errorf("parked %v", got)
	}
	if n := len(m.entries(t)); n != 1 {
		t.Errorf("%d inquiries", n)
	}
	if strings.Contains(m.log.String(), "hemmelige") {
		t.Error("what the panic said is in the log")
	}
}

func TestAMessageThatKillsTheProcessIsParkedInTheEnd(t *testing.T) {
	m := newMailHouse(t)
	m.write(t, nil)
	if err := m.room.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for range mailroom.MaxDeaths { // claimed, and nothing is heard of it again
		all, err := m.store.ClaimMail(t.Context(), now, time.Minute, 1)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d claimed, %v", len(all), err)
		}
		now = now.Add(2 * time.Minute)
	}
	m.room.Now = func() time.Time { return now }
	m.round(t)
	if got := m.parked(t); len(got) != 1 || got[0] != "broke-the-reader" {
		t.Errorf("parked %v", got)
	}
}

func TestAFaultOfOursIsNotTheMessagesHoweverLongItLasts(t *testing.T) {
	m := newMailHouse(t)
	broken := true
	room, s := m.trapped(t, func() (intake.Verdict, error) {
		if broken {
			return "", errors.New("the scanner is away")
		}
		return intake.Clean, nil
	})
	m.room = room
	m.write(t, func(l *digitalposttest.Letter) { l.Text = "bang" })
	now := time.Now()
	room.Now = func() time.Time { return now }
	tries := 3 * mailroom.MaxDeaths
	for range tries {
		m.round(t)
		now = now.Add(time.Hour)
	}
	if got := m.parked(t); len(got) != 0 || int(s.scans.Load()) < tries {
		t.Fatalf("parked %v after %d scans", got, s.scans.Load())
	}
	if err := room.Report(t.Context(), now); err != nil || !strings.Contains(m.log.String(), "mail waits unread") {
		t.Errorf("nobody is told that mail is not read: %v", err)
	}
	broken = false
	m.round(t)
	if n := len(m.entries(t)); n != 1 {
		t.Errorf("%d inquiries", n)
	}
}

func TestTheClockStartsWhenDigitalPostHadTheMessage(t *testing.T) {
	for _, c := range []struct {
		name    string
		written time.Duration // before it came to us
		counts  time.Duration
	}{
		{"it came at once", 0, 0},
		{"our system was away for three days", 72 * time.Hour, 72 * time.Hour},
		{"longer than a system may be away, so the sender's clock is wrong", 400 * 24 * time.Hour, mailroom.Deactivation},
		{"from the future", -72 * time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMailHouse(t)
			now := time.Now().UTC().Truncate(time.Second)
			m.room.Now = func() time.Time { return now }
			m.pushed(t, func(msg *memo.Message) { msg.Body.Created = now.Add(-c.written) })
			e := m.entries(t)
			if len(e) != 1 {
				t.Fatalf("%d inquiries", len(e))
			}
			if want := intake.Due(post.ToDPO, post.Question, now.Add(-c.counts)); !e[0].DueAt.Equal(want) {
				t.Errorf("due %s, want %s", e[0].DueAt, want)
			}
			if !e[0].AcceptedAt.Equal(now) {
				t.Errorf("received %s, want when it was stored, %s", e[0].AcceptedAt, now)
			}
		})
	}
}

func TestAThreadWithoutEndIsCutAndTheAnswerStillGoesOut(t *testing.T) {
	m := newMailHouse(t)
	long := strings.Repeat("x", 200)
	uuid := m.pushed(t, func(msg *memo.Message) {
		own := memo.ReplyData{MessageUUID: msg.Header.UUID, SenderID: m.nancy.ID, RecipientID: msg.Header.Recipient.ID}
		msg.Header.Replies = append(msg.Header.Replies, own)
		for range 3000 {
			msg.Header.Replies = append(msg.Header.Replies, memo.ReplyData{MessageUUID: post.DerivedID(post.LetterID(post.NewID()), "viewer", 1), Comment: long})
		}
	})
	e := m.entries(t)
	if len(e) != 1 {
		t.Fatalf("%d inquiries, parked %v", len(e), m.parked(t))
	}
	if n := m.count(t, `SELECT length(thread) FROM mail WHERE message_id = $1`, uuid); n > 100<<10 {
		t.Errorf("%d bytes of thread are kept", n)
	}
	m.reply(t, e[0])
	box := m.sim.Box(m.nancy.ID)
	if len(box) != 1 {
		t.Fatalf("%d answers", len(box))
	}
	if h := m.header(t, box[0].UUID); h.Replies[1].MessageUUID != uuid || h.Replies[1].ReplyUUID != box[0].UUID {
		t.Error("the answer is not in the thread")
	}
}

func TestAFiledMessageComesToTheInboxOfItsMunicipalityAfterAllOtherChecks(t *testing.T) {
	for _, c := range []struct {
		name, code string
		bend       func(m *mailHouse, msg *memo.Message)
	}{
		{"it was only the contact point", "", func(*mailHouse, *memo.Message) {}},
		{"it is another authority's", "other-authority", func(m *mailHouse, msg *memo.Message) { msg.Header.Recipient.ID = string(m.tenants[1].CVR) }},
		{"it is another tenant's contact point", "other-contact-point", func(m *mailHouse, msg *memo.Message) {
			msg.Header.Recipient.ContactPoint.ID = m.tenants[1].DPOContactPoint
		}},
		{"its sender is nobody", "sender", func(_ *mailHouse, msg *memo.Message) { msg.Header.Sender.ID, msg.Header.Sender.IDType = "1", "CVR" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMailHouse(t)
			uuid, xml := m.memo(t, func(msg *memo.Message) {
				msg.Header.Recipient.ContactPoint.ID = m.tenants[0].ContactPoint
				c.bend(m, msg)
			})
			if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, uuid, bytes.NewReader(xml)); err != nil {
				t.Fatal(err)
			}
			// The operator's word comes first here: the checks must not rest on the order.
			if _, err := m.raw.Exec(`UPDATE mail SET state = 'parked', code = 'unknown-contact-point'`); err != nil {
				t.Fatal(err)
			}
			hands := &mailroom.Hands{Drawer: m.store, Tenants: m.tenants, Log: m.room.Log}
			all, err := hands.List(t.Context(), "", 10)
			if err != nil || len(all) != 1 {
				t.Fatalf("%d parked, %v", len(all), err)
			}
			if _, err := hands.File(t.Context(), "operator", all[0].ID, m.tenants[0].Inbox); err != nil {
				t.Fatal(err)
			}
			if err := m.room.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := 0
			if c.code == "" {
				want = 1
			}
			if got := m.parked(t); len(m.entries(t)) != want || strings.Join(got, " ") != c.code {
				t.Errorf("%d inquiries, parked %v", len(m.entries(t)), got)
			}
		})
	}
}

// drip is a carrier at which one tenant's list never ends.
type drip struct {
	mailroom.Source
	stuck post.TenantID
}

func (d drip) Waiting(ctx context.Context, tenant post.TenantID) ([]string, error) {
	if tenant == d.stuck {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.Source.Waiting(ctx, tenant)
}

func TestASystemThatNeverAnswersKeepsNobodyElsesMailWaiting(t *testing.T) {
	m := newMailHouse(t)
	m.points[m.tenants[1].DPOContactPoint] = mailroom.Point{Tenant: m.tenants[1].ID, Inbox: m.tenants[0].Inbox}
	room := m.open(t, drip{m.box, m.tenants[0].ID})
	m.write(t, func(l *digitalposttest.Letter) { l.To, l.ContactPoint = m.tenants[1].CVR, m.tenants[1].DPOContactPoint }) // fetched
	pushed, xml := m.memo(t, func(*memo.Message) {})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- room.Run(ctx, 100*time.Millisecond) }()
	if err := room.Take(t.Context(), "digitalpost", m.tenants[0].ID, pushed, bytes.NewReader(xml)); err != nil { // and pushed
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); m.count(t, `SELECT count(*) FROM mail WHERE state = 'taken'`) != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("mail waits for a system that does not answer")
			break
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// lockedRow is a store in which the answer to a message is being written from when it
// is kept until somebody has looked for mail: who looks meanwhile passes it over, as in
// PostgreSQL.
type lockedRow struct {
	*sqlstore.Store
	mu     sync.Mutex
	locked bool
	passed chan struct{}
}

func (s *lockedRow) KeepMail(ctx context.Context, a mailroom.Arrival, e ledger.Event) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = true
	return s.Store.KeepMail(ctx, a, e)
}

func (s *lockedRow) MailAnswered(ctx context.Context, id string) error {
	<-s.passed
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = false
	return s.Store.MailAnswered(ctx, id)
}

func (s *lockedRow) ClaimMail(ctx context.Context, now time.Time, hold time.Duration, n int) ([]mailroom.Arrival, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		select {
		case s.passed <- struct{}{}:
		default:
		}
		return nil, nil
	}
	return s.Store.ClaimMail(ctx, now, hold, n)
}

func TestMailPassedOverWhileItsAnswerIsWrittenIsReadAtOnce(t *testing.T) {
	m := newMailHouse(t)
	store := &lockedRow{Store: m.store, passed: make(chan struct{}, 1)}
	room := m.open(t, m.box)
	room.Shelf, room.Desk = store, store
	m.write(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- room.Run(ctx, time.Hour) }()
	for deadline := time.Now().Add(time.Minute); m.count(t, `SELECT count(*) FROM mail WHERE state = 'taken'`) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("it waits for the next round")
			break
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// deaf is a carrier that takes no answer about one tenant's mail, and tells of those
// about the others'.
type deaf struct {
	mailroom.Source
	stuck post.TenantID
	told  chan string
}

func (d deaf) Answer(ctx context.Context, tenant post.TenantID, id string, listed bool) error {
	if tenant == d.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	err := d.Source.Answer(ctx, tenant, id, listed)
	d.told <- id
	return err
}

// TestASystemThatHangsDelaysNoOtherInAnyRound: what comes later is fetched and
// answered while another's list hangs, or an answer to it.
func TestASystemThatHangsDelaysNoOtherInAnyRound(t *testing.T) {
	for _, hangs := range []string{"list", "answer"} {
		t.Run(hangs, func(t *testing.T) {
			m := newMailHouse(t)
			bad, good := m.tenants[0], m.tenants[1]
			pushed, xml := m.memo(t, func(*memo.Message) {})
			if err := m.room.Take(t.Context(), "digitalpost", bad.ID, pushed, bytes.NewReader(xml)); err != nil { // is to be answered
				t.Fatal(err)
			}
			told := make(chan string, 10)
			source := deaf{m.box, bad.ID, told}
			if hangs == "list" {
				source.Source = drip{m.box, bad.ID}
			}
			room := m.open(t, source)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- room.Run(ctx, 10*time.Millisecond) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			for i := range 3 { // each is written when the former was answered
				id := m.write(t, func(l *digitalposttest.Letter) { l.To, l.ContactPoint = good.CVR, good.DPOContactPoint })
				select {
				case got := <-told:
					if !strings.EqualFold(got, id) {
						t.Errorf("%s was answered, want %s", got, id)
					}
				case <-time.After(time.Minute):
					t.Fatalf("message %d waits for a system that hangs", i+1)
				}
			}
		})
	}
}

// TestASystemThatIsNotReachedIsAskedEverLater: twice as long after each failure in a
// row, and as often as before once it is back.
func TestASystemThatIsNotReachedIsAskedEverLater(t *testing.T) {
	m := newMailHouse(t)
	gone := &away{Source: m.box, left: 6}
	room := m.open(t, gone)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	begun := time.Now()
	go func() { done <- room.Run(ctx, time.Millisecond) }()
	for deadline := time.Now().Add(time.Minute); gone.asked.Load() < 10; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not asked any more")
		}
	}
	if least := (2 + 4 + 8 + 16 + 32 + 64) * time.Millisecond; time.Since(begun) < least {
		t.Errorf("six failures took %v, want at least %v", time.Since(begun), least)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// away does not answer a few times.
type away struct {
	mailroom.Source
	left  int32
	asked atomic.Int32
}

func (a *away) Serves(tenant post.TenantID) bool { return tenant == "engdal" }

func (a *away) Waiting(context.Context, post.TenantID) ([]string, error) {
	if a.asked.Add(1) <= a.left {
		return nil, errors.New("no answer")
	}
	return nil, nil
}
