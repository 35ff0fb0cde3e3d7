package printhouse_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// far is a print house behind a door.
type far struct {
	*world
	door *printhousetest.Door
	root string
}

// farWorld is a print house in root, reached as c says: c names folders as the
// other machine sees them.
func farWorld(t *testing.T, root string, c printhouse.Config) *world {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c.Recipients, c.Log = []age.Recipient{key.Recipient()}, slog.New(slog.NewTextHandler(io.Discard, nil))
	w := &world{paper: filepath.Join(root, "paper"), cfg: c}
	w.sim, err = printhousetest.New(printhousetest.Config{
		Jobs: filepath.Join(root, "jobs"), Events: filepath.Join(root, "events"), Dir: w.paper,
		Identities: []age.Identity{key}, Log: c.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.house, err = printhouse.New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.house.Close() })
	w.World = w.world()
	w.Tenant = persona.Tenants()[0]
	return w
}

func newFar(t *testing.T, change func(*printhouse.Config)) *far {
	t.Helper()
	root, key := t.TempDir(), newKey(t)
	door, err := printhousetest.OpenDoor(printhousetest.DoorConfig{Root: root, Client: key.PublicKey(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := door.Close(); err != nil {
			t.Error(err)
		}
	})
	c := printhouse.Config{Out: "/jobs", Events: "/events", SFTP: &printhouse.SFTP{
		Address: door.Address(), User: "engdal", HostKeys: []ssh.PublicKey{door.HostKey()}, Key: key, Timeout: time.Minute,
	}}
	if change != nil {
		change(&c)
	}
	return &far{farWorld(t, root, c), door, root}
}

// jobs returns what lies in the folder besides the markers.
func (f *far) jobs(t *testing.T) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(f.root, "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".taken" {
			all = append(all, e.Name())
		}
	}
	return all
}

func TestPrintHouseOverSFTPKeepsTheSamePromises(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World { return newFar(t, nil).World })
}

func TestPrintHouseWithoutHardLinksKeepsTheSamePromises(t *testing.T) {
	if err := sftp.SetSFTPExtensions(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sftp.SetSFTPExtensions("posix-rename@openssh.com", "hardlink@openssh.com"); err != nil {
			t.Fatal(err)
		}
	}()
	suite.Run(t, func(t *testing.T) suite.World {
		f := newFar(t, nil)
		t.Cleanup(func() {
			if f.door.Calls("Link") != 0 {
				t.Error("it linked where nothing says that it may")
			}
		})
		return f.World
	})
}

// TestSilenceBecomesTheCarefulVerdict is the table of docs/carriers.md: only the
// request that gives the job its name can leave a doubt.
func TestSilenceBecomesTheCarefulVerdict(t *testing.T) {
	refused := errors.New("disk full")
	for _, c := range []struct {
		name    string
		fault   printhousetest.Fault
		verdict dispatch.Verdict
		code    string
		lies    bool // the job lies there afterwards
	}{
		{"the first question is cut off", printhousetest.Fault{Step: "Lstat"}, dispatch.NotTaken, "connection-broken", false},
		{"the folder may not be looked into", printhousetest.Fault{Step: "Lstat", Err: os.ErrPermission}, dispatch.NotTaken, "folder", false},
		{"the file may not be made", printhousetest.Fault{Step: "Put", Err: os.ErrPermission}, dispatch.NotTaken, "folder", false},
		{"cut before the file is made", printhousetest.Fault{Step: "Put"}, dispatch.NotTaken, "connection-broken", false},
		{"cut after the file was made", printhousetest.Fault{Step: "Put", Done: true}, dispatch.NotTaken, "connection-broken", false},
		{"cut while the bytes go out", printhousetest.Fault{Step: "Write"}, dispatch.NotTaken, "connection-broken", false},
		{"no room for the bytes", printhousetest.Fault{Step: "Write", Err: refused}, dispatch.NotTaken, "folder", false},
		{"cut before the name is given", printhousetest.Fault{Step: "Link"}, dispatch.Unknown, "connection-broken", false},
		{"cut after the name was given", printhousetest.Fault{Step: "Link", Done: true}, dispatch.Unknown, "connection-broken", true},
		{"the name is refused", printhousetest.Fault{Step: "Link", Err: refused}, dispatch.NotTaken, "folder", false},
		{"the name is refused, and yet given", printhousetest.Fault{Step: "Link", Done: true, Err: refused}, dispatch.Taken, "duplicate", true},
		{"cut after the job is out", printhousetest.Fault{Step: "Remove"}, dispatch.Taken, "published", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFar(t, nil)
			j := f.Job()
			form := suite.Form(t, f.house, j)
			f.door.Break(c.fault)
			o := f.house.HandOver(t.Context(), j, form)
			if o.Verdict != c.verdict || o.Code != c.code || o.At.IsZero() {
				t.Errorf("got %s %q, want %s %q", o.Verdict, o.Code, c.verdict, c.code)
			}
			if _, err := os.Stat(filepath.Join(f.root, "jobs", j.MessageID+".job.age")); (err == nil) != c.lies {
				t.Errorf("the job lies there: %t", err == nil)
			}
			if o = f.house.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken { // over a new connection
				t.Errorf("then: %s %q", o.Verdict, o.Code)
			}
			if n, err := f.sim.Step(t.Context()); n != 1 || err != nil {
				t.Errorf("printed %d times, %v", n, err)
			}
		})
	}
}

func TestADoorThatHangsIsGivenUp(t *testing.T) {
	for step, want := range map[string]dispatch.Verdict{"Lstat": dispatch.NotTaken, "Write": dispatch.NotTaken, "Link": dispatch.Unknown} {
		t.Run(step, func(t *testing.T) {
			// A busy machine needs its time to come as far as the step that hangs.
			for patience := 300 * time.Millisecond; ; patience *= 2 {
				f := newFar(t, func(c *printhouse.Config) { c.SFTP.Timeout = patience })
				j := f.Job()
				form := suite.Form(t, f.house, j)
				f.door.Break(printhousetest.Fault{Step: step, Hang: true})
				o := f.house.HandOver(t.Context(), j, form)
				if f.door.Calls(step) == 0 && patience < time.Minute {
					continue
				}
				if o.Verdict != want || o.Code != "timeout" {
					t.Errorf("got %s %q", o.Verdict, o.Code)
				}
				return
			}
		})
	}
}

func TestToldToStopWhileTheNameIsGivenIsADoubt(t *testing.T) {
	f := newFar(t, nil)
	j := f.Job()
	form := suite.Form(t, f.house, j)
	ctx, stop := context.WithCancel(t.Context())
	f.door.Break(printhousetest.Fault{Step: "Link", Hang: true})
	go func() {
		for f.door.Calls("Link") == 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	if o := f.house.HandOver(ctx, j, form); o.Verdict != dispatch.Unknown {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
}

func TestNobodyElsesMachineGetsALetter(t *testing.T) {
	f := newFar(t, func(c *printhouse.Config) { c.SFTP.HostKeys = []ssh.PublicKey{newKey(t).PublicKey()} })
	j := f.Job()
	if o := f.send(t, j); o.Verdict != dispatch.NotTaken || o.Code != "host-key" {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
	if _, err := f.house.Waiting(t.Context()); err == nil {
		t.Error("it took receipts from a machine that it does not know")
	}
	if f.door.Calls("Lstat")+f.door.Calls("List") != 0 {
		t.Error("something was said to it")
	}
}

func TestARefusedKeyAndAClosedDoorTakeNothing(t *testing.T) {
	f := newFar(t, func(c *printhouse.Config) { c.SFTP.Key = newKey(t) })
	if o := f.send(t, f.Job()); o.Verdict != dispatch.NotTaken || o.Code != "auth.unauthorized" {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f = newFar(t, func(c *printhouse.Config) { c.SFTP.Address = l.Addr().String() })
	if o := f.send(t, f.Job()); o.Verdict != dispatch.NotTaken || o.Code != "no-connection" {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
}

func TestAnIdleConnectionThatDiedIsReplaced(t *testing.T) {
	f := newFar(t, nil)
	for range 3 {
		if o := f.send(t, f.Job()); o.Verdict != dispatch.Taken || o.Code != "published" {
			t.Fatalf("got %s %q", o.Verdict, o.Code)
		}
		f.door.Cut()
	}
	if n := len(f.jobs(t)); n != 3 {
		t.Errorf("%d jobs", n)
	}
}

func TestManyWorkersOverSFTPPublishOnce(t *testing.T) {
	f := newFar(t, nil)
	j := f.Job()
	form := suite.Form(t, f.house, j)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if o := f.house.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
				t.Errorf("got %+v", o)
			}
		})
	}
	all.Wait()
	if names := f.jobs(t); len(names) != 1 {
		t.Errorf("the folder holds %v", names)
	}
}

func TestALargeJobArrivesWhole(t *testing.T) {
	f := newFar(t, nil)
	j := f.Job()
	j.Documents[0] = suite.Document(append(suite.PDF(1), bytes.Repeat([]byte("% a comment that no printer prints\n"), 100_000)...))
	if o := f.send(t, j); o.Verdict != dispatch.Taken {
		t.Fatalf("got %s %q", o.Verdict, o.Code)
	}
	f.Nudge(t)
	if got, err := f.sim.Job(j.MessageID); err != nil || got.State != printhouse.EventPrinting {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAnotherMachinesClockIsNotTrusted: a half event that was written on a
// machine whose clock lags is not taken for a finished one.
func TestAnotherMachinesClockIsNotTrusted(t *testing.T) {
	now := time.Now()
	f := newFar(t, func(c *printhouse.Config) { c.Now = func() time.Time { return now } })
	path := filepath.Join(f.root, "events", "e1.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		past := now.Add(-time.Hour)
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func() int {
		all, err := f.house.Waiting(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	write(`{"event_id":"e1","job`)
	if waiting() != 0 {
		t.Fatal("a file of this very moment was read as finished")
	}
	now = now.Add(40 * time.Second)
	write(`{"event_id":"e1","job_id"`)
	now = now.Add(40 * time.Second)
	first, again := waiting(), waiting()
	if first != 0 || again != 0 {
		t.Fatal("it grew, and was read as finished")
	}
	now = now.Add(61 * time.Second)
	all, err := f.house.Waiting(t.Context())
	if err != nil || len(all) != 1 || all[0].Kind != track.Unreadable {
		t.Fatalf("got %+v, %v", all, err)
	}
	for range 2 {
		if err := f.house.Forget(t.Context(), all[0]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(f.root, "events", "unreadable", "e1.json")); err != nil {
		t.Error(err)
	}
}

func TestReceiptsAreSafeBeforeTheyGo(t *testing.T) {
	for _, step := range []string{"Put", "Remove"} {
		f := newFar(t, nil)
		j := f.Job()
		f.send(t, j)
		f.Nudge(t)
		all, err := f.house.Waiting(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("got %d, %v", len(all), err)
		}
		f.door.Break(printhousetest.Fault{Step: step})
		if err := f.house.Forget(t.Context(), all[0]); err == nil {
			t.Errorf("%s: cut off, and called done", step)
		}
		again, err := f.house.Waiting(t.Context())
		if err != nil || len(again) != 1 || again[0].EventID != all[0].EventID {
			t.Fatalf("%s: the receipt is gone: %d, %v", step, len(again), err)
		}
		if err := f.house.Forget(t.Context(), again[0]); err != nil {
			t.Fatal(err)
		}
		if o := f.send(t, j); o.Verdict != dispatch.Taken || o.Code != "duplicate" || len(f.jobs(t)) != 0 {
			t.Errorf("%s: got %+v with %v", step, o, f.jobs(t))
		}
	}
}

func TestHostKeysAreReadWithCare(t *testing.T) {
	key := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(newKey(t).PublicKey())))
	for _, c := range []struct {
		text string
		want int // keys; 0: refused
	}{
		{key + "\n", 1},
		{"# of 2026\n\n" + key + " root@print\n" + key + "\n", 2},
		{"[print.example]:22 " + key + "\n", 1},
		{"", 0},
		{"ssh-ed25519 AAAA\n", 0},
		{"@revoked * " + key + "\n", 0},
		{"@cert-authority * " + key + "\n", 0},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := printhouse.ReadHostKeys(path)
		if len(keys) != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%q: got %d, %v", c.text, len(keys), err)
		}
	}
}

func TestSFTPNamesEveryGap(t *testing.T) {
	_, err := printhouse.New(printhouse.Config{SFTP: &printhouse.SFTP{Address: "print.example"}})
	for _, gap := range []string{"Address", "User", "HostKeys", "Key", "Recipients"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

func TestAFormThatBreaksOffOverSFTPIsNeverPublished(t *testing.T) {
	for _, c := range []struct {
		err  error
		want dispatch.Verdict
	}{
		{fmt.Errorf("bytes differ: %w", post.ErrPermanent), dispatch.RefusedContent},
		{errors.New("blob store is away"), dispatch.NotTaken},
	} {
		f := newFar(t, nil)
		j := f.Job()
		form := suite.Form(t, f.house, j)
		open := form.Open
		form.Open = func() io.ReadCloser {
			return io.NopCloser(io.MultiReader(io.LimitReader(open(), form.Size-1), failing{c.err}))
		}
		if o := f.house.HandOver(t.Context(), j, form); o.Verdict != c.want {
			t.Errorf("got %+v", o)
		}
		if names := f.jobs(t); len(names) != 0 {
			t.Errorf("the folder holds %v", names)
		}
	}
}
