package dispatcherapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/internal/post"
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
		if status := pushForm(receiver, "/digitalpost/"+string(m.tenants[0].ID)+"/memos", id, content); status != http.StatusOK {
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

// pushForm posts a message as Digital Post does, and returns the status.
func pushForm(h http.Handler, path, id string, content []byte) int {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	part, _ := parts.CreateFormFile("file", id)
	_, _ = part.Write(content)
	_ = parts.Close()
	q := httptest.NewRequest(http.MethodPost, path, &form)
	q.Header.Set("Content-Type", parts.FormDataContentType())
	q.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, q)
	return rec.Code
}
