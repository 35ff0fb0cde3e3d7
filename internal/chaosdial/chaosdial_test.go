package chaosdial_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/chaosdial"
)

var places = []chaosdial.Endpoint{
	{Name: "memos", Answers: true}, {Name: "receipts", Answers: true, News: true}, {Name: "print", News: true},
}

func turn(t *testing.T, d *chaosdial.Dial, seed uint64, name string, s chaosdial.Setting) {
	t.Helper()
	if err := d.Set(chaosdial.State{Seed: seed, Endpoints: map[string]chaosdial.Setting{name: s}}); err != nil {
		t.Fatal(err)
	}
}

func draws(d *chaosdial.Dial, name string, n int, between func()) string {
	var b strings.Builder
	for range n {
		if d.Draw(name).Bent() {
			b.WriteByte('x')
		} else {
			b.WriteByte('.')
		}
		between()
	}
	return b.String()
}

func TestTheSameSeedBendsTheSameCalls(t *testing.T) {
	d := chaosdial.New(1, places...)
	some := chaosdial.Setting{Percent: 30, Status: 503}
	turn(t, d, 7, "memos", some)
	first := draws(d, "memos", 200, func() {})
	turn(t, d, 7, "memos", some)
	again := draws(d, "memos", 200, func() { d.Draw("receipts") })
	if first != again {
		t.Error("calls elsewhere changed what happens here")
	}
	turn(t, d, 8, "memos", some)
	if draws(d, "memos", 200, func() {}) == first {
		t.Error("another seed bends the same calls")
	}
	if n := strings.Count(first, "x"); n < 40 || n > 80 {
		t.Errorf("%d of 200 are bent at 30 percent", n)
	}
}

func TestTimesAndResetEndIt(t *testing.T) {
	d := chaosdial.New(1, places...)
	turn(t, d, 1, "memos", chaosdial.Setting{Percent: 100, Times: 2, Drop: true})
	if got := draws(d, "memos", 5, func() {}); got != "xx..." {
		t.Errorf("got %s", got)
	}
	views := d.Views()
	if v := views[0]; v.Calls != 5 || v.Bent != 2 || !v.Drop || len(views) != 3 || views[1].Calls != 0 {
		t.Errorf("got %+v", views)
	}
	d.Reset()
	if got := draws(d, "memos", 5, func() {}); got != "....." || len(d.State().Endpoints) != 0 || d.State().Seed != 1 {
		t.Errorf("got %s after the reset", got)
	}
	if d.Draw("nowhere").Bent() {
		t.Error("an unknown endpoint is bent")
	}
}

func TestSettingsThatContradictThemselvesChangeNothing(t *testing.T) {
	d := chaosdial.New(1, places...)
	good := chaosdial.Setting{Percent: 100, Status: 500}
	turn(t, d, 3, "memos", good)
	for name, c := range map[string]struct {
		at string
		s  chaosdial.Setting
	}{
		"no such endpoint":              {"nowhere", good},
		"more than always":              {"memos", chaosdial.Setting{Percent: 101, Status: 500}},
		"less than never":               {"memos", chaosdial.Setting{Percent: -1, Status: 500}},
		"a status that is no error":     {"memos", chaosdial.Setting{Percent: 1, Status: 200}},
		"takes nothing and all":         {"memos", chaosdial.Setting{Percent: 1, Status: 500, Drop: true}},
		"later than anybody waits":      {"memos", chaosdial.Setting{Percent: 1, DelayMillis: 1e9}},
		"a negative delay":              {"memos", chaosdial.Setting{Percent: 1, DelayMillis: -1}},
		"a negative bound":              {"memos", chaosdial.Setting{Percent: 1, Times: -1, Drop: true}},
		"no news here":                  {"memos", chaosdial.Setting{Percent: 1, Reorder: true}},
		"nobody is answered":            {"print", chaosdial.Setting{Percent: 1, Status: 500}},
		"never does nothing":            {"memos", chaosdial.Setting{Status: 500}},
		"a chance of nothing is a slip": {"memos", chaosdial.Setting{Percent: 50}},
	} {
		err := d.Set(chaosdial.State{Endpoints: map[string]chaosdial.Setting{c.at: c.s, "receipts": good}})
		if !errors.Is(err, chaosdial.ErrSetting) || !strings.Contains(err.Error(), c.at) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if s := d.State(); s.Seed != 3 || s.Endpoints["memos"] != good || len(s.Endpoints) != 1 {
		t.Errorf("the dial stands at %+v", s)
	}
}

func TestCallsAreBentAsTheDialSays(t *testing.T) {
	d := chaosdial.New(1, places...)
	served, seen := 0, chaosdial.Fate{}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		seen = chaosdial.Of(r)
		_, _ = io.WriteString(w, "taken")
	})
	wrapped := d.Wrap(inner, func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") },
		func(w http.ResponseWriter, _ *http.Request, status int) { http.Error(w, "bent", status) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { wrapped.ServeHTTP(w, chaosdial.Watched(r)) }))
	defer s.Close()
	call := func(path string) string {
		r, err := s.Client().Post(s.URL+path, "text/plain", nil) // a GET would be tried again by the client itself
		if err != nil {
			return "broken"
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return strings.TrimSpace(string(b))
	}
	always := func(s chaosdial.Setting) chaosdial.Setting { s.Percent = 100; return s }
	for _, c := range []struct {
		name, path string
		s          chaosdial.Setting
		want       string
		served     int
	}{
		{"nothing", "/receipts", always(chaosdial.Setting{Status: 503}), "taken", 1}, // the dial stands elsewhere
		{"another answer takes nothing", "/memos", always(chaosdial.Setting{Status: 503}), "bent", 0},
		{"a lost answer takes all", "/memos", always(chaosdial.Setting{Drop: true}), "broken", 1},
		{"news is told of its fate", "/receipts", always(chaosdial.Setting{Duplicate: true}), "taken", 1},
		{"what is no endpoint is left alone", "/", always(chaosdial.Setting{Status: 503}), "taken", 1},
	} {
		at := "memos"
		if c.s.Duplicate {
			at = "receipts"
		}
		turn(t, d, 1, at, c.s)
		served = 0
		if got := call(c.path); got != c.want || served != c.served {
			t.Errorf("%s: got %q, served %d times", c.name, got, served)
		}
		if seen.Duplicate != c.s.Duplicate && served > 0 {
			t.Errorf("%s: the endpoint saw %+v", c.name, seen)
		}
	}
	turn(t, d, 1, "memos", always(chaosdial.Setting{DelayMillis: 30}))
	begun := time.Now()
	if got := call("/memos"); got != "taken" || time.Since(begun) < 30*time.Millisecond {
		t.Errorf("got %q at once", got)
	}
}

func TestFatesHaveWords(t *testing.T) {
	f := chaosdial.Fate{Status: 503, Drop: true, Delay: time.Second, Duplicate: true, Reorder: true}
	want := []string{"delayed 1s", "answered 503", "answer dropped", "duplicated", "reordered"}
	if got := f.Words(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
