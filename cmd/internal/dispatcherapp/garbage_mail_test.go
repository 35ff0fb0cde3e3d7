package dispatcherapp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz/lzma"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/post"
)

// spaces never ends, and is XML so far.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestGarbageInsteadOfMail: whatever Digital Post answers where a list or a
// message is asked for, no message is answered for that did not come, none lands
// in an inbox, and the letter that waited is taken as soon as it can be had.
func TestGarbageInsteadOfMail(t *testing.T) {
	t.Parallel()
	const list, message = "/memos/", "/memos/<id>"
	var packed bytes.Buffer
	w, err := lzma.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, 8<<20); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	unzipped := func(_ string, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, "<a>")
		_, _ = io.CopyN(z, spaces{}, 1<<30)
	}
	for _, c := range []struct {
		name, at string
		answer   answerer
		parked   string // the code under which what came is kept for a person; "" is that nothing is kept
		told     string
	}{
		{"a page instead of the list", list, always(200, "<html>Driftsforstyrrelse</html>"), "", "answer.unreadable"},
		{"another list", list, always(200, `{"receipts":[]}`), "", "answer.unreadable"},
		{"a list of no ids", list, always(200, `{"content":["../../receipts","",1]}`), "", "answer.unreadable"},
		{"a list of what is no path", list, always(200, `{"content":["../../receipts",""]}`), "", "message listed without an id"},
		{"a list without end", list, func(_ string, w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, zeros{}) }, "", "list messages"},
		{"a page instead of the message", message, always(200, "<!DOCTYPE html><html>Driftsforstyrrelse</html>"), "", "answer.unreadable"},
		{"an error that calls itself a success", message, always(200, `{"code":"internal"}`), "", "answer.unreadable"},
		{"nothing", message, always(200, ""), "", "answer.unreadable"},
		{"a container that is a bomb", message, always(200, packed.String()), "", "answer.unreadable"},
		{"half a message", message, func(_ string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, "<Message>")
		}, "", "fetch message"},
		{"a message of another kind", message, always(200, "<hello/>"), "memo.unexpected", "mail parked for a person"},
		{"entities that grow", message, always(200, `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`), "memo.forbidden", "mail parked for a person"},
		{"a message in UTF-16", message, always(200, "\xfe\xff\x00<\x00a\x00/\x00>"), "memo.syntax", "mail parked for a person"},
		{"a message that unpacks without end", message, unzipped, "too-large", "mail parked for a person"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, n, log := newMailHouse(t), &ngdp{}, &told{}
			first := m.tenants[0]
			uuid := m.write(t, nil)
			server := httptest.NewUnstartedServer(n)
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.StartTLS()
			t.Cleanup(server.Close)
			systems := map[post.TenantID]digitalpost.System{first.ID: {ID: "system-" + string(first.ID), Token: "t"}}
			client, err := digitalpost.New(digitalpost.Config{BaseURL: server.URL + digitalposttest.BasePath, Certificate: server.TLS.Certificates[0],
				RootCAs: pool(server), Systems: systems, Log: log.logger()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			box := client.Mailbox(systems, nil)
			m.room = m.open(t, box)
			n.say(func(system string, w http.ResponseWriter, r *http.Request) {
				at := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(digitalposttest.BasePath, "/")), uuid)
				if at == c.at && c.at == list && !strings.HasSuffix(r.URL.Path, uuid) || c.at == message && strings.HasSuffix(r.URL.Path, uuid) {
					c.answer(system, w, r)
					return
				}
				m.sim.ServeHTTP(w, r)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			said := ""
			for range 2 {
				for _, step := range []func(context.Context) error{m.room.Pull, m.room.Answer, m.room.Step} {
					if err := step(ctx); err != nil {
						said += err.Error() // the program logs it
					}
				}
			}
			if said += log.String() + m.log.String(); !strings.Contains(said, c.told) {
				t.Errorf("nobody is told: %s", said)
			}
			if got := m.parked(t); fmt.Sprint(got) != fmt.Sprint(strings.Fields(c.parked)) || len(m.entries(t)) != 0 {
				t.Errorf("parked %v, %d inquiries", got, len(m.entries(t)))
			}
			if c.parked != "" { // a person has it now
				return
			}
			if m.sim.Stats().Answered != 0 {
				t.Fatal("Digital Post was told that we have it")
			}
			n.say(func(_ string, w http.ResponseWriter, r *http.Request) { m.sim.ServeHTTP(w, r) })
			m.round(t)
			if got := m.entries(t); len(got) != 1 || m.sim.Stats().Answered != 1 {
				t.Errorf("%d inquiries once it could be had", len(got))
			}
		})
	}
}
