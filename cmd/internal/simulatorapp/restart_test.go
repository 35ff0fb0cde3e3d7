package simulatorapp

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/chaosdial"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAfterAKillEverythingStandsAsBefore opens a second simulator over the
// folder of one that never closed it, as after kill -9.
func TestAfterAKillEverythingStandsAsBefore(t *testing.T) {
	var cfg Config
	s, c := kombiWith(t, func(c *Config) { cfg = *c })
	digital, form := letter(t, "nancy", c, post.Digital)
	if o := c.HandOver(t.Context(), digital, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	paper, form := letter(t, "poul", c, post.Physical)
	if o := c.HandOver(t.Context(), paper, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	for path, body := range map[string]string{
		"PUT /api/v1/dial":   `{"seed":7,"endpoints":{"kombi":{"percent":30,"drop":true}}}`,
		"PUT /api/v1/limits": `{"ngdp.memos":600}`,
		"POST /api/v1/clock": `{"advance":"48h"}`,
		"POST /api/v1/print/" + paper.MessageID + "/returned": ``,
	} {
		method, at, _ := strings.Cut(path, " ")
		if status, text := s.send(t, method, at, body); status != 200 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
	}
	waiting := len(s.app.Kombi().Queued())
	again, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.close() })
	if m, err := again.NgDP().Message(digital.MessageID); err != nil || m.Road != roadKombi || m.Status != "COMPLETED" {
		t.Errorf("the message is %+v, %v", m, err)
	}
	sheet, ok := again.sheet(paper.MessageID)
	if !ok || len(sheet.Address) == 0 || sheet.State != kombipost.Update {
		t.Errorf("the letter on paper is %v %+v", ok, sheet)
	}
	if got := len(again.Kombi().Queued()); got != waiting || waiting == 0 {
		t.Errorf("%d statuses wait, of %d", got, waiting)
	}
	if got := again.dial.State(); got.Seed != 7 || got.Endpoints["kombi"] != (chaosdial.Setting{Percent: 30, Drop: true}) {
		t.Errorf("the dial stands at %+v", got)
	}
	if again.clock.lead() != 48*time.Hour || again.limits.state()["ngdp.memos"] != 600 || len(again.Turned()) != 3 {
		t.Errorf("turned: %v", again.Turned())
	}
	if err := again.reset(); err != nil || len(again.Turned()) != 0 || len(again.tray()) != 0 {
		t.Errorf("a reset leaves %v, %v", again.Turned(), err)
	}
}

// TestWhoAsksTooOftenIsToldWhenToAskAgain holds the limits to 429, Retry-After,
// the endpoint's error form, nothing taken, and another system unharmed; and
// holds our client to reading it as a letter that was not taken.
func TestWhoAsksTooOftenIsToldWhenToAskAgain(t *testing.T) {
	s := start(t)
	now := time.Now()
	s.app.limits.now = func() time.Time { return now }
	if status, text := s.send(t, "PUT", "/api/v1/limits", `{"ngdp.memos":60,"nowhere":1}`); status != 422 || !strings.Contains(text, "nowhere") {
		t.Fatalf("got %d %s", status, text)
	}
	if status, text := s.send(t, "PUT", "/api/v1/limits", `{"ngdp.memos":60}`); status != 200 {
		t.Fatalf("got %d %s", status, text)
	}
	first, form := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), first, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	second, form2 := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), second, form2); o.Verdict != dispatch.NotTaken {
		t.Fatalf("our client reads it as %+v", o)
	}
	if s.app.NgDP().Known(second.MessageID) {
		t.Error("a call over the limit brought its message")
	}
	var all limitsJSON
	if _, text := s.get(t, "/api/v1/limits"); json.Unmarshal([]byte(text), &all) != nil || all.Limits[0].Refused != 1 {
		t.Errorf("got %s", text)
	}
	for i, c := range []struct {
		later  time.Duration
		system string
		free   bool
	}{{0, "a", true}, {0, "a", false}, {0, "b", true}, {900 * time.Millisecond, "a", false}, {time.Second, "a", true}, {time.Hour, "a", true}, {time.Hour, "a", false}} {
		l := s.app.limits
		l.now = func() time.Time { return now.Add(c.later) }
		if wait := l.wait("ngdp.memos", c.system); (wait == 0) != c.free || wait > time.Second {
			t.Errorf("%d: wait %s", i, wait)
		}
	}
	now = now.Add(2 * time.Hour)
	s.app.limits.now = func() time.Time { return now }
	if o := s.post.HandOver(t.Context(), second, form2); o.Verdict != dispatch.Taken {
		t.Errorf("later: %+v", o)
	}
	status, _ := s.post0(t, "/limits", "application/x-www-form-urlencoded", "ngdp.memos=&kombi=30")
	if got := fmt.Sprint(s.app.limits.state()); status != 200 || got != "map[kombi:30]" {
		t.Errorf("the form set %s, %d", got, status)
	}
}

func TestRetryAfterIsTheFirstWholeSecondThatIsLateEnough(t *testing.T) {
	now := time.Now()
	a := &App{limits: newLimits(func() time.Time { return now })}
	door := a.limited(http.NotFoundHandler(), func(*http.Request) string { return "kombi" }, func(w http.ResponseWriter, _ *http.Request, status int) { w.WriteHeader(status) })
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
		return w.Code, w.Header().Get("Retry-After")
	}
	for perMinute, want := range map[int]string{6000: "1", 60: "1", 40: "2", 6: "10"} {
		if err := a.limits.set(map[string]int{"kombi": perMinute}); err != nil {
			t.Fatal(err)
		}
		status, after := 0, ""
		for status != http.StatusTooManyRequests {
			status, after = ask()
		}
		if after != want {
			t.Errorf("%d a minute: Retry-After is %q, want %q", perMinute, after, want)
		}
		seconds, err := strconv.Atoi(after)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(seconds) * time.Second)
		if status, _ := ask(); status == http.StatusTooManyRequests {
			t.Errorf("%d a minute: refused after %s s", perMinute, after)
		}
	}
}
