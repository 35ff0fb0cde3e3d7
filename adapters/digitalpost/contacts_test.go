package digitalpost_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

const someID = "0b1e2f3a-0000-4000-8000-000000000001"

func spelled(all []dispatch.Reach) []string {
	words := make([]string, len(all))
	for i, r := range all {
		words[i] = string(r.Answer) + " " + r.Code
	}
	return words
}

// contactID asks for the id that Digital Post has for a CPR number.
func (w *world) contactID(t *testing.T, cpr string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+digitalposttest.BasePath+"contacts/?cprNumber="+cpr, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("system-engdal", "secret")
	caller := w.ca.client(t)
	caller.Transport.(*http.Transport).TLSClientConfig.Certificates[0] = w.cert
	answer, err := caller.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct {
		Contacts []struct {
			ID string `json:"id"`
		} `json:"contacts"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || len(got.Contacts) != 1 {
		t.Fatalf("%d contacts, %v", len(got.Contacts), err)
	}
	return got.Contacts[0].ID
}

// companies returns n companies that nobody is.
func companies(n int) []post.PartyRecord {
	all := make([]post.PartyRecord, n)
	for i := range all {
		all[i] = post.PartyRecord{IDType: "cvr", ID: fmt.Sprintf("9%07d", i)}
	}
	return all
}

func TestManyAreLookedUpAHundredAtATime(t *testing.T) {
	w := newWorld(t, func(c *digitalposttest.Config) { c.Unlisted = "REGISTERED" })
	w.sim.SetFaults(digitalposttest.Faults{BulkMost: 100})
	before := w.sim.Stats().Lookups
	some := companies(250)
	for i, r := range w.client.LookMany(t.Context(), w.tenant, slices.Concat(some, some)) {
		if r.Answer != dispatch.Reachable {
			t.Fatalf("%d: %s", i, r)
		}
	}
	if n := w.sim.Stats().Lookups - before; n != 3 {
		t.Errorf("%d requests", n)
	}
	if got := w.client.LookMany(t.Context(), w.tenant, nil); len(got) != 0 {
		t.Errorf("nobody: %q", spelled(got))
	}
}

func TestWhatFailsInABulkLookUpIsUnsureOneByOne(t *testing.T) {
	w := newWorld(t, nil)
	people := []post.PartyRecord{w.Registered, w.Exempt, {IDType: "CVR", ID: "11223492"}}
	for _, c := range []struct {
		name   string
		faults digitalposttest.Faults
		want   []string
	}{
		{"nothing", digitalposttest.Faults{}, []string{"reachable REGISTERED", "unreachable EXEMPT", "unsure waiting-period"}},
		{"the first request", digitalposttest.Faults{FailedLookups: 1}, []string{"unsure sim.unavailable", "unsure sim.unavailable", "unsure waiting-period"}},
		{"a bound that is lower than ours", digitalposttest.Faults{BulkMost: 1}, []string{"unsure sim.contact.criteria.too.many", "unsure sim.contact.criteria.too.many", "unsure waiting-period"}},
		{"a list, where one text is wanted", digitalposttest.Faults{BulkText: true}, []string{"unsure sim.contact.criteria.invalid", "unsure sim.contact.criteria.invalid", "unsure sim.contact.criteria.invalid"}},
	} {
		w.sim.SetFaults(c.faults)
		if got := spelled(w.client.LookMany(t.Context(), w.tenant, people)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
	cfg := w.config()
	cfg.BulkText = true // and the simulator still wants one
	if got := spelled(w.connect(t, cfg).LookMany(t.Context(), w.tenant, people)); got[0] != "reachable REGISTERED" || got[1] != "unreachable EXEMPT" {
		t.Errorf("as one text: got %q", got)
	}
	if got := spelled(w.client.LookMany(t.Context(), post.Tenant{ID: "fjordby"}, people[:1])); got[0] != "unsure auth.no-system" {
		t.Errorf("a tenant without a system: got %q", got)
	}
}

// answering is a client of a server that answers every request with text.
func answering(t *testing.T, w *world, text func(r *http.Request) string) *digitalpost.Client {
	t.Helper()
	w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, text(r)) }))
	return w.connect(t, w.config())
}

func TestABulkAnswerSpeaksOnlyOfWhomItNames(t *testing.T) {
	w := newWorld(t, nil)
	entry := func(number, status string) string {
		return fmt.Sprintf(`{"cprNumber":%q,"mailboxSubscription":{"registrationStatus":"AUTOMATIC_REGISTRATION","publicRegistrationStatus":%q}}`, number, status)
	}
	a, b := entry(w.Registered.ID, "REGISTERED"), entry(w.Exempt.ID, "EXEMPT")
	none := []string{"unsure answer.unreadable", "unsure answer.unreadable"}
	half := []string{"unsure answer.incomplete", "unsure answer.incomplete"}
	for _, c := range []struct {
		name, answer string
		want         []string
	}{
		{"both, the other way round", `{"contacts":[` + b + `,` + a + `]}`, []string{"reachable REGISTERED", "unreachable EXEMPT"}},
		{"under the other name of the list", `{"content":[` + a + `]}`, []string{"reachable REGISTERED", "unsure not-found"}},
		{"one is missing", `{"contacts":[` + a + `],"totalElements":1}`, []string{"reachable REGISTERED", "unsure not-found"}},
		{"one is there twice", `{"contacts":[` + a + `,` + b + `,` + entry(w.Exempt.ID, "REGISTERED") + `]}`, []string{"reachable REGISTERED", "unsure answer.ambiguous"}},
		{"somebody else in place of one", `{"contacts":[` + a + `,` + entry(w.Closed.ID, "REGISTERED") + `]}`, []string{"reachable REGISTERED", "unsure answer.other-party"}},
		{"registered, but within the waiting period", `{"contacts":[` + strings.Replace(a, "AUTOMATIC", "UNCONFIRMED", 1) + `]}`, []string{"unsure waiting-period", "unsure not-found"}},
		{"more were promised than ever come", `{"contacts":[],"totalElements":2}`, half},
		{"the same page for ever", `{"contacts":[` + a + `],"totalElements":2000}`, half},
		{"a page for people", `<html>log in</html>`, none},
		{"null", `null`, none}, {"nothing", ``, none}, {"an object of something else", `{"status":"UP"}`, none},
		{"a list", `[` + a + `]`, none}, {"other types", `{"contacts":{"a":1}}`, none}, {"a number that is one", `{"contacts":[{"cprNumber":1}]}`, none},
		{"cut off", `{"contacts":[` + a, none},
	} {
		client := answering(t, w, func(*http.Request) string { return c.answer })
		if got := spelled(client.LookMany(t.Context(), w.tenant, []post.PartyRecord{w.Registered, w.Exempt})); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
	// Pages that are smaller than asked are read to the end.
	client := answering(t, w, func(r *http.Request) string {
		return `{"contacts":[` + map[string]string{"0": a, "1": b}[r.URL.Query().Get("page")] + `],"totalElements":2}`
	})
	if got := spelled(client.LookMany(t.Context(), w.tenant, []post.PartyRecord{w.Registered, w.Exempt})); !slices.Equal(got, []string{"reachable REGISTERED", "unreachable EXEMPT"}) {
		t.Errorf("in small pages: got %q", got)
	}
}

func TestGarbageIsNoContactAndNoSubscription(t *testing.T) {
	w := newWorld(t, nil)
	s := digitalpost.Subscription{ID: someID, Operations: []string{digitalpost.AllCitizens}, NotifyURL: "https://engdal.example/"}
	for _, text := range []string{
		``, `null`, `7`, `<html>log in</html>`, `{"id":7}`, `{"id":"` + someID[:35] + `2"}`, `[{"id":"x"}]`, `[null]`, `[{"id":"` + someID + `","singleContactSubscriptions":[7]}]`,
		`{"id":"` + someID + `","version":"one","cprNumber":["` + w.Registered.ID + `"]}`, `{"a":` + strings.Repeat(`[`, 20000),
	} {
		client := answering(t, w, func(*http.Request) string { return text })
		if k, err := client.Contact(t.Context(), "engdal", someID); err == nil {
			t.Errorf("%.40s: a contact %s", text, k.ID)
		} else if strings.Contains(err.Error(), w.Registered.ID) {
			t.Errorf("%.40s: the error tells the number", text)
		}
		if all, err := client.Subscriptions(t.Context(), "engdal"); err == nil {
			t.Errorf("%.40s: subscriptions %v", text, all)
		}
		if _, err := client.Resubscribe(t.Context(), "engdal", s); err == nil {
			t.Errorf("%.40s: a subscription changed", text)
		}
	}
	// A contact that is nobody, or two, is no party.
	for _, text := range []string{`{"id":"` + someID + `"}`, `{"id":"` + someID + `","cprNumber":"` + w.Registered.ID + `","cvrNumber":"11223492"}`, `{"id":"` + someID + `","cprNumber":"*"}`} {
		client := answering(t, w, func(*http.Request) string { return text })
		if k, err := client.Contact(t.Context(), "engdal", someID); err != nil || k.Party.ID != "" || k.Reach.Answer != dispatch.Unsure {
			t.Errorf("%.40s: %s, %v", text, k.Reach, err)
		}
	}
}

func TestANumberIsNoIDOfAContact(t *testing.T) {
	w := newWorld(t, nil)
	client := answering(t, w, func(*http.Request) string { t.Error("it was asked for"); return "" })
	good := digitalpost.Subscription{ID: someID, Operations: []string{digitalpost.AllCitizens}, NotifyURL: "https://engdal.example/"}
	for _, id := range []string{"", w.Registered.ID, "../memos/", someID + "/", "subscriptions"} {
		if _, err := client.Contact(t.Context(), "engdal", id); err == nil || strings.Contains(err.Error(), w.Registered.ID) {
			t.Errorf("contact: %v", err)
		}
		s := good
		s.ID = id
		if err := client.Unsubscribe(t.Context(), "engdal", s); err == nil {
			t.Error("unsubscribed")
		}
		if _, err := client.Resubscribe(t.Context(), "engdal", s); err == nil {
			t.Error("changed")
		}
	}
	for _, bend := range []func(*digitalpost.Subscription){
		func(s *digitalpost.Subscription) { s.NotifyURL = "http://engdal.example/" },
		func(s *digitalpost.Subscription) { s.NotifyURL = "https://a:b@engdal.example/" },
		func(s *digitalpost.Subscription) { s.Operations = nil },
		func(s *digitalpost.Subscription) { s.Operations = []string{"EVERYBODY"} },
		func(s *digitalpost.Subscription) { s.Contacts = []string{w.Registered.ID} },
	} {
		s := good
		bend(&s)
		if _, err := client.Subscribe(t.Context(), "engdal", s); err == nil || strings.Contains(err.Error(), w.Registered.ID) {
			t.Errorf("subscribed with %v", err)
		}
	}
}

func TestASubscriptionWhoseAnswerWasLostIsNotMadeTwice(t *testing.T) {
	w := newWorld(t, nil)
	cfg := w.config()
	cfg.BareVersions = true
	client := w.connect(t, cfg)
	w.sim.SetFaults(digitalposttest.Faults{DropReplies: 1, BareVersions: true})
	s := digitalpost.Subscription{Operations: []string{digitalpost.NewCitizens, digitalpost.NewCompanies}, NotifyURL: "https://engdal.example/"}
	if _, err := client.Subscribe(t.Context(), "engdal", s); err == nil {
		t.Fatal("the answer was not lost")
	}
	slices.Reverse(s.Operations)
	got, err := client.Subscribe(t.Context(), "engdal", s)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := client.Subscriptions(t.Context(), "engdal"); err != nil || len(all) != 1 || all[0].ID != got.ID {
		t.Errorf("got %+v, %v", all, err)
	}
	if err := w.client.Unsubscribe(t.Context(), "engdal", got); !errors.Is(err, digitalpost.ErrVersion) {
		t.Errorf("with quotes: %v", err)
	}
	if err := client.Unsubscribe(t.Context(), "engdal", got); err != nil {
		t.Errorf("without: %v", err)
	}
}

func TestBeyondTheLimitsOfAContactPointNothingIsSent(t *testing.T) {
	w, _ := receiving(t) // the DPO's takes 1 MiB and 2 attachments
	job := func(bytes, attachments int) dispatch.Job {
		j := w.job(post.PartyRecord{IDType: "CVR", ID: string(w.tenant.CVR), ContactPoint: strings.ToUpper(w.tenant.DPOContactPoint)})
		j.Documents[0] = suite.Document("brev.txt", "text/plain", []byte(strings.Repeat("x", bytes)))
		for range attachments {
			j.Documents = append(j.Documents, suite.Document("bilag.txt", "text/plain", []byte("x")))
		}
		return j
	}
	if o := w.send(t, job(10, 3)); o.Verdict != dispatch.Taken {
		t.Errorf("before the limits are known: %+v", o)
	}
	if _, err := w.client.ContactPoints(t.Context(), w.tenant.ID); err != nil {
		t.Fatal(err)
	}
	before := w.sim.Stats().Accepted
	for _, c := range []struct {
		bytes, attachments int
		want               dispatch.Verdict
		code               string
	}{
		{10, 2, dispatch.Taken, ""},
		{1<<20 + 1000, 0, dispatch.Taken, ""}, // too large in one megabyte and not in the other: NgDP's to judge
		{3 << 19, 0, dispatch.RefusedContent, "contact-point.too-large"},
		{10, 3, dispatch.RefusedContent, "contact-point.too-many-files"},
	} {
		if o := w.send(t, job(c.bytes, c.attachments)); o.Verdict != c.want || o.Code != c.code || o.At.IsZero() || time.Since(o.At) > time.Minute {
			t.Errorf("%d bytes, %d attachments: %+v", c.bytes, c.attachments, o)
		}
	}
	if n := w.sim.Stats().Accepted - before; n != 2 {
		t.Errorf("%d were sent", n)
	}
	other := job(3<<19, 0)
	other.Recipient = w.Registered // no contact point, no limit
	if o := w.send(t, other); o.Verdict != dispatch.Taken {
		t.Errorf("to a person: %+v", o)
	}
}
