package digitalpost_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func TestSimulatorKeepsThePromisesOfDigitalPost(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		return newWorld(t, func(c *digitalposttest.Config) { c.Delay = 30 * time.Millisecond }).World
	})
}

func TestSimulatorKeepsThePromisesOfTheRecipientSide(t *testing.T) {
	suite.RunMail(t, func(t *testing.T) suite.World {
		w, box := receiving(t)
		w.Mailbox = box
		return w.World
	})
}

func TestSimulatorKeepsThePromisesOfContainers(t *testing.T) {
	suite.RunContainers(t, func(t *testing.T) suite.World {
		w := newWorld(t, nil)
		w.Containers = w.client
		return w.World
	})
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := digitalpost.New(digitalpost.Config{BaseURL: "http://example.dk"})
	for _, gap := range []string{"BaseURL", "Certificate", "Systems", "Log"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

func TestWhatWasHandedOverIsKeptExactlyAsRendered(t *testing.T) {
	var dir string
	w := newWorld(t, func(c *digitalposttest.Config) { dir, c.Files = c.Dir, true })
	j := w.job(w.Registered)
	form := suite.Form(t, w.client, j)
	if o := w.client.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken || o.Transmission == "" {
		t.Fatalf("got %+v", o)
	}
	got, err := os.ReadFile(filepath.Join(dir, j.MessageID+".xml"))
	if err != nil || sha256.Sum256(got) != form.SHA256 {
		t.Errorf("kept bytes differ from those rendered: %v", err)
	}
}

func TestALargeFormAsksBeforeItUploads(t *testing.T) {
	w := newWorld(t, nil)
	j := w.job(w.Registered)
	j.Documents = append(j.Documents, suite.Document("stor.pdf", "application/pdf", bytes.Repeat([]byte("x"), 3<<20)))
	f := suite.Form(t, w.client, j)
	read := &counted{}
	open := f.Open
	f.Open = func() io.ReadCloser { read.ReadCloser = open(); return read }
	w.sim.SetFaults(digitalposttest.Faults{Unavailable: 1})
	if o := w.client.HandOver(t.Context(), j, f); o.Verdict != dispatch.NotTaken || read.n != 0 {
		t.Errorf("got %s, %d bytes left the house", o.Verdict, read.n)
	}
	if o := w.client.HandOver(t.Context(), j, f); o.Verdict != dispatch.Taken {
		t.Errorf("got %+v", o)
	}
}

type counted struct {
	io.ReadCloser
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += n
	return n, err
}

func TestAnOutcomeIsNeverAGuess(t *testing.T) {
	for _, c := range []struct {
		name    string
		faults  digitalposttest.Faults
		want    dispatch.Verdict
		code    string
		carrier int // messages that it has afterwards
	}{
		{"an answer that never came leaves the outcome unknown", digitalposttest.Faults{DropReplies: 1}, dispatch.Unknown, "connection-broken", 1},
		{"a 500 after the body leaves the outcome unknown", digitalposttest.Faults{Broken: 1}, dispatch.Unknown, "http.500", 1},
		{"a 503 took nothing", digitalposttest.Faults{Unavailable: 1}, dispatch.NotTaken, "unavailable", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.sim.SetFaults(c.faults)
			j := w.job(w.Registered)
			if o := w.send(t, j); o.Verdict != c.want || o.Code != c.code {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
			if n := w.sim.Stats().Accepted; n != c.carrier {
				t.Errorf("the carrier has %d messages", n)
			}
			if o := w.send(t, j); o.Verdict != dispatch.Taken {
				t.Errorf("sent again under the same id: %s %q", o.Verdict, o.Code)
			}
			if s := w.sim.Stats(); s.Accepted != 1 || s.Differing != 0 || len(w.sim.Box(w.Registered.ID)) != 1 {
				t.Errorf("after both: %+v", s)
			}
		})
	}
}

func TestARefusedDuplicateIsASuccess(t *testing.T) {
	w := newWorld(t, nil)
	w.sim.SetFaults(digitalposttest.Faults{RejectDuplicates: true})
	j := w.job(w.Registered)
	w.send(t, j)
	if o := w.send(t, j); o.Verdict != dispatch.Taken || o.Code != "duplicate" {
		t.Errorf("got %+v", o)
	}
}

func TestManyWorkersWithOneLetterDeliverItOnce(t *testing.T) {
	w := newWorld(t, nil)
	j := w.job(w.Registered)
	form := suite.Form(t, w.client, j)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if o := w.client.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
				t.Errorf("got %+v", o)
			}
		})
	}
	all.Wait()
	if s := w.sim.Stats(); s.Accepted != 1 || s.Duplicates != 7 || len(w.sim.Box(w.Registered.ID)) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestNothingLeftTheHouse(t *testing.T) {
	w := newWorld(t, nil)
	foreign := newAuthority(t)
	for _, c := range []struct {
		name, code string
		bend       func(*digitalpost.Config)
	}{
		{"nobody listens", "no-connection", func(c *digitalpost.Config) { c.BaseURL = "https://127.0.0.1:1/" }},
		{"the name does not resolve", "no-connection", func(c *digitalpost.Config) { c.BaseURL = "https://ngdp.invalid/" }},
		{"the server is not who it should be", "no-connection", func(c *digitalpost.Config) { c.RootCAs = foreign.pool }},
		{"the token is refused", "auth.unauthorized", func(c *digitalpost.Config) {
			c.Systems = map[post.TenantID]digitalpost.System{"engdal": {ID: "system-engdal", Token: "wrong"}}
		}},
		{"the certificate is not the system's", "auth.forbidden", func(c *digitalpost.Config) {
			c.Systems = map[post.TenantID]digitalpost.System{"engdal": {ID: "system-fjordby", Token: "other"}}
		}},
		{"the tenant has no system", "auth.no-system", func(c *digitalpost.Config) {
			c.Systems = map[post.TenantID]digitalpost.System{"fjordby": {ID: "x", Token: "y"}}
		}},
		{"the address is wrong", "sim.path.unknown", func(c *digitalpost.Config) { c.BaseURL = w.server.URL + "/elsewhere/" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := w.config()
			c.bend(&cfg)
			client := w.connect(t, cfg)
			j := w.job(w.Registered)
			if o := client.HandOver(t.Context(), j, suite.Form(t, client, j)); o.Verdict != dispatch.NotTaken || o.Code != c.code {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
			if r := client.Look(t.Context(), w.tenant, w.Registered); r.Answer != dispatch.Unsure {
				t.Errorf("the look-up guessed %s", r.Answer)
			}
		})
	}
	if n := w.sim.Stats().Accepted; n != 0 {
		t.Errorf("the carrier has %d messages", n)
	}
}

func TestACertificateOfAnotherAuthorityIsNotTaken(t *testing.T) {
	w := newWorld(t, nil)
	cfg := w.config()
	cfg.Certificate = newAuthority(t).leaf(t)
	client := w.connect(t, cfg)
	j := w.job(w.Registered)
	o := client.HandOver(t.Context(), j, suite.Form(t, client, j))
	if o.Verdict != dispatch.NotTaken && o.Verdict != dispatch.Unknown { // the refusal may be lost with the connection
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
	if n := w.sim.Stats().Accepted; n != 0 {
		t.Errorf("the carrier has %d messages", n)
	}
}

func TestAFormThatBreaksOffIsNeverTaken(t *testing.T) {
	for _, c := range []struct {
		err  error
		want dispatch.Verdict
	}{
		{fmt.Errorf("bytes differ: %w", post.ErrPermanent), dispatch.RefusedContent},
		{errors.New("blob store is away"), dispatch.NotTaken},
	} {
		w := newWorld(t, nil)
		j := w.job(w.Registered)
		f := suite.Form(t, w.client, j)
		open := f.Open
		f.Open = func() io.ReadCloser {
			return struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(open(), f.Size-1), failing{c.err}), io.NopCloser(nil)}
		}
		if o := w.client.HandOver(t.Context(), j, f); o.Verdict != c.want || o.Code != "form.unreadable" {
			t.Errorf("%v: got %s %q", c.err, o.Verdict, o.Code)
		}
		if n := w.sim.Stats().Accepted; n != 0 {
			t.Errorf("the carrier has %d messages", n)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAnswersAreReadWithCare(t *testing.T) {
	const id = "0b1e2f3a-0000-4000-8000-000000000001"
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   dispatch.Verdict
		code   string
	}{
		{"201 with members that we do not know", 201, `{"receiptStatus":"RECEIVED","messageUUID":"` + strings.ToUpper(id) + `","new":{"a":1}}`, dispatch.Taken, ""},
		{"201 that is not JSON", 201, `<html>`, dispatch.Taken, "answer.unreadable"},
		{"201 about another message", 201, `{"receiptStatus":"RECEIVED","messageUUID":"0b1e2f3a-0000-4000-8000-000000000002"}`, dispatch.Unknown, "answer.other-message"},
		{"200", 200, `{}`, dispatch.Unknown, "http.200"},
		{"a redirect is not followed", 307, ``, dispatch.Unknown, "http.307"},
		{"400 with a code", 400, `{"code":"memo.invalid"}`, dispatch.RefusedContent, "memo.invalid"},
		{"400 with a number in its code", 400, `{"code":"bad 6503851236!"}`, dispatch.RefusedContent, "bad-6503-"},
		{"413", 413, ``, dispatch.RefusedContent, "http.413"},
		{"409", 409, ``, dispatch.Taken, "duplicate"},
		{"400 that knows the message", 400, `{"code":"message.uuid.duplicate"}`, dispatch.Taken, "duplicate"},
		{"400 about a duplicate of something else is not clear", 400, `{"code":"file.name.duplicate"}`, dispatch.Unknown, "file.name.duplicate"},
		{"400 about a duplicate of nobody knows what", 400, `{"code":"memo.duplicate"}`, dispatch.Unknown, "memo.duplicate"},
		{"429", 429, ``, dispatch.NotTaken, "http.429"},
		{"502", 502, ``, dispatch.Unknown, "http.502"},
		{"503 with a receipt", 503, `{"receiptStatus":"RECEIVED"}`, dispatch.Unknown, "unavailable"},
		{"201 that refuses the recipient", 201, `{"receiptStatus":"NOT_ALLOWED","errorCode":"recipient.exempt.not.allowed"}`, dispatch.RefusedRecipient, "recipient.exempt.not.allowed"},
		{"201 that refuses the sender never becomes paper", 201, `{"receiptStatus":"NOT_ALLOWED","errorCode":"sender.not.allowed"}`, dispatch.RefusedContent, "sender.not.allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			var calls int
			w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				calls++
				_, _ = io.Copy(io.Discard, r.Body)
				rw.Header().Set("Location", "/again")
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, c.body)
			}))
			client := w.connect(t, w.config())
			j := w.job(w.Registered)
			j.MessageID = id
			o := client.HandOver(t.Context(), j, suite.Form(t, client, j))
			if o.Verdict != c.want || o.Code != c.code || o.At.IsZero() {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
			if calls != 1 {
				t.Errorf("%d requests", calls)
			}
		})
	}
}

func TestRenderRefusesForGood(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		name string
		want error
		bend func(*dispatch.Job)
	}{
		{"a title that is too long", post.FaultMemoInvalid, func(j *dispatch.Job) { j.Label = strings.Repeat("x", 257) }},
		{"an empty document", post.FaultMemoInvalid, func(j *dispatch.Job) { j.Documents[0].Size = 0 }},
		{"more than Digital Post takes", post.FaultMemoTooLarge, func(j *dispatch.Job) { j.Documents[0].Size = 75_000_000 }},
	} {
		j := w.job(w.Registered)
		c.bend(&j)
		err := w.client.Render(t.Context(), j, io.Discard)
		if !errors.Is(err, c.want) || !errors.Is(err, post.ErrPermanent) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	j := w.job(w.Registered)
	j.Documents[0].Open = func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }
	if err := w.client.Render(t.Context(), j, io.Discard); err == nil || errors.Is(err, post.ErrPermanent) {
		t.Errorf("a store that is away is not for good: %v", err)
	}
}

func TestAnInquiryReachesTheMunicipalitysOwnContactPoint(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		w := newWorld(t, nil)
		cfg := w.config()
		cfg.OriginatorAsSender = swapped
		w.client = w.connect(t, cfg)
		citizen := record0("nancy")
		j := w.job(post.PartyRecord{IDType: "CVR", ID: string(w.tenant.CVR), Name: w.tenant.Name, ContactPoint: w.tenant.ContactPoint})
		j.Originator = &citizen
		if o := w.send(t, j); o.Verdict != dispatch.Taken {
			t.Fatalf("got %+v", o)
		}
		box := w.sim.AuthorityBox(w.tenant.CVR, w.tenant.ContactPoint)
		if len(box) != 1 || len(w.sim.AuthorityBox(w.tenant.CVR, w.tenant.DPOContactPoint)) != 0 {
			t.Fatalf("swapped %t: %d messages in the box", swapped, len(box))
		}
		x, err := w.sim.XML(j.MessageID)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		m, err := memo.Read(x, memo.Limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := m.Header.Sender
		sender, stand := s.ID, s.Representative.ID
		if swapped {
			sender, stand = stand, sender
		}
		if sender != string(w.tenant.CVR) || stand != citizen.ID || m.Header.Content.CPR != citizen.ID || m.Header.Replies[0].SenderID != citizen.ID {
			t.Errorf("swapped %t: the originator is not named", swapped)
		}
	}
}

func TestReceiptsOfOneSystemDoNotWaitForAnother(t *testing.T) {
	w := newWorld(t, nil)
	cfg := w.config()
	cfg.Systems["fjordby"] = digitalpost.System{ID: "system-engdal", Token: "wrong"}
	client := w.connect(t, cfg)
	w.send(t, w.job(w.Registered))
	all, err := client.Waiting(t.Context())
	if err != nil || len(all) != 1 || !strings.Contains(w.log.String(), "receipts not fetched") {
		t.Errorf("got %d, %v", len(all), err)
	}
	delete(cfg.Systems, "engdal")
	if _, err := w.connect(t, cfg).Waiting(t.Context()); err == nil {
		t.Error("no system answered, and that is no error")
	}
}

func TestReceiptsThatDoubleReorderAndStray(t *testing.T) {
	w := newWorld(t, nil)
	w.sim.SetFaults(digitalposttest.Faults{DuplicateReceipts: true, ReorderReceipts: true, StrayReceipts: 1})
	j := w.job(w.Registered)
	w.send(t, j)
	all, err := w.client.Waiting(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("got %d, %v", len(all), err)
	}
	ids := map[string]bool{}
	for _, r := range all {
		ids[r.EventID] = true
		if err := w.client.Forget(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 3 {
		t.Error("event ids are not unique")
	}
	if left, _ := w.client.Waiting(t.Context()); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
}

func TestReceiptsThatCannotBeReadAreKept(t *testing.T) {
	const good = `{"id":"0b1e2f3a-0000-4000-8000-000000000009","messageUUID":"0B1E2F3A-0000-4000-8000-000000000001","timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":"COMPLETED"}`
	w := newWorld(t, nil)
	w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"receipts":[`+good+`,{"id":7},`+strings.Replace(good, "COMPLETED", "SOMETHING", 1)+`,"text"]}`)
	}))
	all, err := w.connect(t, w.config()).Waiting(t.Context())
	if err != nil || len(all) != 4 {
		t.Fatalf("got %d, %v", len(all), err)
	}
	if all[0].Kind != track.Delivered || all[0].MessageID != "0b1e2f3a-0000-4000-8000-000000000001" || all[0].At.Hour() != 9 {
		t.Errorf("got %+v", all[0])
	}
	for _, r := range all[1:] {
		if r.Kind != track.Unreadable || len(r.Raw) == 0 || r.EventID == "" {
			t.Errorf("got %+v", r)
		}
	}
}

func TestANewCompanyIsNotReachableInItsFirstDays(t *testing.T) {
	w := newWorld(t, nil)
	r := w.client.Look(t.Context(), w.tenant, post.PartyRecord{IDType: "CVR", ID: "11223492"})
	if r.Answer != dispatch.Unsure || r.Code != "waiting-period" {
		t.Errorf("got %+v", r)
	}
}

func TestALookupCountsOnlyTheNumberAskedFor(t *testing.T) {
	for _, c := range []struct{ body, code string }{
		{`{"contacts":[]}`, "not-found"},
		{`{"contacts":[{"cprNumber":"7104521145","mailboxSubscription":{"publicRegistrationStatus":"EXEMPT"}}]}`, "answer.other-party"},
		{`{"contacts":[{"cprNumber":"6503851236"}]}`, "no-subscription"},
		{`{"contacts":[{"cprNumber":"6503851236","mailboxSubscription":{"publicRegistrationStatus":"NEW"}}]}`, "UNKNOWN"},
		{`{"contacts":[{"cprNumber":"6503851236"},{"cprNumber":"6503851236"}]}`, "answer.ambiguous"},
		{`not JSON`, "answer.unreadable"},
	} {
		w := newWorld(t, nil)
		w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, c.body) }))
		r := w.connect(t, w.config()).Look(t.Context(), w.tenant, record0("nancy"))
		if r.Answer != dispatch.Unsure || r.Code != c.code {
			t.Errorf("%s: got %+v", c.body, r)
		}
	}
}

func TestNoCPRNumberReachesTheLog(t *testing.T) {
	w := newWorld(t, nil)
	j := w.job(w.Registered)
	w.client.Look(t.Context(), w.tenant, w.Registered)
	w.send(t, j)
	cfg := w.config()
	cfg.BaseURL = "https://127.0.0.1:1/"
	broken := w.connect(t, cfg)
	broken.Look(t.Context(), w.tenant, w.Registered)
	if _, err := broken.Waiting(t.Context()); err == nil || strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("the error holds the URL: %v", err)
	}
	if text := w.log.String(); strings.Contains(text, w.Registered.ID) || strings.Contains(text, "Nancy") {
		t.Errorf("the log holds personal data:\n%s", text)
	}
}

// TestTakenBeforeItWasReadIsNoAnswer: whoever says so has read another letter, or
// none; the same is sent again, which a carrier that has it knows by its id.
func TestTakenBeforeItWasReadIsNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		read   int64 // of the form, before the answer
		want   dispatch.Verdict
		code   string
	}{
		"201 instead of 100":           {201, 0, dispatch.Unknown, "answer.early"},
		"201 in the midst":             {201, 100_000, dispatch.Unknown, "answer.early"},
		"201 when all was read":        {201, 1 << 30, dispatch.Taken, "answer.unreadable"},
		"409 needs no more than an id": {409, 0, dispatch.Taken, "duplicate"},
	} {
		t.Run(name, func(t *testing.T) {
			w, heard := newWorld(t, nil), make(chan struct{})
			w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				control := http.NewResponseController(rw)
				if err := control.EnableFullDuplex(); err != nil {
					t.Error(err)
				}
				if c.read > 0 {
					_, _ = io.CopyN(io.Discard, r.Body, c.read)
				}
				rw.Header().Set("Content-Length", "0")
				rw.WriteHeader(c.status)
				if err := control.Flush(); err != nil {
					t.Error(err)
				}
				<-heard // or the connection would break meanwhile
			}))
			client := w.connect(t, w.config())
			j := w.job(w.Registered)
			j.Documents[0] = suite.Document("brev.txt", "text/plain", bytes.Repeat([]byte("Kære borger"), 1_000_000)) // more than waits in sockets
			o := client.HandOver(t.Context(), j, suite.Form(t, client, j))
			close(heard)
			if o.Verdict != c.want || o.Code != c.code || o.At.IsZero() {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
		})
	}
}
