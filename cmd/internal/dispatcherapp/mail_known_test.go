package dispatcherapp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/forward"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// shelfOf lists one message again and again, with what stands under its id now.
type shelfOf struct {
	of          post.TenantID
	id, content string
	calls       []string // what was asked, in order
}

func (*shelfOf) Carrier() string { return "digitalpost" }

func (s *shelfOf) Waiting(_ context.Context, tenant post.TenantID) ([]string, error) {
	if tenant != s.of {
		return nil, post.ErrNotFound
	}
	return []string{s.id}, nil
}

func (s *shelfOf) Fetch(_ context.Context, _ post.TenantID, _ string, w io.Writer) error {
	s.calls = append(s.calls, "fetch")
	_, err := io.WriteString(w, s.content)
	return err
}

func (s *shelfOf) Answer(_ context.Context, _ post.TenantID, _ string, listed bool) error {
	s.calls = append(s.calls, map[bool]string{true: "delete", false: "receipt"}[listed])
	return nil
}

func TestNothingIsEverDeletedUnread(t *testing.T) {
	m := newMailHouse(t)
	s := &shelfOf{of: m.tenants[0].ID, id: post.NewID(), content: "first"}
	room := m.open(t, s)
	now := time.Now()
	room.Now = func() time.Time { return now }
	round := func(want ...string) {
		t.Helper()
		s.calls = nil
		if err := room.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.calls, want) {
			t.Errorf("asked %v, want %v", s.calls, want)
		}
	}
	round("fetch", "receipt")
	round("fetch", "delete") // listed still
	round()                  // whatever it lists, it is left alone for a while
	s.content = "another"
	now = now.Add(time.Hour)
	round("fetch", "delete")
	if got := m.parked(t); len(got) != 1 || got[0] != "other-content" {
		t.Errorf("the second message under the id is not kept: parked %v", got)
	}
}

// TestOtherBytesPushedUnderAKnownIDAreKeptAndTheFirstStands pushes one message,
// as Digital Post does, and then others under its id, at once and later.
func TestOtherBytesPushedUnderAKnownIDAreKeptAndTheFirstStands(t *testing.T) {
	m := newMailHouse(t)
	receiver, err := digitalpost.NewReceiver(digitalpost.PushConfig{Tenants: []post.TenantID{m.tenants[0].ID}, Peer: anybody,
		Memos: m.room.Push("digitalpost"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	x, err := m.sim.XML(m.write(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	good, err := io.ReadAll(x)
	if err != nil {
		t.Fatal(err)
	}
	id := m.sim.Box(string(m.tenants[0].CVR))[0].UUID
	push := func(content []byte) {
		t.Helper()
		if status := multiform(receiver, "/digitalpost/"+string(m.tenants[0].ID)+"/memos", id, bytes.NewReader(content)); status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	}
	push(good)
	m.round(t)
	if m.sim.Stats().Answered != 1 || len(m.entries(t)) != 1 {
		t.Fatal("the first is not taken")
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { push(bytes.Replace(good, []byte("Indsigt"), fmt.Append(nil, "Indsig", i), 1)) })
		all.Go(func() { push(append(good[:len(good):len(good)], bytes.Repeat([]byte(" "), i+1)...)) })
	}
	all.Wait()
	push(good) // the same bytes are nothing new
	m.round(t)
	got := m.parked(t)
	if len(got) != 8 || slices.ContainsFunc(got, func(c string) bool { return c != "other-content" }) {
		t.Errorf("parked %v", got)
	}
	if n := len(m.entries(t)); n != 1 || m.count(t, `SELECT count(*) FROM mail`) != 9 {
		t.Errorf("%d inquiries, %d messages", n, m.count(t, `SELECT count(*) FROM mail`))
	}
	// Each of them can be opened and compared.
	rows, err := m.raw.Query(`SELECT header, blob FROM mail WHERE state = 'parked'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var header []byte
		var blob string
		if err := rows.Scan(&header, &blob); err != nil {
			t.Fatal(err)
		}
		rc, err := m.blobs.Get(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := unseal.Payload(header, rc, m.identity)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(clear)
		rc.Close()
		if err != nil || bytes.Equal(text, good) || !bytes.Contains(text, []byte("Message>")) {
			t.Errorf("kept %d bytes, %v", len(text), err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(m.log.String(), "code=other-content"); n != 8 {
		t.Errorf("told %d times", n)
	}
}

// TestAnInquiryThatComesBackIsNoInquiry: the municipality's contact point leads to
// a recipient system of ours, and, by a mistake of configuration, into an inbox.
func TestAnInquiryThatComesBackIsNoInquiry(t *testing.T) {
	for _, misled := range []bool{false, true} {
		m := newMailHouse(t)
		if misled {
			m.points[m.tenants[0].ContactPoint] = mailroom.Point{Tenant: m.tenants[0].ID, Inbox: m.tenants[0].Inbox}
		}
		m.room = m.open(t, m.box)
		id := m.inquiry(post.ToDigitalPost, post.InquiryForwarding, post.PersonRecord{Actor: m.nancy})
		f, err := forward.New(forward.Config{Store: m.store, Blobs: m.blobs, Identity: m.identity, Dispatcher: m.to,
			IndexKey: m.index, Tenants: m.tenants, Bell: bell{}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		m.roads = dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: m.client, post.Physical: m.paper})
		m.advance(post.ForwardedLetterID(id))
		if n := len(m.sim.AuthorityBox(m.tenants[0].CVR, m.tenants[0].ContactPoint)); n != 1 {
			t.Fatalf("%d messages at the contact point", n)
		}
		before := m.count(t, `SELECT count(*) FROM inquiry`)
		m.round(t)
		if got := m.parked(t); len(got) != 1 || got[0] != "own-message" || m.count(t, `SELECT count(*) FROM inquiry`) != before {
			t.Errorf("misled %t: parked %v, %d inquiries", misled, got, m.count(t, `SELECT count(*) FROM inquiry`))
		}
		// It cannot be filed as one to the DPO by a slip of the hand.
		all, err := m.store.ListParkedMail(t.Context(), "", 10)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if err := m.store.FileParkedMail(t.Context(), all[0].ID, ledger.New("mail.filed", m.tenants[0].ID, all[0].ID)); !errors.Is(err, post.FaultMailNotFiled) {
			t.Errorf("filed: %v", err)
		}
	}
}

func TestALetterFromOneMunicipalityToAnothersDPOIsTaken(t *testing.T) {
	m := newMailHouse(t)
	from := m.tenants[1]
	m.write(t, func(l *digitalposttest.Letter) {
		l.From = post.PartyRecord{IDType: "CVR", ID: string(from.CVR), Name: from.Name}
	})
	m.round(t)
	if n := len(m.entries(t)); n != 1 {
		t.Errorf("%d inquiries, parked %v", n, m.parked(t))
	}
}

func TestASystemThatIsPushedToIsNotCalledSilentWhileNobodyWrites(t *testing.T) {
	m := newMailHouse(t)
	pushed := map[post.TenantID]digitalpost.System{}
	for _, tenant := range m.tenants[:2] {
		pushed[tenant.ID] = digitalpost.System{ID: "system-" + string(tenant.ID), Token: "t"}
	}
	room := m.open(t, m.client.Mailbox(nil, pushed))
	now := time.Now()
	room.Now = func() time.Time { return now }
	began := now
	report := func(after time.Duration) string {
		t.Helper()
		m.log.Reset()
		now = now.Add(after)
		if err := room.Report(t.Context(), began); err != nil {
			t.Fatal(err)
		}
		return m.log.String()
	}
	if got := report(8 * 24 * time.Hour); strings.Contains(got, "recipient system") {
		t.Errorf("nothing was ever pushed: %s", got)
	}
	if err := room.Take(t.Context(), "digitalpost", m.tenants[0].ID, post.NewID(), strings.NewReader("<a/>")); err != nil {
		t.Fatal(err)
	}
	if got := report(3 * 24 * time.Hour); strings.Contains(got, "recipient system") {
		t.Errorf("pushed three days ago: %s", got)
	}
	got := report(24 * time.Hour)
	if !strings.Contains(got, "nothing pushed to recipient system") || strings.Contains(got, "deactivated") || strings.Count(got, "recipient system") != 1 ||
		!strings.Contains(got, "tenant="+string(m.tenants[0].ID)) {
		t.Errorf("pushed four days ago: %s", got)
	}
	if err := room.Heard(t.Context(), "digitalpost", m.tenants[0].ID); err != nil { // a receipt was pushed
		t.Fatal(err)
	}
	if got := report(24 * time.Hour); strings.Contains(got, "recipient system") {
		t.Errorf("heard a day ago: %s", got)
	}
}
