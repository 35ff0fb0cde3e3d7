package digitalpost_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf16"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// receiving is a world whose DPO contact point has a recipient system.
func receiving(t *testing.T) (*world, *digitalpost.Mailbox) {
	t.Helper()
	w := newWorld(t, func(c *digitalposttest.Config) {
		for cvr, points := range c.Authorities {
			for i := range points {
				if points[i].ID == cvrTenant(cvr).DPOContactPoint {
					points[i].System, points[i].MaxBytes, points[i].MaxFiles = "system-engdal", 1<<20, 2
				}
			}
		}
	})
	return w, w.client.Mailbox(map[post.TenantID]digitalpost.System{"engdal": {ID: "system-engdal", Token: "secret"}}, nil)
}

func (w *world) write(t *testing.T, bend func(*digitalposttest.Letter)) string {
	t.Helper()
	l := digitalposttest.Letter{From: record0("nancy"), To: w.tenant.CVR, ContactPoint: w.tenant.DPOContactPoint, Subject: "Indsigt", Text: "Hvad har I om mig?"}
	if bend != nil {
		bend(&l)
	}
	id, err := w.sim.Write(l)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAMessageIsFetchedAnsweredAndGone(t *testing.T) {
	w, box := receiving(t)
	id := w.write(t, nil)
	ids, err := box.Waiting(t.Context(), "engdal")
	if err != nil || len(ids) != 1 || ids[0] != id {
		t.Fatalf("got %v, %v", ids, err)
	}
	var raw bytes.Buffer
	if err := box.Fetch(t.Context(), "engdal", id, &raw); err != nil {
		t.Fatal(err)
	}
	text := ""
	m, err := box.ReadMail(&raw, func(f mailroom.File, r io.Reader) error {
		b, err := io.ReadAll(r)
		text = string(b)
		return err
	})
	if err != nil || text != "Hvad har I om mig?" || m.MessageID != id || m.Subject != "Indsigt" || m.RecipientID != string(w.tenant.CVR) ||
		m.ContactPoint != w.tenant.DPOContactPoint || m.Person.Actor.ID != record0("nancy").ID || len(m.Answers) != 0 {
		t.Errorf("got %q, %v", text, err)
	}
	for range 2 { // the second answer is 404: the matter is closed
		if err := box.Answer(t.Context(), "engdal", id, false); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.sim.Undelivered("system-engdal"); n != 0 || w.sim.Stats().Answered != 1 {
		t.Errorf("%d still wait", n)
	}
}

func TestAMessageThatIsListedAfterItsReceiptIsDeleted(t *testing.T) {
	w, box := receiving(t)
	w.sim.SetFaults(digitalposttest.Faults{KeepAnswered: true})
	id := w.write(t, nil)
	for _, step := range []struct {
		listed bool
		left   int
	}{{false, 1}, {false, 1}, {true, 0}, {true, 0}} { // the second receipt is 409, the second deletion 404
		if err := box.Answer(t.Context(), "engdal", id, step.listed); err != nil {
			t.Fatal(err)
		}
		if n := w.sim.Undelivered("system-engdal"); n != step.left {
			t.Errorf("%d wait, want %d", n, step.left)
		}
	}
}

func TestATornMessageIsAnError(t *testing.T) {
	w, box := receiving(t)
	w.sim.SetFaults(digitalposttest.Faults{TornMemos: 1, UnavailableLists: 1})
	id := w.write(t, nil)
	if _, err := box.Waiting(t.Context(), "engdal"); err == nil {
		t.Error("a 503 passed for an empty list")
	}
	if err := box.Fetch(t.Context(), "engdal", id, io.Discard); err == nil {
		t.Error("a torn message passed for a whole one")
	}
	if err := box.Fetch(t.Context(), "engdal", id, io.Discard); err != nil {
		t.Error(err)
	}
	if err := box.Fetch(t.Context(), "engdal", strings.Replace(id, id[:4], "0000", 1), io.Discard); err == nil {
		t.Error("an unknown message was fetched")
	}
}

func TestOnlyTheSystemBehindTheContactPointSeesAMessage(t *testing.T) {
	w, box := receiving(t)
	w.write(t, func(l *digitalposttest.Letter) { l.ContactPoint = w.tenant.ContactPoint })
	if ids, err := box.Waiting(t.Context(), "engdal"); err != nil || len(ids) != 0 {
		t.Errorf("got %v, %v", ids, err)
	}
	if box.Serves("fjordby") {
		t.Error("a tenant without a system is served")
	}
}

func TestAContactPointHasItsOwnLimits(t *testing.T) {
	w, _ := receiving(t)
	for _, bend := range []func(*digitalposttest.Letter){
		func(l *digitalposttest.Letter) { l.Text = strings.Repeat("x", 1<<20+1) },
		func(l *digitalposttest.Letter) {
			l.Files = []digitalposttest.Attached{{Name: "a.txt", MediaType: "text/plain", Content: []byte("a")}, {Name: "b.txt", MediaType: "text/plain", Content: []byte("b")}, {Name: "c.txt", MediaType: "text/plain", Content: []byte("c")}}
		},
	} {
		l := digitalposttest.Letter{From: record0("nancy"), To: w.tenant.CVR, ContactPoint: w.tenant.DPOContactPoint, Subject: "x", Text: "y"}
		bend(&l)
		if _, err := w.sim.Write(l); err == nil || !strings.Contains(err.Error(), "sim.contact.point") {
			t.Errorf("got %v", err)
		}
	}
}

func TestWhatIsNotALetterIsUnreadable(t *testing.T) {
	_, box := receiving(t)
	for name, text := range map[string]string{
		"not XML": "hello", "another root": `<x xmlns="https://DigitalPost.dk/MeMo-1"/>`, "nothing": "", "a torn one": `<memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1" memoVersion="1.2">`,
	} {
		_, err := box.ReadMail(strings.NewReader(text), nil)
		if _, ok := err.(*mailroom.Unreadable); !ok { //nolint:errorlint // exactly this
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAReplyContinuesTheThreadOfWhatItAnswers(t *testing.T) {
	w, box := receiving(t)
	// The citizen answers a letter of ours, and we answer that.
	first := w.job(w.Registered)
	first.SenderContactPoint = w.tenant.DPOContactPoint
	w.send(t, first)
	id := w.write(t, func(l *digitalposttest.Letter) { l.Answers = first.MessageID })
	var raw bytes.Buffer
	if err := box.Fetch(t.Context(), "engdal", id, &raw); err != nil {
		t.Fatal(err)
	}
	m, err := box.ReadMail(&raw, nil)
	if err != nil || len(m.Answers) == 0 || m.Answers[0] != first.MessageID {
		t.Fatalf("got %v, %v", m.Answers, err)
	}
	j := w.job(w.Registered)
	j.SenderContactPoint, j.Thread = w.tenant.DPOContactPoint, m.Thread
	w.send(t, j)
	x, err := w.sim.XML(j.MessageID)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	sent, err := memo.Read(x, memo.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := sent.Header.Replies
	if len(log) != 3 || log[0].MessageUUID != j.MessageID || log[1].MessageUUID != id || log[1].ReplyUUID != j.MessageID ||
		log[2].MessageUUID != first.MessageID || log[2].ReplyUUID != id {
		t.Errorf("the thread is broken: %d entries", len(log))
	}
	if got := sent.Header.Answered(); len(got) != 2 || got[0] != id {
		t.Errorf("answers %v", got)
	}
}

func TestABrokenThreadIsForGood(t *testing.T) {
	w, _ := receiving(t)
	j := w.job(w.Registered)
	j.Thread = []byte("{")
	if err := w.client.Render(t.Context(), j, io.Discard); err == nil || !strings.Contains(err.Error(), "permanent") {
		t.Errorf("got %v", err)
	}
}

// pushes is a world whose system has its messages and receipts pushed to h.
func pushes(t *testing.T, h http.Handler) (*world, *http.Client) {
	t.Helper()
	ca := newAuthority(t)
	server := httptest.NewUnstartedServer(h)
	server.TLS = digitalposttest.TLS(ca.leaf(t), ca.pool)
	server.StartTLS()
	t.Cleanup(server.Close)
	w := newWorld(t, func(c *digitalposttest.Config) {
		s := c.Systems["system-engdal"]
		s.Endpoint, s.ReceiptEndpoint = server.URL+"/digitalpost/engdal/memos", server.URL+"/digitalpost/engdal/receipts"
		c.Systems["system-engdal"] = s
		for cvr, points := range c.Authorities {
			for i := range points {
				if points[i].ID == cvrTenant(cvr).DPOContactPoint {
					points[i].System = "system-engdal"
				}
			}
		}
	})
	return w, ca.client(t)
}

type mailKept struct {
	tenant post.TenantID
	id     string
	size   int
}

func TestPushedMessagesAreAnsweredOnlyOnceTheyAreKept(t *testing.T) {
	var kept []mailKept
	failing := true
	known := &peers{}
	r, err := digitalpost.NewReceiver(digitalpost.PushConfig{
		Tenants: []post.TenantID{"engdal"}, Peer: known.peer, Log: quiet(),
		Memos: func(_ context.Context, tenant post.TenantID, id string, m io.Reader) error {
			b, err := io.ReadAll(m)
			if failing || err != nil {
				return io.ErrClosedPipe
			}
			kept = append(kept, mailKept{tenant, id, len(b)})
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w, client := pushes(t, r)
	id := w.write(t, nil)
	known.any = false
	if n := w.sim.Push(t.Context(), client); n != 0 || len(kept) != 0 {
		t.Error("a stranger's certificate was let in")
	}
	known.any = true
	if n := w.sim.Push(t.Context(), client); n != 0 || len(kept) != 0 {
		t.Error("200 without a commit")
	}
	failing = false
	if n := w.sim.Push(t.Context(), client); n != 1 || len(kept) != 1 || kept[0].id != id || kept[0].tenant != "engdal" || kept[0].size < 500 {
		t.Errorf("%d taken, %+v", n, kept)
	}
	if n := w.sim.Push(t.Context(), client); n != 0 {
		t.Error("it was pushed again")
	}
}

func TestPushesThatCannotBeUnderstoodAreRefused(t *testing.T) {
	known := &peers{any: true}
	r, err := digitalpost.NewReceiver(digitalpost.PushConfig{
		Tenants: []post.TenantID{"engdal"}, Peer: known.peer, Log: quiet(),
		Memos: func(context.Context, post.TenantID, string, io.Reader) error { t.Error("kept"); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	form := func(name, file string) (string, string) {
		return "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + file + "\"\r\n\r\nx\r\n--b--\r\n"
	}
	for _, c := range []struct {
		name, path string
		kind, body string
		want       int
	}{
		{name: "no form", path: "/digitalpost/engdal/memos", kind: "application/xml", body: "<x/>", want: 400},
		{name: "no part named file", path: "/digitalpost/engdal/memos", want: 400},
		{name: "no id", path: "/digitalpost/engdal/memos", want: 400},
		{name: "another tenant", path: "/digitalpost/fjordby/memos", want: 404},
		{name: "receipts are not taken here", path: "/digitalpost/engdal/receipts", want: 404},
	} {
		switch c.name {
		case "no part named file":
			c.kind, c.body = form("other", "0b1e2f3a-0000-4000-8000-000000000001.xml")
		case "no id":
			c.kind, c.body = form("file", "../../etc/passwd")
		}
		q := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
		q.Header.Set("Content-Type", c.kind)
		q.TLS = verifiedBy(t)
		rec := httptest.NewRecorder()
		if r.ServeHTTP(rec, q); rec.Code != c.want {
			t.Errorf("%s: %d", c.name, rec.Code)
		}
	}
}

func TestAMessageThatEndsWithTheConnectionIsFetchedWholeOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		name, body string
		whole      bool
	}{
		{"cut", `<memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1"><memo:MessageHeader>`, false},
		{"whole", `<memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1"></memo:Message>` + "\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, box := receiving(t)
			w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				conn, out, err := http.NewResponseController(rw).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n" + c.body)
				_ = out.Flush()
			})
			var b bytes.Buffer
			if err := box.Fetch(t.Context(), "engdal", "0b1e2f3a-0000-4000-8000-000000000001", &b); (err == nil) != c.whole {
				t.Errorf("%d bytes, %v", b.Len(), err)
			}
		})
	}
}

// TestWhatIsXMLInAnotherEncodingComes: a message in UTF-16 is one, whatever the
// reader says of it. Refused as a page for people it would be asked for again for
// ever.
func TestWhatIsXMLInAnotherEncodingComes(t *testing.T) {
	wide := func(s string, big bool, mark string) string {
		b := []byte(mark)
		for _, c := range utf16.Encode([]rune(s)) {
			if big {
				b = binary.BigEndian.AppendUint16(b, c)
			} else {
				b = binary.LittleEndian.AppendUint16(b, c)
			}
		}
		return string(b)
	}
	const message = `<?xml version="1.0" encoding="UTF-16"?><memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1">æ</memo:Message>` + "\n"
	const page = "<!DOCTYPE html><html>Driftsforstyrrelse</html>"
	for _, c := range []struct {
		name, body string
		comes      bool
	}{
		{"big end first", wide(message, true, "\xfe\xff"), true},
		{"little end first", wide(message, false, "\xff\xfe"), true},
		{"without a mark", wide(message, false, ""), true},
		{"a page", wide(page, true, "\xfe\xff"), false},
		{"a page the other way", wide(page, false, "\xff\xfe"), false},
		{"only a mark", "\xfe\xff", false},
		{"zeros", strings.Repeat("\x00", 1000), false},
	} {
		for _, framed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, framed %v", c.name, framed), func(t *testing.T) {
				w, box := receiving(t)
				w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					if framed {
						_, _ = io.WriteString(rw, c.body)
						return
					}
					conn, out, err := http.NewResponseController(rw).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					_, _ = out.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + c.body)
					_ = out.Flush()
				})
				var b bytes.Buffer
				err := box.Fetch(t.Context(), "engdal", "0b1e2f3a-0000-4000-8000-000000000001", &b)
				if (err == nil) != c.comes || c.comes && b.String() != c.body {
					t.Errorf("%d bytes, %v", b.Len(), err)
				}
				if !c.comes {
					return
				}
				_, err = box.ReadMail(&b, nil)
				if _, ok := err.(*mailroom.Unreadable); !ok { //nolint:errorlint // exactly this
					t.Errorf("read: %v", err)
				}
			})
		}
	}
}

// TestAPageOfTheListThatFailsHidesNoneBeforeIt: what the first pages list is
// fetched though a later one cannot be had.
func TestAPageOfTheListThatFailsHidesNoneBeforeIt(t *testing.T) {
	w, box := receiving(t)
	for _, bad := range []func(http.ResponseWriter){
		func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusInternalServerError) },
		func(rw http.ResponseWriter) { _, _ = io.WriteString(rw, "<html>") },
		func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") != "0" {
				bad(rw)
				return
			}
			ids := make([]string, 100)
			for i := range ids {
				ids[i] = post.NewID()
			}
			_ = json.NewEncoder(rw).Encode(map[string]any{"content": ids})
		})
		if ids, err := box.Waiting(t.Context(), "engdal"); err == nil || len(ids) != 100 {
			t.Errorf("%d ids, %v", len(ids), err)
		}
	}
}
