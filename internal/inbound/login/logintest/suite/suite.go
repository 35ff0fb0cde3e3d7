// Package suite checks a store of log-ins against the contract of [login.Store].
package suite

import (
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

func h(s string) []byte { b := sha256.Sum256([]byte(s)); return b[:] }

// start is some moment; the database keeps microseconds.
var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func pending(name string) login.Pending {
	return login.Pending{
		ID: "_" + name, Browser: h(name), Tenant: "engdal", Level: login.High, Kind: login.Professional,
		Return: "/ny?x=1", RelayState: "relay", Force: true, StartedAt: start, ExpiresAt: start.Add(10 * time.Minute),
	}
}

func record(id, cookie, name, index string) login.Record {
	return login.Record{
		ID: id, Cookie: h(cookie), Tenant: "engdal", Name: h(name), Index: h(index), Sealed: []byte("sealed"),
		SeenAt: start, EndsAt: start.Add(8 * time.Hour),
	}
}

func used(id string) login.Used { return login.Used{Key: h(id), Until: start.Add(time.Hour)} }

// Run runs every rule against fresh stores.
func Run(t *testing.T, open func(t *testing.T) login.Store) {
	for name, rule := range map[string]func(*testing.T, login.Store){
		"a pending login comes back as it was":                      back,
		"tries are counted and end":                                 tries,
		"an expired login is not found and cannot finish":           expired,
		"a login finishes once":                                     once,
		"an assertion works once, whatever login it answers":        assertion,
		"of many answers at once one wins":                          race,
		"finishing ends the browser's earlier session":              replaces,
		"a session idles out, is kept by use, and has a hard end":   idle,
		"logging off by cookie ends that session only":              byCookie,
		"logging off by name ends the named indexes, or all":        byName,
		"looking at a session does not keep it":                     peek,
		"a session is rewritten while it lives":                     rewrite,
		"a log-off message works once":                              message,
		"an assertion of a session that was ended comes too late":   late,
		"a log-in and its log-off at once leave nobody logged in":   lateRace,
		"starting forgets what has expired and nothing that counts": forgets,
	} {
		t.Run(name, func(t *testing.T) { rule(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func finish(t *testing.T, s login.Store, p login.Pending, u login.Used, r login.Record) error {
	t.Helper()
	return s.FinishLogin(t.Context(), p, u, r, ledger.New("auth.accepted", r.Tenant, r.ID))
}

// in puts a session straight into the store.
func in(t *testing.T, s login.Store, r login.Record) {
	t.Helper()
	p := pending("for-" + r.ID)
	must(t, s.StartLogin(t.Context(), p))
	must(t, finish(t, s, p, used("for-"+r.ID), r))
}

func alive(t *testing.T, s login.Store, cookie string) bool {
	t.Helper()
	_, err := s.TouchSession(t.Context(), h(cookie), start.Add(time.Second), time.Hour)
	if err != nil && !errors.Is(err, post.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func back(t *testing.T, s login.Store) {
	p := pending("a")
	must(t, s.StartLogin(t.Context(), p))
	got, err := s.TryLogin(t.Context(), p.Browser, start, 1)
	must(t, err)
	if string(got.Browser) != string(p.Browser) {
		t.Fatal("browser differs")
	}
	got.Browser, p.Browser = nil, nil
	if got.ID != p.ID || got.Tenant != p.Tenant || got.Level != p.Level || got.Kind != p.Kind || got.Return != p.Return ||
		got.RelayState != p.RelayState || got.Force != p.Force || !got.StartedAt.Equal(p.StartedAt) || !got.ExpiresAt.Equal(p.ExpiresAt) {
		t.Fatalf("got %+v, want %+v", got, p)
	}
}

func tries(t *testing.T, s login.Store) {
	p := pending("a")
	must(t, s.StartLogin(t.Context(), p))
	for range 3 {
		_, err := s.TryLogin(t.Context(), p.Browser, start, 3)
		must(t, err)
	}
	_, err := s.TryLogin(t.Context(), p.Browser, start, 3)
	want(t, err, post.ErrNotFound)
	_, err = s.TryLogin(t.Context(), h("stranger"), start, 3)
	want(t, err, post.ErrNotFound)
}

func expired(t *testing.T, s login.Store) {
	p := pending("a")
	must(t, s.StartLogin(t.Context(), p))
	_, err := s.TryLogin(t.Context(), p.Browser, p.ExpiresAt, 3)
	want(t, err, post.ErrNotFound)
	r := record("1", "c", "n", "i")
	r.SeenAt = p.ExpiresAt
	want(t, finish(t, s, p, used("x"), r), post.ErrStale)
	if alive(t, s, "c") {
		t.Fatal("a session came out of an expired login")
	}
}

func once(t *testing.T, s login.Store) {
	p := pending("a")
	must(t, s.StartLogin(t.Context(), p))
	must(t, finish(t, s, p, used("x"), record("1", "c1", "n", "i")))
	want(t, finish(t, s, p, used("y"), record("2", "c2", "n", "i")), post.ErrStale)
	if !alive(t, s, "c1") || alive(t, s, "c2") {
		t.Fatal("the wrong sessions live")
	}
}

func assertion(t *testing.T, s login.Store) {
	in(t, s, record("1", "c1", "n", "i"))
	p := pending("b")
	must(t, s.StartLogin(t.Context(), p))
	want(t, finish(t, s, p, used("for-1"), record("2", "c2", "n", "i")), post.ErrStale)
	if alive(t, s, "c2") {
		t.Fatal("a replay made a session")
	}
	// Nothing half-done: the login is still there for the genuine answer.
	must(t, finish(t, s, p, used("fresh"), record("3", "c3", "n", "i")))
}

func race(t *testing.T, s login.Store) {
	p := pending("a")
	must(t, s.StartLogin(t.Context(), p))
	var wg sync.WaitGroup
	won := make(chan int, 8)
	for i := range 8 {
		wg.Go(func() {
			r := record(string(rune('a'+i)), string(rune('a'+i)), "n", "i")
			if err := s.FinishLogin(t.Context(), p, used("x"), r, ledger.New("auth.accepted", "", r.ID)); err == nil {
				won <- i
			} else if !errors.Is(err, post.ErrStale) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d answers won", len(won))
	}
}

func replaces(t *testing.T, s login.Store) {
	in(t, s, record("1", "c1", "n", "i"))
	r := record("2", "c2", "n", "j")
	r.Replaces = h("c1")
	in(t, s, r)
	if alive(t, s, "c1") || !alive(t, s, "c2") {
		t.Fatal("the wrong sessions live")
	}
}

func idle(t *testing.T, s login.Store) {
	in(t, s, record("1", "c", "n", "i"))
	touch := func(after time.Duration) error {
		_, err := s.TouchSession(t.Context(), h("c"), start.Add(after), 30*time.Minute)
		return err
	}
	must(t, touch(20*time.Minute))
	must(t, touch(45*time.Minute))
	want(t, touch(76*time.Minute), post.ErrNotFound)
	for at := 70 * time.Minute; at < 8*time.Hour; at += 20 * time.Minute {
		must(t, touch(at))
	}
	want(t, touch(8*time.Hour), post.ErrNotFound)
}

func peek(t *testing.T, s login.Store) {
	in(t, s, record("1", "c", "n", "i"))
	look := func(after time.Duration) error {
		_, err := s.PeekSession(t.Context(), h("c"), start.Add(after), 30*time.Minute)
		return err
	}
	must(t, look(20*time.Minute))
	want(t, look(31*time.Minute), post.ErrNotFound)
	must(t, look(20*time.Minute)) // looking ended nothing either
	want(t, look(8*time.Hour), post.ErrNotFound)
}

func rewrite(t *testing.T, s login.Store) {
	in(t, s, record("1", "c", "n", "i"))
	must(t, s.RewriteSession(t.Context(), h("c"), []byte("anew"), ledger.New("auth.acting", "engdal", "1")))
	r, err := s.PeekSession(t.Context(), h("c"), start, time.Hour)
	must(t, err)
	if string(r.Sealed) != "anew" || r.ID != "1" || !r.EndsAt.Equal(start.Add(8*time.Hour)) {
		t.Fatalf("came back as %q %s", r.Sealed, r.ID)
	}
	want(t, s.RewriteSession(t.Context(), h("stranger"), []byte("x"), ledger.New("auth.acting", "engdal", "2")), post.ErrStale)
}

func byCookie(t *testing.T, s login.Store) {
	in(t, s, record("1", "c1", "n", "i"))
	in(t, s, record("2", "c2", "n", "j"))
	ended, err := s.EndSessions(t.Context(), login.Ending{Cookie: h("c1")}, start)
	must(t, err)
	if len(ended) != 1 || ended[0].ID != "1" || string(ended[0].Sealed) != "sealed" {
		t.Fatalf("ended %d", len(ended))
	}
	if alive(t, s, "c1") || !alive(t, s, "c2") {
		t.Fatal("the wrong sessions live")
	}
	ended, err = s.EndSessions(t.Context(), login.Ending{Cookie: h("c1")}, start)
	must(t, err)
	if len(ended) != 0 {
		t.Fatal("ended twice")
	}
}

func byName(t *testing.T, s login.Store) {
	for _, r := range []login.Record{
		record("1", "c1", "n", "i"), record("2", "c2", "n", "j"), record("3", "c3", "n", "k"), record("4", "c4", "other", "i"),
	} {
		in(t, s, r)
	}
	end := func(msg string, indexes ...[]byte) int {
		u := used(msg)
		ended, err := s.EndSessions(t.Context(), login.Ending{Name: h("n"), Indexes: indexes, Used: &u}, start)
		must(t, err)
		return len(ended)
	}
	if n := end("m1", h("i"), h("j")); n != 2 {
		t.Fatalf("two indexes ended %d", n)
	}
	if n := end("m2"); n != 1 {
		t.Fatalf("no index ended %d", n)
	}
	if n := end("m3"); n != 0 || !alive(t, s, "c4") {
		t.Fatal("somebody else was logged off")
	}
}

func message(t *testing.T, s login.Store) {
	u := used("m")
	_, err := s.EndSessions(t.Context(), login.Ending{Name: h("n"), Used: &u}, start)
	must(t, err)
	in(t, s, record("1", "c1", "n", "i"))
	_, err = s.EndSessions(t.Context(), login.Ending{Name: h("n"), Used: &u}, start)
	want(t, err, post.ErrStale)
	if !alive(t, s, "c1") {
		t.Fatal("a replayed message ended a session")
	}
}

func late(t *testing.T, s login.Store) {
	in(t, s, record("1", "c1", "n", "i"))
	u := used("m")
	_, err := s.EndSessions(t.Context(), login.Ending{Name: h("n"), Indexes: [][]byte{h("i"), h("j")}, Used: &u, Late: start.Add(time.Hour)}, start)
	must(t, err)
	p := pending("a")
	must(t, s.StartLogin(t.Context(), p))
	for _, index := range []string{"i", "j"} { // also one that had no session here
		want(t, finish(t, s, p, used("held back"), record("2", "c2", "n", index)), post.ErrStale)
	}
	if alive(t, s, "c1") || alive(t, s, "c2") {
		t.Fatal("a session lives that the provider has ended")
	}
	// Nothing half-done, and neither the person's next session nor anybody else is barred.
	must(t, finish(t, s, p, used("held back"), record("3", "c3", "n", "k")))
	in(t, s, record("4", "c4", "other", "i"))
	// A message without indexes ends what is there; a new log-in is none of it.
	u = used("m2")
	_, err = s.EndSessions(t.Context(), login.Ending{Name: h("n"), Used: &u, Late: start.Add(time.Hour)}, start)
	must(t, err)
	in(t, s, record("5", "c5", "n", "l"))
	after := record("6", "c6", "n", "i")
	p = pending("later")
	p.StartedAt, p.ExpiresAt, after.SeenAt = start.Add(time.Hour), start.Add(2*time.Hour), start.Add(time.Hour)
	must(t, s.StartLogin(t.Context(), p))
	must(t, finish(t, s, p, used("later"), after))
}

func lateRace(t *testing.T, s login.Store) {
	for i := range 8 {
		name := "n" + string(rune('a'+i))
		p := pending(name)
		must(t, s.StartLogin(t.Context(), p))
		var wg sync.WaitGroup
		wg.Go(func() {
			r := record(name, name, name, "i")
			if err := s.FinishLogin(t.Context(), p, used(name), r, ledger.New("auth.accepted", "", r.ID)); err != nil && !errors.Is(err, post.ErrStale) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			u := used("end " + name)
			if _, err := s.EndSessions(t.Context(), login.Ending{Name: h(name), Indexes: [][]byte{h("i")}, Used: &u, Late: start.Add(time.Hour)}, start); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if alive(t, s, name) {
			t.Fatal("a session lives that the provider has ended")
		}
	}
}

func forgets(t *testing.T, s login.Store) {
	in(t, s, record("1", "c1", "n", "i"))
	p := pending("later")
	p.StartedAt = start.Add(30 * time.Minute)
	p.ExpiresAt = p.StartedAt.Add(10 * time.Minute)
	must(t, s.StartLogin(t.Context(), p))
	want(t, finish(t, s, p, used("for-1"), record("2", "c2", "n", "i")), post.ErrStale)
	if !alive(t, s, "c1") {
		t.Fatal("a living session was forgotten")
	}
}

// RunArchive runs the rules of [login.ArchiveStore] against fresh stores.
func RunArchive(t *testing.T, open func(t *testing.T) login.ArchiveStore) {
	s := open(t)
	for i := range 5 {
		at := start.Add(time.Duration(i) * time.Hour)
		must(t, s.KeepMessage(t.Context(), login.Sealed{
			ID: string(rune('a' + i)), At: at, Out: i%2 == 0, Kind: "Response", Request: "_x", Outcome: login.Accepted,
			Body: []byte("sealed"), ExpiresAt: at.Add(login.KeepMessages),
		}))
	}
	purge := func(now time.Time, n, want int) {
		t.Helper()
		got, err := s.PurgeMessages(t.Context(), now, n)
		must(t, err)
		if got != want {
			t.Fatalf("%d messages went, want %d", got, want)
		}
	}
	end := start.Add(login.KeepMessages)
	purge(end.Add(-time.Microsecond), 10, 0)
	purge(end, 10, 1) // day 180 is over
	purge(end.Add(3*time.Hour), 2, 2)
	purge(end.Add(3*time.Hour), 2, 1)
	purge(end.Add(3*time.Hour), 2, 0)
	purge(end.Add(4*time.Hour), 2, 1)
}
