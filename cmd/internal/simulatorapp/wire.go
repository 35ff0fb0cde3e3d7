package simulatorapp

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/chaosdial"
	"sikkerpost.dk/gateway/internal/post"
)

// Endpoints are the places of the dial.
var endpoints = []chaosdial.Endpoint{
	{Name: "ngdp.memos", About: "Digital Post takes a message", Answers: true},
	{Name: "ngdp.contacts", About: "Digital Post is asked who can be reached", Answers: true},
	{Name: "ngdp.receipts", About: "Digital Post hands out receipts", Answers: true, News: true},
	{Name: "ngdp.other", About: "anything else at Digital Post", Answers: true},
	{Name: "sts.issue", About: "the security token service issues an assertion", Answers: true},
	{Name: "token", About: "AccessTokenService gives a token", Answers: true},
	{Name: "kombi", About: "KombiPostAfsend takes a shipment", Answers: true},
	{Name: "forespoerg", About: "PostForespoerg is asked who can be reached", Answers: true},
	{Name: "push", About: "Beskedfordeler delivers a status; a lost answer makes it come again", Answers: true, News: true},
	{Name: "print", About: "the print house reports an event; dropped ones never come", News: true},
	{Name: "login", About: "NemLog-in answers a browser", Answers: true},
}

// ngdpEndpoint names the endpoint of a call to Digital Post.
func ngdpEndpoint(r *http.Request) string {
	rest, ok := strings.CutPrefix(r.URL.Path, digitalposttest.BasePath)
	first, _, _ := strings.Cut(rest, "/")
	switch {
	case !ok:
		return ""
	case rest == "memos/" && r.Method == http.MethodPost:
		return "ngdp.memos"
	case first == "contacts":
		return "ngdp.contacts"
	case first == "receipts" || first == "receipts-bulk":
		return "ngdp.receipts"
	}
	return "ngdp.other"
}

func kombiEndpoint(r *http.Request) string {
	switch r.URL.Path {
	case kombipost.PathIssue:
		return "sts.issue"
	case kombipost.PathToken:
		return "token"
	case kombipost.PathSend:
		return "kombi"
	case kombipost.PathDigital, kombipost.PathSMS:
		return "forespoerg"
	}
	return ""
}

func loginEndpoint(*http.Request) string { return "login" }

// A refusal answers a call with a status in its endpoint's own error form.
type refusal func(w http.ResponseWriter, r *http.Request, status int)

// refusals are how a carrier's door says no: because the dial says so, and
// because somebody asks too often.
type refusals func(code, sentence string) refusal

const (
	dialCode, dialSentence = "sim.dial", "The dial of the simulator says so."
	oftenCode              = "sim.too.many.requests"
	oftenSentence          = "Too many calls of this system in this minute; Retry-After says when to ask again."
)

// refusesNgDP is Digital Post's error form.
func refusesNgDP(code, sentence string) refusal {
	return func(w http.ResponseWriter, _ *http.Request, status int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(struct { // whoever asked has gone
			Code        string   `json:"code"`
			Message     string   `json:"message"`
			FieldErrors []string `json:"fieldErrors"`
		}{code, sentence, []string{}})
	}
}

// refusesKombi is a ServiceplatformFault.
func refusesKombi(code, sentence string) refusal {
	return func(w http.ResponseWriter, _ *http.Request, status int) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		type one struct{ ErrorCode, ErrorText string }
		_ = xml.NewEncoder(w).Encode(struct { // whoever asked has gone
			XMLName xml.Name `xml:"ServiceplatformFault"`
			Errors  []one    `xml:"ErrorList>Error"`
		}{Errors: []one{{code, sentence + " CallUUID=" + post.NewID()}}})
	}
}

func refusesPlain(_, sentence string) refusal {
	return func(w http.ResponseWriter, _ *http.Request, status int) { http.Error(w, sentence, status) }
}

// maxAnswer is how much of an answer is remembered.
const maxAnswer = 4 << 10

// taped passes an answer on and remembers its status and beginning.
type taped struct {
	http.ResponseWriter
	status int
	begin  bytes.Buffer
}

func (t *taped) WriteHeader(status int) {
	if t.status == 0 && status >= 200 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *taped) Write(p []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	if room := maxAnswer - t.begin.Len(); room > 0 {
		t.begin.Write(p[:min(room, len(p))])
	}
	return t.ResponseWriter.Write(p)
}

func (t *taped) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// wired is a carrier's door: limits keep, the dial bends its calls, and the feed tells of
// them.
func (a *App) wired(next http.Handler, endpoint func(*http.Request) string, refuses refusals) http.Handler {
	bent := a.limited(a.dial.Wrap(next, endpoint, refuses(dialCode, dialSentence)), endpoint, refuses(oftenCode, oftenSentence))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = chaosdial.Watched(r)
		tape := &taped{ResponseWriter: w}
		begun := time.Now()
		defer func() { // also when the answer is lost, which panics
			a.note(r, tape, endpoint(r), time.Since(begun))
		}()
		bent.ServeHTTP(tape, r)
	})
}

// note tells the feed of a call, and keeps the call if it brought a message.
func (a *App) note(r *http.Request, tape *taped, endpoint string, took time.Duration) {
	e := Event{
		Kind: "call", Endpoint: endpoint, Method: r.Method, Path: r.URL.Path, Status: tape.status,
		TookMS: float64(took.Microseconds()) / 1000, Bent: chaosdial.Of(r).Words(),
	}
	answer := tape.begin.Bytes()
	e.Says = refusedWith(answer)
	uuid := ""
	switch endpoint {
	case "ngdp.memos":
		uuid = strings.ToLower(r.URL.Query().Get("memo-message-uuid"))
	case "kombi":
		uuid = strings.ToLower(r.Header.Get("X-TransaktionsId")) // ours is the message's; a stranger's may not be
	}
	if post.ValidUUID(uuid) {
		e.Subject = uuid
		status := "the answer was lost"
		if tape.status > 0 {
			status = fmt.Sprintf("%d %s", tape.status, http.StatusText(tape.status))
		}
		a.calls.put(uuid, exchange{r.Method + " " + r.URL.RequestURI(), headerLines(r), status, string(answer)})
	}
	a.feed.add(e)
	if endpoint == "ngdp.memos" && e.Subject != "" {
		a.announceDue(e.Subject)
	}
}

// announceDue tells the feed when a message that is held back becomes
// available, by the machine's clock.
func (a *App) announceDue(uuid string) {
	m, err := a.post.Message(uuid)
	wait := m.Due.Sub(a.clock.now())
	if err != nil || m.Status != "COMPLETED" || m.Handed > 1 || wait <= 0 || wait > time.Hour {
		return
	}
	time.AfterFunc(wait, func() { a.feed.add(Event{Kind: "available", Subject: uuid}) })
}

// headerLines lists the headers of a call without what lets somebody in.
func headerLines(r *http.Request) []string {
	lines := []string{"Host: " + r.Host}
	for name, values := range r.Header {
		for _, v := range values {
			if name == "Authorization" {
				scheme, _, _ := strings.Cut(v, " ")
				v = scheme + " (kept back)"
			}
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

var (
	jsonRefusal = regexp.MustCompile(`^\s*\{"code":"([^"]+)","message":"([^"]*)"`)
	xmlRefusal  = regexp.MustCompile(`<(?:ErrorCode|FejlId)>([^<]+)</(?:ErrorCode|FejlId)><(?:ErrorText|FejlTekst)>([^<]*)<`)
)

// refusedWith returns code and sentence of an answer that refuses, or "".
func refusedWith(answer []byte) string {
	m := jsonRefusal.FindSubmatch(answer)
	if m == nil {
		m = xmlRefusal.FindSubmatch(answer)
	}
	switch {
	case m == nil:
		return ""
	case len(m[2]) == 0 || bytes.Equal(m[1], m[2]):
		return string(m[1])
	}
	return string(m[1]) + ": " + string(m[2])
}

// twisted gives receipts twice or newest first when the dial says so.
func twisted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := chaosdial.Of(r)
		if !f.Duplicate && !f.Reorder || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		held := &heldBack{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(held, r)
		for name, values := range held.header {
			w.Header()[name] = values
		}
		w.WriteHeader(held.status)
		_, _ = w.Write(twist(held.body.Bytes(), f)) // whoever asked has gone
	})
}

// twist turns the list in a page of receipts; anything else stays as it is.
func twist(body []byte, f chaosdial.Fate) []byte {
	page := map[string]json.RawMessage{}
	if json.Unmarshal(body, &page) != nil {
		return body
	}
	for _, name := range []string{"receipts", "content"} {
		var list []json.RawMessage
		if json.Unmarshal(page[name], &list) != nil {
			continue
		}
		if f.Duplicate {
			list = append(list, list...)
		}
		if f.Reorder {
			slices.Reverse(list)
		}
		if turned, err := json.Marshal(list); err == nil {
			page[name] = turned
		}
	}
	turned, err := json.Marshal(page)
	if err != nil {
		return body
	}
	return turned
}

// heldBack is an answer that is not sent yet.
type heldBack struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldBack) Header() http.Header         { return h.header }
func (h *heldBack) WriteHeader(status int)      { h.status = status }
func (h *heldBack) Write(p []byte) (int, error) { return h.body.Write(p) }
