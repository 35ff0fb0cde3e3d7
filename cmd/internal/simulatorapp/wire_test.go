package simulatorapp

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func (s *stage) send(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.app.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b)
}

func TestTheDialBendsEachEndpointByItself(t *testing.T) {
	s := start(t)
	turn := func(setting string) {
		t.Helper()
		if status, text := s.send(t, "PUT", "/api/v1/dial", `{"seed":7,"endpoints":{`+setting+`}}`); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	turn(`"ngdp.memos":{"percent":100,"status":503}`)
	j, form := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.NotTaken || s.app.NgDP().Stats().Accepted != 0 {
		t.Errorf("answered 503: %+v", o)
	}
	if n := s.post.Look(t.Context(), j.Tenant, j.Recipient); n.Answer != dispatch.Reachable {
		t.Errorf("the look-up is bent too: %+v", n)
	}
	turn(`"ngdp.memos":{"percent":100,"times":1,"drop":true}`)
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.Unknown || s.app.NgDP().Stats().Accepted != 1 {
		t.Errorf("dropped: %+v", o)
	}
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken || s.app.NgDP().Stats().Accepted != 1 {
		t.Errorf("tried again: %+v", o)
	}
	turn(`"ngdp.receipts":{"percent":100,"duplicate":true,"reorder":true}`)
	all, err := s.post.Waiting(t.Context())
	if err != nil || len(all) != 2 || all[0].EventID != all[1].EventID {
		t.Errorf("receipts: %+v, %v", all, err)
	}
	if status, text := s.send(t, "PUT", "/api/v1/dial", `{"endpoints":{"nowhere":{"percent":1,"drop":true}}}`); status != 422 || !strings.Contains(text, "nowhere") {
		t.Errorf("got %d %s", status, text)
	}
	if status, text := s.get(t, "/api/v1/dial"); status != 200 || !strings.Contains(text, `"seed":7`) || !strings.Contains(text, `"bent":1`) {
		t.Errorf("got %d %s", status, text)
	}
}

func TestTheDialTurnsWithoutJavaScript(t *testing.T) {
	s := start(t)
	const kind = "application/x-www-form-urlencoded"
	if status, text := s.post0(t, "/dial", kind, "seed=9&ngdp.memos.percent=40&ngdp.memos.status=503&print.percent=0&print.drop=on"); status != 200 || !strings.Contains(text, "40 %") {
		t.Errorf("got %d %s", status, text)
	}
	if d := s.app.Dial().State(); d.Seed != 9 || len(d.Endpoints) != 1 || d.Endpoints["ngdp.memos"].Status != 503 {
		t.Errorf("the dial stands at %+v", d)
	}
	if status, text := s.post0(t, "/dial", kind, "seed=9&ngdp.memos.percent=40"); status != 422 || !strings.Contains(text, "percent of what?") {
		t.Errorf("got %d %s", status, text)
	}
	if s.app.Dial().State().Endpoints["ngdp.memos"].Status != 503 {
		t.Error("a form that was refused turned the dial")
	}
}

func TestTimePassesWhenTold(t *testing.T) {
	s := startWith(t, func(c *Config) { c.DigitalPost.Delay = 40 * time.Hour })
	j, form := letter(t, "nancy", s.post, post.Digital)
	s.post.HandOver(t.Context(), j, form)
	if status, _ := s.get(t, "/api/v1/box/nancy/latest"); status != 404 {
		t.Fatalf("it is there at once: %d", status)
	}
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"advance":"-1h"}`, 422}, {`{}`, 422}, {`{"advance":"1h","ahead":"0s"}`, 422}, {`{"advance":"soon"}`, 422},
		{`{"advance":"24h"}`, 200}, {`{"advance":"24h"}`, 200},
	} {
		if status, text := s.send(t, "POST", "/api/v1/clock", c.body); status != c.want {
			t.Errorf("%s: %d %s", c.body, status, text)
		}
	}
	if status, _ := s.get(t, "/api/v1/box/nancy/latest"); status != 200 {
		t.Errorf("two days later: %d", status)
	}
	all, err := s.post.Waiting(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("receipts: %d, %v", len(all), err)
	}
	if status, text := s.send(t, "POST", "/api/v1/clock", `{"ahead":"0s"}`); status != 200 || !strings.Contains(text, `"ahead":"0s"`) {
		t.Errorf("back: %d %s", status, text)
	}
}

func TestEventsAreTaintedByNoNumberAndCanBeFollowed(t *testing.T) {
	s := start(t)
	follow := func(path string) (<-chan string, func()) {
		r, err := s.web.Get(s.app.URL() + path)
		if err != nil || r.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%v %v", r, err)
		}
		lines := make(chan string, 1000)
		go func() {
			defer close(lines)
			for in := bufio.NewScanner(r.Body); in.Scan(); {
				lines <- in.Text()
			}
		}()
		return lines, func() { r.Body.Close() }
	}
	wants := func(lines <-chan string, want string) {
		t.Helper()
		end := time.After(time.Minute)
		for {
			select {
			case line := <-lines:
				if strings.Contains(line, want) {
					return
				}
			case <-end:
				t.Fatalf("no line with %q", want)
			}
		}
	}
	lines, stop := follow("/api/v1/events/stream")
	wants(lines, ": events follow")
	j, form := letter(t, "nancy", s.post, post.Digital)
	s.post.Look(t.Context(), j.Tenant, j.Recipient)
	s.post.HandOver(t.Context(), j, form)
	wants(lines, "event: call")
	wants(lines, j.MessageID)
	stop()
	// Whoever comes back gets what they missed.
	lines, stop = follow("/api/v1/events/stream?after=0")
	defer stop()
	wants(lines, j.MessageID)
	status, text := s.get(t, "/api/v1/events")
	var all struct {
		Events []Event `json:"events"`
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil || status != 200 || len(all.Events) < 2 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	for _, path := range []string{"/api/v1/events", "/events", "/message/" + j.MessageID + "?tab=raw"} {
		if _, text := s.get(t, path); strings.Contains(text, j.Recipient.ID) && !strings.Contains(path, "raw") || strings.Contains(text, "c3lzdGVtLWVuZ2RhbDp0b2tlbg") {
			t.Errorf("%s tells a number or a token", path)
		}
	}
	if _, text := s.get(t, "/message/"+j.MessageID+"?tab=raw"); !strings.Contains(text, "Authorization: Basic (kept back)") || !strings.Contains(text, "transmissionId") {
		t.Errorf("the raw view lacks the call: %s", text)
	}
}

func TestTheFeedKeepsTheLastAndCountsOn(t *testing.T) {
	f := newFeed(time.Now)
	for range 3 * keepEvents {
		f.add(Event{Kind: "call"})
	}
	all, _ := f.after(0)
	if len(all) != keepEvents || all[len(all)-1].Seq != 3*keepEvents || f.last() != 3*keepEvents {
		t.Errorf("%d events, the last is %d", len(all), all[len(all)-1].Seq)
	}
	if some, _ := f.after(3*keepEvents - 2); len(some) != 2 || some[0].Seq != 3*keepEvents-1 {
		t.Errorf("got %+v", some)
	}
	if none, _ := f.after(9 * keepEvents); len(none) != 0 {
		t.Errorf("from the future: %d", len(none))
	}
}

func TestWhoeverPollsPushesNothingElseOutOfTheFeed(t *testing.T) {
	t.Parallel()
	f := newFeed(time.Now)
	f.add(Event{Kind: "call", Method: "POST", Status: 200, Says: "brought"})
	f.add(Event{Kind: "call", Method: "GET", Status: 503, Says: "refused"})
	f.add(Event{Kind: "call", Method: "GET", Status: 200, Bent: []string{"late"}, Says: "bent"})
	f.add(Event{Kind: "call", Method: "GET", Says: "lost"})
	for range 10 * keepEvents {
		f.add(Event{Kind: "call", Method: "GET", Status: 200})
	}
	f.add(Event{Kind: "print", Says: "posted"})
	var says []string
	for _, e := range f.told(0) {
		says = append(says, e.Says)
	}
	if got := strings.Join(says, " "); got != "brought refused bent lost posted" {
		t.Errorf("told %q", got)
	}
	if all := f.told(4); len(all) != 1 || all[0].Says != "posted" {
		t.Errorf("after 4: %+v", all)
	}
	if len(f.events) > 3*keepEvents {
		t.Errorf("%d events are kept", len(f.events))
	}
	all, _ := f.after(f.last() - 3)
	if len(all) != 3 || all[0].Seq != f.last()-2 {
		t.Errorf("the last three are %+v", all)
	}
}

func TestWhatIsWrongWithAMessageIsSaidInFull(t *testing.T) {
	s := start(t)
	j, form := letter(t, "nancy", s.post, post.Digital)
	r := form.Open()
	good, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.NewReplacer("<memo:label>Svar på indsigt</memo:label>", "", ">da<", ">dansk<").Replace(string(good))
	w := httptest.NewRecorder()
	call := httptest.NewRequest("POST", "/apis/v1/memos/?memo-message-uuid="+j.MessageID, strings.NewReader(bad))
	call.SetBasicAuth("system-engdal", "token")
	call.Header.Set("Content-Type", "application/xml")
	call.TLS = &tls.ConnectionState{PeerCertificates: clientChain(t)}
	s.app.wired(s.app.post, ngdpEndpoint, refusesNgDP).ServeHTTP(w, call)
	if w.Code != 201 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	_, text := s.get(t, "/api/v1/messages/"+j.MessageID+"/check")
	var v verdict
	if err := json.Unmarshal([]byte(text), &v); err != nil || len(v.Faults) != 2 || v.Faults[0].Code != "memo.missing" ||
		v.Faults[0].Path != "/Message/MessageHeader" || v.Faults[1].Code != "memo.value" || !strings.HasPrefix(v.Business, "memo.invalid: memo.missing at /Message/MessageHeader") {
		t.Errorf("got %s, %v", text, err)
	}
	for path, want := range map[string]string{
		"/messages": "memo.invalid", "/api/v1/messages?status=INVALID": j.MessageID,
		"/message/" + j.MessageID + "?tab=check": "expected label", "/message/" + j.MessageID: "INVALID", "/events": j.MessageID[:8],
	} {
		if status, text := s.get(t, path); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d, without %q", path, status, want)
		}
	}
	if _, text := s.get(t, "/api/v1/messages?status=COMPLETED"); strings.Contains(text, j.MessageID) {
		t.Error("a refused message is among those delivered")
	}
}

// kombi starts simulators with KombiPost and a client of it.
func kombi(t *testing.T) (*stage, *kombipost.Client) {
	t.Helper()
	return kombiWith(t, func(*Config) {})
}

func kombiWith(t *testing.T, bend func(*Config)) (*stage, *kombipost.Client) {
	t.Helper()
	s := startWith(t, bend)
	certs, _ := set(t, s.dir)
	c, err := kombipost.New(kombipost.Config{
		TokenURL: s.app.KombiPostURL(), ServiceURL: s.app.KombiPostURL(), RootCAs: trust(t, certs.CarrierCA),
		Systems: map[post.TenantID]kombipost.System{"engdal": {CVR: persona.Tenants()[0].CVR, Certificate: pair(t, certs.CarrierClient)}},
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

func TestWhatKombiPostTakesLiesInTheSameBoxAndTray(t *testing.T) {
	s, c := kombi(t)
	j, form := letter(t, "nancy", c, post.Digital)
	if o := c.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	status, text := s.get(t, "/api/v1/box/nancy/latest?wait=5s")
	var m digitalposttest.Message
	if err := json.Unmarshal([]byte(text), &m); err != nil || status != 200 || m.UUID != j.MessageID || m.Road != roadKombi || len(m.Documents) != 1 {
		t.Fatalf("got %d %s %v", status, text, err)
	}
	if status, text := s.get(t, "/message/"+j.MessageID+"/file/0"); status != 200 || !strings.HasPrefix(text, "%PDF-") {
		t.Errorf("its document: %d", status)
	}
	if all, err := s.post.Waiting(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("Digital Post hands out its receipts: %d, %v", len(all), err)
	}
	paper, form := letter(t, "poul", c, post.Physical)
	if o := c.HandOver(t.Context(), paper, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	for path, want := range map[string]string{
		"/print":                                "Poul Ravn Holmgaard",
		"/print/" + paper.MessageID:             "Modtaget Post Danmark",
		"/print/" + paper.MessageID + "/file/0": "%PDF-",
		"/api/v1/print":                         `"road":"KombiPost"`,
		"/api/v1/counts":                        `"kombi_post":{"assertions"`,
		"/":                                     s.app.KombiPostURL(),
		"/message/" + j.MessageID + "?tab=raw":  "POST /service/KombiPostAfsend_1/kombi",
		"/message/" + j.MessageID + "?tab=signature": "no signature inside",
	} {
		if status, text := s.get(t, path); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d, without %q", path, status, want)
		}
	}
	before := len(s.app.Kombi().Queued())
	if status, _ := s.post0(t, "/print/"+paper.MessageID+"/returned", "", ""); status != 200 || len(s.app.Kombi().Queued()) != before+1 {
		t.Errorf("returned: %d, %d statuses", status, len(s.app.Kombi().Queued()))
	}
	if status, _ := s.post0(t, "/api/v1/print/"+paper.MessageID+"/returned", "", ""); status != 409 {
		t.Errorf("returned twice: %d", status)
	}
	if status, _ := s.post0(t, "/api/v1/print/"+paper.MessageID+"/posted", "", ""); status != 404 {
		t.Errorf("posted by hand: %d", status)
	}
	if status, _ := s.post0(t, "/api/v1/reset", "", ""); status != 204 || len(s.app.Kombi().Shipments()) != 0 || len(s.app.tray()) != 0 {
		t.Errorf("reset: %d", status)
	}
}

func TestStatusesComeAgainUntilTheyAreTaken(t *testing.T) {
	s, c := kombi(t)
	var came atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `<x><StatusKode>20</StatusKode></x>`)
	}))
	certs, _ := set(t, s.dir)
	server.TLS = kombiposttest.TLS(pair(t, certs.CarrierServer), trust(t, certs.CarrierCA))
	server.StartTLS()
	t.Cleanup(server.Close)
	if status, text := s.send(t, "PUT", "/api/v1/dial", `{"seed":1,"endpoints":{"push":{"percent":100,"times":1,"drop":true}}}`); status != 200 {
		t.Fatal(text)
	}
	j, form := letter(t, "nancy", c, post.Digital)
	c.HandOver(t.Context(), j, form)
	s.app.SetCallback(server.URL + "/statuses")
	await(t, func() bool { return s.app.Kombi().Stats().Pushed == 2 })
	if came.Load() != 3 {
		t.Errorf("two statuses, one answer lost: %d deliveries", came.Load())
	}
	if _, text := s.get(t, "/api/v1/events"); !strings.Contains(text, `"kind":"push"`) || !strings.Contains(text, "answer dropped") {
		t.Error("deliveries are not told")
	}
}

func TestStatusesOvertakeEachOther(t *testing.T) {
	s, c := kombi(t)
	var mu sync.Mutex
	var came []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		came = append(came, string(text))
		_, _ = io.WriteString(w, `<x><StatusKode>20</StatusKode></x>`)
	}))
	certs, _ := set(t, s.dir)
	server.TLS = kombiposttest.TLS(pair(t, certs.CarrierServer), trust(t, certs.CarrierCA))
	server.StartTLS()
	t.Cleanup(server.Close)
	if status, text := s.send(t, "PUT", "/api/v1/dial", `{"seed":1,"endpoints":{"push":{"percent":100,"times":1,"reorder":true}}}`); status != 200 {
		t.Fatal(text)
	}
	j, form := letter(t, "nancy", c, post.Digital)
	c.HandOver(t.Context(), j, form)
	queued := s.app.Kombi().Queued()
	s.app.SetCallback(server.URL)
	await(t, func() bool { return s.app.Kombi().Stats().Pushed == 2 })
	if len(queued) != 2 || len(came) != 2 || came[0] != string(queued[1]) || came[1] != string(queued[0]) {
		t.Errorf("%d queued, %d came, not the other way round", len(queued), len(came))
	}
}

func TestPaperNewsIsBentToo(t *testing.T) {
	s := start(t)
	if status, text := s.send(t, "PUT", "/api/v1/dial", `{"seed":1,"endpoints":{"print":{"percent":100,"duplicate":true}}}`); status != 200 {
		t.Fatal(text)
	}
	j, form := letter(t, "poul", s.house, post.Physical)
	s.house.HandOver(t.Context(), j, form)
	await(t, func() bool {
		all, err := s.house.Waiting(t.Context())
		return err == nil && len(all) == 2 && all[0].EventID != all[1].EventID && all[0].Kind == all[1].Kind
	})
}
