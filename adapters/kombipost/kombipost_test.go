package kombipost_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func TestSimulatorKeepsThePromisesOfThePostkomponent(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World { return newWorld(t, nil).World })
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := kombipost.New(kombipost.Config{TokenURL: "http://example.dk", Systems: map[post.TenantID]kombipost.System{"a": {CVR: "1"}}})
	for _, gap := range []string{"TokenURL", "ServiceURL", "CVR", "certificate", "Log"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
	w := newWorld(t, nil)
	c := w.config()
	c.Systems["engdal"] = kombipost.System{CVR: "29000011", Certificate: w.cert, Paper: kombipost.Paper{Sides: "Both", Category: "Express"}}
	if _, err := kombipost.New(c); err == nil || !strings.Contains(err.Error(), "Sides") || !strings.Contains(err.Error(), "Category") {
		t.Errorf("got %v", err)
	}
}

func TestNoTenantEverGetsAnothersToken(t *testing.T) {
	w := newWorld(t, nil)
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			tenant := w.tenants[i%3]
			j := w.Job(post.Digital, w.Registered)
			j.Tenant = tenant
			if o := w.send(t, w.client, j); o.Verdict != dispatch.Taken {
				t.Errorf("%s: %s %q", tenant.ID, o.Verdict, o.Code)
			}
			if r := w.client.Look(t.Context(), tenant, w.Registered); r.Answer != dispatch.Reachable {
				t.Errorf("%s: look-up %s %q", tenant.ID, r.Answer, r.Code)
			}
		})
	}
	all.Wait()
	per := map[post.CVR]int{}
	for _, p := range w.sim.Shipments() { // the simulator knows by the token whose name a shipment goes in
		per[p.CVR]++
		if !strings.Contains(string(p.Body), "<memo:senderID>"+string(p.CVR)+"<") {
			t.Error("a letter went out in another municipality's name")
		}
	}
	if len(per) != 3 || per[w.tenants[0].CVR] != 10 {
		t.Errorf("got %v", per)
	}
	// Three tenants, two services, each leg once: all the rest was kept.
	if s := w.sim.Stats(); s.Assertions != 6 || s.Tokens != 6 {
		t.Errorf("%d assertions and %d tokens, want 6 and 6", s.Assertions, s.Tokens)
	}
}

func TestSteadyStateCostsNoExtraCall(t *testing.T) {
	w := newWorld(t, nil)
	w.send(t, w.client, w.Job(post.Digital, w.Registered))
	before := w.sim.Stats()
	for range 20 {
		w.send(t, w.client, w.Job(post.Digital, w.Registered))
	}
	after := w.sim.Stats()
	if after.Assertions != before.Assertions || after.Tokens != before.Tokens || after.Accepted != before.Accepted+20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	w := newWorld(t, func(c *kombiposttest.Config) { c.TokenLife = 30e9 }) // half of the margin
	for range 3 {
		if o := w.send(t, w.client, w.Job(post.Digital, w.Registered)); o.Verdict != dispatch.Taken {
			t.Fatalf("got %+v", o)
		}
	}
	if s := w.sim.Stats(); s.Assertions != 1 || s.Tokens != 3 {
		t.Errorf("%d assertions, %d tokens", s.Assertions, s.Tokens)
	}
}

func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	for refusals, want := range map[int]dispatch.Verdict{1: dispatch.Taken, 2: dispatch.NotTaken} {
		w := newWorld(t, nil)
		w.sim.SetFaults(kombiposttest.Faults{RefuseTokens: refusals})
		j := w.Job(post.Digital, w.Registered)
		if o := w.send(t, w.client, j); o.Verdict != want {
			t.Errorf("%d refusals: %s %q", refusals, o.Verdict, o.Code)
		}
		if s := w.sim.Stats(); s.Assertions != 2 {
			t.Errorf("%d refusals: %d assertions", refusals, s.Assertions)
		}
	}
}

func TestAnAssertionForAnotherAuthorityIsNeverUsed(t *testing.T) {
	w := newWorld(t, nil)
	w.sim.SetFaults(kombiposttest.Faults{WrongAssertions: 1})
	j := w.Job(post.Digital, w.Registered)
	if o := w.send(t, w.client, j); o.Verdict != dispatch.NotTaken || o.Code != "auth.other-tenant" {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
	if o := w.send(t, w.client, j); o.Verdict != dispatch.Taken {
		t.Errorf("afterwards: %s %q", o.Verdict, o.Code)
	}
}

func TestALetterOfOneTenantNeverGoesThroughAnothersSystem(t *testing.T) {
	w := newWorld(t, nil)
	c := w.config()
	c.Systems["engdal"] = c.Systems["fjordby"] // a slip of the operator
	client := w.connect(t, c)
	j := w.Job(post.Digital, w.Registered)
	if o := w.send(t, client, j); o.Verdict != dispatch.NotTaken || o.Code != "auth.no-system" {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
	if n := w.sim.Stats().Accepted; n != 0 {
		t.Errorf("%d were accepted", n)
	}
}

func TestAllFourChoices(t *testing.T) {
	w := newWorld(t, nil)
	sms := w.Job(post.Digital, w.Registered)
	sms.Documents, sms.Label = nil, "Husk din tid i morgen"
	automatic := w.Job(post.Digital, w.Exempt)
	for _, c := range []struct {
		via  dispatch.Channel
		job  dispatch.Job
		want []track.Kind
	}{
		{w.client, w.Job(post.Digital, w.Registered), []track.Kind{track.Received, track.Delivered}},
		{w.client, w.Job(post.Physical, w.Registered), []track.Kind{track.Received, track.Received, track.Received, track.Printing, track.Posted}},
		{w.client.Via(kombipost.Automatic), automatic, []track.Kind{track.Received, track.Received, track.Received, track.Printing, track.Posted}},
		{w.client.Via(kombipost.SMS), sms, []track.Kind{track.Received, track.Delivered}},
	} {
		if o := w.send(t, c.via, c.job); o.Verdict != dispatch.Taken {
			t.Fatalf("got %s %q", o.Verdict, o.Code)
		}
		var got []track.Kind
		for _, r := range w.statuses(t, c.job.MessageID) {
			got = append(got, r.Kind)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
	for _, p := range w.sim.Shipments() {
		if p.Transaction != p.ID || p.Handed != 1 {
			t.Errorf("x-TransaktionsId %s of %s", p.Transaction, p.ID)
		}
	}
}

func TestAChoiceThatIsNotTheLettersIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	long := w.Job(post.Digital, w.Registered)
	long.Documents, long.Label = nil, strings.Repeat("å", 151)
	for _, c := range []struct {
		name   string
		choice kombipost.Choice
		job    dispatch.Job
		want   error
	}{
		{"paper by Digital Post", kombipost.DigitalPost, w.Job(post.Physical, w.Registered), post.FaultChoice},
		{"paper by KOMBIT's choice", kombipost.Automatic, w.Job(post.Physical, w.Registered), post.FaultChoice},
		{"digital on paper", kombipost.OnPaper, w.Job(post.Digital, w.Registered), post.FaultChoice},
		{"documents by SMS", kombipost.SMS, w.Job(post.Digital, w.Registered), post.FaultSMSForm},
		{"151 characters by SMS", kombipost.SMS, long, post.FaultSMSForm},
	} {
		if err := w.client.Via(c.choice).Render(t.Context(), c.job, io.Discard); !errors.Is(err, c.want) || !errors.Is(err, post.ErrPermanent) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestAnOutcomeIsNeverAGuess(t *testing.T) {
	for _, c := range []struct {
		name    string
		faults  kombiposttest.Faults
		want    dispatch.Verdict
		code    string
		carrier int // shipments that it has afterwards
	}{
		{"an answer that never came", kombiposttest.Faults{DropReplies: 1}, dispatch.Unknown, "connection-broken", 1},
		{"a 500 after the body", kombiposttest.Faults{Broken: 1}, dispatch.Unknown, "sim.broken", 1},
		{"a 503, of which nobody says when it comes", kombiposttest.Faults{Unavailable: 1}, dispatch.Unknown, "sim.unavailable", 0},
		{"Result true beside a Fejl", kombiposttest.Faults{TrueWithFault: 1}, dispatch.Unknown, "answer.contradicts", 1},
		{"a Fejl that nobody knows is for a person", kombiposttest.Faults{Refuse: 1, Code: "4711"}, dispatch.RefusedContent, "4711", 0},
		{"a Fejl about the recipient", kombiposttest.Faults{Refuse: 1, Code: "recipient.exempt.not.allowed"}, dispatch.RefusedRecipient, "recipient.exempt.not.allowed", 0},
		{"a configured Fejl that says later", kombiposttest.Faults{Refuse: 1, Code: "9001"}, dispatch.NotTaken, "9001", 0},
		{"no assertion", kombiposttest.Faults{NoAssertions: 1}, dispatch.NotTaken, "http.503", 0},
		{"no access token", kombiposttest.Faults{NoTokens: 1}, dispatch.NotTaken, "http.503", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			cfg := w.config()
			cfg.Codes = map[string]kombipost.Meaning{"9001": kombipost.Later}
			client := w.connect(t, cfg)
			w.sim.SetFaults(c.faults)
			j := w.Job(post.Digital, w.Registered)
			if o := w.send(t, client, j); o.Verdict != c.want || o.Code != c.code {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
			if n := w.sim.Stats().Accepted; n != c.carrier {
				t.Errorf("the carrier has %d shipments", n)
			}
			if o := w.send(t, client, j); o.Verdict != dispatch.Taken {
				t.Errorf("sent again under the same ids: %s %q", o.Verdict, o.Code)
			}
			s := w.sim.Stats()
			if p := w.sim.Shipments(); s.Accepted != 1 || s.Differing != 0 || len(p) != 1 || p[0].Copies != 1 {
				t.Errorf("after both: %+v", s)
			}
		})
	}
}

func TestPaperIsTheLastChannel(t *testing.T) {
	w := newWorld(t, nil)
	w.sim.SetFaults(kombiposttest.Faults{Refuse: 1, Code: "recipient.exempt.not.allowed"})
	if o := w.send(t, w.client, w.Job(post.Physical, w.Exempt)); o.Verdict != dispatch.RefusedContent {
		t.Errorf("got %s %q", o.Verdict, o.Code)
	}
}

func TestAnswersAreReadWithCare(t *testing.T) {
	const yes = `<kombi_response><Result>true</Result><TransmissionID>317720e2-052b-450b-b510-2a0a3ab35d38</TransmissionID></kombi_response>`
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   dispatch.Verdict
		code   string
	}{
		{"taken", 200, yes, dispatch.Taken, ""},
		{"taken, in a namespace and with elements that we do not know", 200, `<x:kombi_response xmlns:x="urn:a"><x:New/><x:Result> true </x:Result></x:kombi_response>`, dispatch.Taken, ""},
		{"another success", 202, yes, dispatch.Unknown, "http.202"},
		{"a redirect is not followed", 307, ``, dispatch.Unknown, "http.307"},
		{"no Result", 200, `<kombi_response/>`, dispatch.Unknown, "answer.no-result"},
		{"Result false and no reason", 200, `<kombi_response><Result>false</Result></kombi_response>`, dispatch.Unknown, "answer.no-result"},
		{"a Fejl with a number in its id", 200, `<kombi_response><Result>false</Result><SvarReaktion><Fejl><FejlId>bad 6503851236!</FejlId></Fejl></SvarReaktion></kombi_response>`, dispatch.RefusedContent, "bad-6503-"},
		{"two Results", 200, `<kombi_response><Result>true</Result><Result>false</Result></kombi_response>`, dispatch.Unknown, "answer.no-result"},
		{"nobody there, and no file either", 200, `<kombi_response><Result>false</Result><Fejl><FejlId>recipient.exempt.not.allowed</FejlId></Fejl><Fejl><FejlId>memo.invalid</FejlId></Fejl></kombi_response>`, dispatch.RefusedContent, "memo.invalid"},
		{"nobody there, twice", 200, `<kombi_response><Result>false</Result><Fejl><FejlId>recipient.exempt.not.allowed</FejlId></Fejl><Fejl><FejlId>recipient.closed.not.allowed</FejlId></Fejl></kombi_response>`, dispatch.RefusedRecipient, "recipient.exempt.not.allowed"},
		{"nobody there, and perhaps taken", 200, `<kombi_response><Result>false</Result><Fejl><FejlId>recipient.exempt.not.allowed</FejlId></Fejl><Fejl><FejlId>perhaps</FejlId></Fejl></kombi_response>`, dispatch.Unknown, "perhaps"},
		{"nobody there, and perhaps taken, as a 400", 400, `<kombi_response><Fejl><FejlId>recipient.exempt.not.allowed</FejlId></Fejl><Fejl><FejlId>perhaps</FejlId></Fejl></kombi_response>`, dispatch.Unknown, "perhaps"},
		{"a Fejl without id", 200, `<kombi_response><Result>false</Result><Fejl/></kombi_response>`, dispatch.RefusedContent, "fejl"},
		{"not XML", 200, `Result=true`, dispatch.Unknown, "answer.unreadable"},
		{"another document", 200, `<html><Result>true</Result></html>`, dispatch.Unknown, "answer.unreadable"},
		{"a DOCTYPE", 200, `<!DOCTYPE a><kombi_response><Result>true</Result></kombi_response>`, dispatch.Unknown, "answer.unreadable"},
		{"a bomb of elements", 200, `<kombi_response><Result>true</Result>` + strings.Repeat("<a/>", 6000) + `</kombi_response>`, dispatch.Unknown, "answer.unreadable"},
		{"more than we read", 200, strings.Repeat(" ", 2<<20) + yes, dispatch.Unknown, "answer.unreadable"},
		{"400", 400, `<ServiceplatformFault><ErrorList><Error><ErrorCode>1234</ErrorCode></Error></ErrorList></ServiceplatformFault>`, dispatch.RefusedContent, "1234"},
		{"401 twice", 401, ``, dispatch.NotTaken, "auth.unauthorized"},
		{"403", 403, ``, dispatch.NotTaken, "auth.forbidden"},
		{"404", 404, ``, dispatch.NotTaken, "http.404"},
		{"500", 500, `<html>`, dispatch.Unknown, "http.500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			sim := w.sim
			w.server = w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != kombipost.PathSend {
					sim.ServeHTTP(rw, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				rw.Header().Set("Location", "/again")
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, c.body)
			}))
			cfg := w.config()
			cfg.Codes = map[string]kombipost.Meaning{"perhaps": kombipost.Unclear}
			o := w.send(t, w.connect(t, cfg), w.Job(post.Digital, w.Registered))
			if o.Verdict != c.want || o.Code != c.code || o.At.IsZero() {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
		})
	}
}

func TestNothingLeftTheHouse(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		name, code string
		bend       func(*kombipost.Config)
	}{
		{"nobody listens", "no-connection", func(c *kombipost.Config) { c.TokenURL, c.ServiceURL = "https://127.0.0.1:1/", "https://127.0.0.1:1/" }},
		{"the server is not who it should be", "no-connection", func(c *kombipost.Config) { c.RootCAs = newAuthority(t).pool }},
		{"there is no agreement for this certificate", "auth.forbidden", func(c *kombipost.Config) {
			c.Systems["engdal"] = kombipost.System{CVR: w.tenants[0].CVR, Certificate: w.other}
		}},
		{"the tenant has no system", "auth.no-system", func(c *kombipost.Config) { delete(c.Systems, "engdal") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := w.Job(post.Digital, w.Registered)
			form := suite.Form(t, w.client, j)
			cfg := w.config()
			c.bend(&cfg)
			client := w.connect(t, cfg)
			if o := client.HandOver(t.Context(), j, form); o.Verdict != dispatch.NotTaken || o.Code != c.code {
				t.Errorf("got %s %q", o.Verdict, o.Code)
			}
			if r := client.Look(t.Context(), w.Tenant, w.Registered); r.Answer != dispatch.Unsure || r.Code != c.code {
				t.Errorf("the look-up: %s %q", r.Answer, r.Code)
			}
		})
	}
	if n := w.sim.Stats().Accepted; n != 0 {
		t.Errorf("the carrier has %d", n)
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
		j := w.Job(post.Physical, w.Registered)
		f := suite.Form(t, w.client, j)
		open := f.Open
		f.Open = func() io.ReadCloser {
			return io.NopCloser(io.MultiReader(io.LimitReader(open(), f.Size-1), failing{c.err}))
		}
		if o := w.client.HandOver(t.Context(), j, f); o.Verdict != c.want || o.Code != "form.unreadable" {
			t.Errorf("%v: got %s %q", c.err, o.Verdict, o.Code)
		}
		if n := w.sim.Stats().Accepted; n != 0 {
			t.Errorf("the carrier has %d", n)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAnOutageOfTheLookupIsNeverANo(t *testing.T) {
	w := newWorld(t, nil)
	w.sim.SetFaults(kombiposttest.Faults{FailedLookups: 1})
	if r := w.client.Look(t.Context(), w.Tenant, w.Registered); r.Answer != dispatch.Unsure {
		t.Errorf("got %s %q", r.Answer, r.Code)
	}
	if r := w.client.LookSMS(t.Context(), w.Tenant, w.Registered); r.Answer != dispatch.Reachable {
		t.Errorf("NemSMS: %s %q", r.Answer, r.Code)
	}
	for _, body := range []string{`{}`, `{"result":null}`, `{"result":"true"}`, `true`, `<html>`} {
		sim := w.sim
		w.server = w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path != kombipost.PathDigital {
				sim.ServeHTTP(rw, r)
				return
			}
			_, _ = io.WriteString(rw, body)
		}))
		if r := w.connect(t, w.config()).Look(t.Context(), w.Tenant, w.Registered); r.Answer != dispatch.Unsure || r.Code != "answer.unreadable" {
			t.Errorf("%s: %s %q", body, r.Answer, r.Code)
		}
	}
}

func TestNoPersonalDataReachesTheLog(t *testing.T) {
	w := newWorld(t, nil)
	w.client.Look(t.Context(), w.Tenant, w.Registered)
	w.send(t, w.client, w.Job(post.Physical, w.Registered))
	w.push(t)
	if text := w.log.String(); strings.Contains(text, w.Registered.ID) || strings.Contains(text, "Nancy") || !strings.Contains(text, "status kept") {
		t.Errorf("the log:\n%s", text)
	}
}
