package printhouse_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

type world struct {
	suite.World
	house *printhouse.House
	sim   *printhousetest.House
	cfg   printhouse.Config
	paper string
}

func newWorld(t *testing.T, fates map[string]printhousetest.Fate) *world {
	t.Helper()
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	dir := t.TempDir()
	w := &world{paper: filepath.Join(dir, "paper")}
	w.cfg = printhouse.Config{
		Out: filepath.Join(dir, "jobs"), Events: filepath.Join(dir, "events"),
		Recipients: []age.Recipient{key.Recipient()}, Log: log,
	}
	if w.house, err = printhouse.New(w.cfg); err != nil {
		t.Fatal(err)
	}
	w.sim, err = printhousetest.New(printhousetest.Config{
		Jobs: w.cfg.Out, Events: w.cfg.Events, Dir: w.paper, Identities: []age.Identity{key}, Fates: fates, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.World = w.world()
	return w
}

// world is what the suite knows of w.
func (w *world) world() suite.World {
	return suite.World{
		House: w.house, Tenant: persona.Tenants()[0], Patience: time.Minute,
		Nudge: func(t *testing.T) {
			t.Helper()
			if _, err := w.sim.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		Report: func(t *testing.T, id string, kind track.Kind) {
			t.Helper()
			if _, err := w.sim.Report(id, printhouse.EventKind(kind), ""); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (w *world) send(t *testing.T, j dispatch.Job) dispatch.Outcome {
	t.Helper()
	return w.house.HandOver(t.Context(), j, suite.Form(t, w.house, j))
}

func (w *world) jobs(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.cfg.Out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSimulatorKeepsThePromisesOfAPrintHouse(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World { return newWorld(t, nil).World })
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := printhouse.New(printhouse.Config{})
	for _, gap := range []string{"Out", "Events", "Recipients", "Log"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

func TestAJobTellsHowToPrintIt(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	var b bytes.Buffer
	if err := w.house.Render(t.Context(), j, &b); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&b)
	h, err := r.Next()
	if err != nil || h.Name != "ticket.json" || h.Uid != 0 || h.Uname != "" || !h.ModTime.Equal(j.CreatedAt) {
		t.Fatalf("got %+v, %v", h, err)
	}
	var ticket printhouse.Ticket
	if err := json.NewDecoder(r).Decode(&ticket); err != nil {
		t.Fatal(err)
	}
	if ticket.JobID != j.MessageID || ticket.Reference != j.Reference || ticket.Pages != 3 || !ticket.Duplex || ticket.Color {
		t.Errorf("got %+v", ticket)
	}
	if got := strings.Join(ticket.Address, "|"); got != "Poul Ravn Holmgaard|Møllestien 12, 1. tv|2690 Engdal" {
		t.Errorf("address %s", got)
	}
	if text, _ := json.Marshal(ticket); bytes.Contains(text, []byte(j.Recipient.ID)) {
		t.Error("the ticket holds the CPR number, which no print house needs")
	}
}

func TestRenderRefusesForGood(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		name string
		want error
		bend func(*dispatch.Job)
	}{
		{"no address", post.FaultNoAddress, func(j *dispatch.Job) { j.Recipient.Address = nil }},
		{"blank lines", post.FaultNoAddress, func(j *dispatch.Job) { j.Recipient.Address = []string{" ", ""} }},
		{"one line only, as of a protected address", post.FaultNoAddress, func(j *dispatch.Job) { j.Recipient.Address = []string{"Adressebeskyttet"} }},
		{"no name", post.FaultNoAddress, func(j *dispatch.Job) { j.Recipient.Name = "" }},
		{"a line wider than the window", post.FaultNoAddress, func(j *dispatch.Job) { j.Recipient.Address[0] = strings.Repeat("a", 49) }},
		{"text instead of PDF", post.FaultNotPrintable, func(j *dispatch.Job) { j.Documents[0].MediaType = "text/plain" }},
		{"something else called PDF", post.FaultNotPrintable, func(j *dispatch.Job) { j.Documents[0] = suite.Document([]byte("hello")) }},
		{"no document", post.FaultNotPrintable, func(j *dispatch.Job) { j.Documents = nil }},
		{"too much to fold", post.FaultPrintTooLarge, func(j *dispatch.Job) { j.Documents[0].Size = 41 << 20 }},
	} {
		j := w.Job()
		c.bend(&j)
		err := w.house.Render(t.Context(), j, io.Discard)
		if !errors.Is(err, c.want) || !errors.Is(err, post.ErrPermanent) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestRealPDFsAreCounted(t *testing.T) {
	names, err := filepath.Glob("../../testdata/pdf/*.pdf")
	if err != nil || len(names) == 0 {
		t.Fatalf("no PDFs: %v", err)
	}
	w := newWorld(t, nil)
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		j := w.Job()
		j.Documents = []dispatch.Document{suite.Document(content)}
		if err := w.house.Render(t.Context(), j, io.Discard); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingInClearLiesInTheFolder(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	w.send(t, j)
	content, err := os.ReadFile(filepath.Join(w.cfg.Out, j.MessageID+".job.age"))
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{j.Recipient.Name, j.Reference, "%PDF", "ticket.json"} {
		if bytes.Contains(content, []byte(clear)) {
			t.Errorf("the job shows %q", clear)
		}
	}
	if names := w.jobs(t); len(names) != 2 { // the job and .taken
		t.Errorf("the folder holds %v", names)
	}
}

func TestAJobIsDeletedOnceItsReceiptIsSafe(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	w.send(t, j)
	w.Nudge(t)
	job := filepath.Join(w.cfg.Out, j.MessageID+".job.age")
	all, err := w.house.Waiting(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("got %d, %v", len(all), err)
	}
	if _, err := os.Stat(job); err != nil {
		t.Fatal("the job went before its receipt was safe")
	}
	if err := w.house.Forget(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(job); !errors.Is(err, os.ErrNotExist) {
		t.Error("the job is still there")
	}
	again, err := printhouse.New(w.cfg) // after a restart it is still known
	if err != nil {
		t.Fatal(err)
	}
	if o := again.HandOver(t.Context(), j, suite.Form(t, again, j)); o.Verdict != dispatch.Taken || o.Code != "duplicate" {
		t.Errorf("got %+v", o)
	}
	if _, err := os.Stat(job); !errors.Is(err, os.ErrNotExist) {
		t.Error("it would be printed twice")
	}
}

func TestManyWorkersWithOneLetterPublishItOnce(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	form := suite.Form(t, w.house, j)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if o := w.house.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
				t.Errorf("got %+v", o)
			}
		})
	}
	all.Wait()
	if n, err := w.sim.Step(t.Context()); n != 1 || err != nil {
		t.Errorf("picked up %d, %v", n, err)
	}
	if names := w.jobs(t); len(names) != 2 {
		t.Errorf("the folder holds %v", names)
	}
}

func TestAFormThatBreaksOffIsNeverPublished(t *testing.T) {
	for _, c := range []struct {
		err  error
		want dispatch.Verdict
	}{
		{fmt.Errorf("bytes differ: %w", post.ErrPermanent), dispatch.RefusedContent},
		{errors.New("blob store is away"), dispatch.NotTaken},
	} {
		w := newWorld(t, nil)
		j := w.Job()
		f := suite.Form(t, w.house, j)
		open := f.Open
		f.Open = func() io.ReadCloser {
			return io.NopCloser(io.MultiReader(io.LimitReader(open(), f.Size-1), failing{c.err}))
		}
		if o := w.house.HandOver(t.Context(), j, f); o.Verdict != c.want {
			t.Errorf("got %+v", o)
		}
		if names := w.jobs(t); len(names) != 1 {
			t.Errorf("the folder holds %v", names)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAFolderThatCannotBeWrittenTakesNothing(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	f := suite.Form(t, w.house, j)
	if err := os.RemoveAll(w.cfg.Out); err != nil {
		t.Fatal(err)
	}
	if o := w.house.HandOver(t.Context(), j, f); o.Verdict != dispatch.NotTaken {
		t.Errorf("got %+v", o)
	}
}

func TestACrashLeavesNothingForEver(t *testing.T) {
	w := newWorld(t, nil)
	old, young := filepath.Join(w.cfg.Out, ".writing-1"), filepath.Join(w.cfg.Out, ".writing-2")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := printhouse.New(w.cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("the young one, which somebody may be writing, is gone")
	}
}

func TestARejectedJobMayBeSentAgain(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	if err := os.WriteFile(filepath.Join(w.cfg.Out, j.MessageID+".job.age"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Nudge(t)
	w.Nudge(t)
	all, err := w.house.Waiting(t.Context())
	if err != nil || len(all) != 1 || all[0].Kind != track.RefusedContent || all[0].Code != "job.unreadable" {
		t.Fatalf("got %+v, %v", all, err)
	}
	if err := w.house.Forget(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	if o := w.send(t, j); o.Verdict != dispatch.Taken || o.Code != "published" {
		t.Fatalf("got %+v", o)
	}
	w.Nudge(t)
	if got, err := w.sim.Job(j.MessageID); err != nil || got.State != printhouse.EventPrinting {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFatesHappenByThemselves(t *testing.T) {
	w := newWorld(t, map[string]printhousetest.Fate{"Poul Ravn Holmgaard": printhousetest.FateReturned})
	j := w.Job()
	w.send(t, j)
	w.Nudge(t)
	all, err := w.house.Waiting(t.Context())
	if err != nil || len(all) != 3 || all[0].Kind != track.Printing || all[2].Kind != track.Returned || all[2].Code != "addressee.unknown" || !printhouse.ValidTracking(all[1].Tracking) {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := w.sim.Report(j.MessageID, printhouse.EventProven, ""); !errors.Is(err, printhousetest.ErrOrder) {
		t.Errorf("what was returned was delivered: %v", err)
	}
}

func TestTheSimulatorRemembersItsJobs(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	w.send(t, j)
	w.Nudge(t)
	key, _ := age.GenerateX25519Identity()
	again, err := printhousetest.New(printhousetest.Config{
		Jobs: w.cfg.Out, Events: w.cfg.Events, Dir: w.paper, Identities: []age.Identity{key},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := again.Step(t.Context()); n != 0 || err != nil {
		t.Errorf("picked up %d, %v", n, err)
	}
	if all := again.Jobs(); len(all) != 1 || all[0].State != printhouse.EventPrinting {
		t.Errorf("got %+v", all)
	}
	if _, err := os.Stat(filepath.Join(w.paper, j.MessageID, "02.pdf")); err != nil {
		t.Error(err)
	}
}

func TestTrackingNumbersAreOfAKind(t *testing.T) {
	for event, want := range map[string]string{
		`"tracking":"RR473124829DK"`:                             "RR473124829DK",
		`"tracking":"rr 473 124 829 dk"`:                         "RR473124829DK",
		`"tracking":"RR473124828DK"`:                             "", // wrong check digit
		`"tracking":"00570712345","tracking_scheme":"s10"`:       "",
		`"tracking":"00570712345","tracking_scheme":"dao"`:       "dao:00570712345",
		`"tracking":"ab-12345","tracking_scheme":"other"`:        "other:AB-12345",
		`"tracking":"00570712345"`:                               "",
		`"tracking":"00570712345","tracking_scheme":"gls"`:       "",
		`"tracking":"<b>12345</b>","tracking_scheme":"other"`:    "",
		`"tracking":"710452-1145 x","tracking_scheme":"unknown"`: "",
	} {
		w := newWorld(t, nil)
		text := `{"event_id":"e1","job_id":"0b1e2f3a-0000-4000-8000-000000000001","kind":"posted","at":"2026-11-22T09:00:00Z",` + event + `}`
		if err := os.WriteFile(filepath.Join(w.cfg.Events, "e1.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := w.house.Waiting(t.Context())
		if err != nil || len(all) != 1 || all[0].Kind != track.Posted || all[0].Tracking != want {
			t.Errorf("%s: got %+v, %v", event, all, err)
		}
	}
}

func TestTrackingVectors(t *testing.T) {
	for serial, check := range map[int]byte{47312482: '9', 12345678: '5', 1: '4', 8: '0', 15: '5', 99999999: '5', 0: '5'} {
		if n := printhouse.TrackingNumber("RR", serial, "DK"); n[10] != check {
			t.Errorf("%d: check digit %c, want %c", serial, n[10], check)
		}
	}
}

func TestEventFilesAreReadWithCare(t *testing.T) {
	const job = "0b1e2f3a-0000-4000-8000-000000000001"
	event := func(id, kind, more string) string {
		return fmt.Sprintf(`{"event_id":%q,"job_id":%q,"kind":%q,"at":"2026-11-22T09:00:00Z"%s}`, id, job, kind, more)
	}
	for _, c := range []struct {
		name, file, text string
		want             track.Kind // "" means not listed
	}{
		{"a member that we do not know", "e1.json", event("e1", "posted", `,"new":[1]`), track.Posted},
		{"half a file", "e2.json", event("e2", "posted", "")[:40], track.Unreadable},
		{"another id than its name", "e3.json", event("e9", "posted", ""), track.Unreadable},
		{"a kind that we do not know", "e4.json", event("e4", "lost", ""), track.Unreadable},
		{"no job", "e5.json", `{"event_id":"e5","kind":"posted","at":"2026-11-22T09:00:00Z"}`, track.Unreadable},
		{"a strange name", "é è.json", event("x", "posted", ""), track.Unreadable},
		{"much too long", "e6.json", event("e6", "posted", "") + strings.Repeat(" ", 70<<10), track.Unreadable},
		{"a hidden file", ".e7.json", event("e7", "posted", ""), ""},
		{"another kind of file", "e8.txt", event("e8", "posted", ""), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			path := filepath.Join(w.cfg.Events, c.file)
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.want == track.Unreadable {
				if early, err := w.house.Waiting(t.Context()); err != nil || len(early) != 0 {
					t.Errorf("a file that may still grow was read: %v %v", early, err)
				}
			}
			past := time.Now().Add(-2 * time.Minute)
			if err := os.Chtimes(path, past, past); err != nil {
				t.Fatal(err)
			}
			all, err := w.house.Waiting(t.Context())
			if err != nil || (c.want == "") != (len(all) == 0) {
				t.Fatalf("got %+v, %v", all, err)
			}
			if c.want == "" {
				return
			}
			if all[0].Kind != c.want || len(all[0].Raw) == 0 {
				t.Errorf("got %+v", all[0])
			}
			if err := w.house.Forget(t.Context(), all[0]); err != nil {
				t.Fatal(err)
			}
			if left, _ := w.house.Waiting(t.Context()); len(left) != 0 {
				t.Error("it is still there")
			}
			if _, err := os.Stat(filepath.Join(w.cfg.Events, "unreadable", c.file)); (err == nil) != (c.want == track.Unreadable) {
				t.Errorf("set aside: %v", err)
			}
		})
	}
}

func TestTrackingNumbers(t *testing.T) {
	for number, want := range map[string]bool{
		"RR473124829DK": true, "RR473124828DK": false, "rr473124829DK": false, "RR47312482DK": false, "": false,
	} {
		if printhouse.ValidTracking(number) != want {
			t.Errorf("%q: want %t", number, want)
		}
	}
	for serial := range 300 {
		if n := printhouse.TrackingNumber("RR", serial*331_777, "DK"); !printhouse.ValidTracking(n) {
			t.Errorf("%s is not valid", n)
		}
	}
}

// ticketOf returns ticket.json of a job as it is rendered.
func ticketOf(t *testing.T, w *world, j dispatch.Job) string {
	t.Helper()
	var b bytes.Buffer
	if err := w.house.Render(t.Context(), j, &b); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&b)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestOnlyATicketOfRegisteredPostSpeaksOfIt: every other one is rendered byte by
// byte as before it could be asked for, or letters under way would not match
// their intents.
func TestOnlyATicketOfRegisteredPostSpeaksOfIt(t *testing.T) {
	w := newWorld(t, nil)
	j := w.Job()
	plain := ticketOf(t, w, j)
	j.Registered = true
	asked := ticketOf(t, w, j)
	if strings.Contains(plain, "registered") {
		t.Errorf("a ticket that nobody asked it of: %s", plain)
	}
	var ticket printhouse.Ticket
	if err := json.Unmarshal([]byte(asked), &ticket); err != nil || !ticket.Registered {
		t.Errorf("not registered: %v", err)
	}
	line := regexp.MustCompile(`\s*"registered": ?true,`)
	if line.ReplaceAllString(asked, "") != plain {
		t.Errorf("it differs in more than that:\n%s\n%s", asked, plain)
	}
}
