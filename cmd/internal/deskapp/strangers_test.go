package deskapp_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi"
	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

// A knock is a whole request for one operation about things of engdal: what the one who
// may do it would send. Whoever may not must get the same as for things that are not there.
type knock struct {
	path, media, body string
	headers           []string
	id                string // of engdal's, in path or body
	far               string // who has the right, but elsewhere; "" where the right is for all municipalities
	code              string // what the far one is refused with; "" when it gets an answer, about its own
}

// engdal's things, one of each kind, in the state in which they could be acted on.
type things struct {
	waiting, leased, settled, reference string // inquiries
	token, digest                       string
	letter, letterReference             string
	open, announced, closed             string // batches
	trace, mail, receipt, missing       string
	secrets                             []string // what nobody else may be told
}

func (r *rig) things() (x things) {
	t, ctx := r.t, r.t.Context()
	t.Helper()
	x.waiting, x.reference, _ = r.inquiry("dpo-faelles")
	lease := func() (string, string, string) {
		id, _, digest := r.inquiry("dpo-faelles", "bilag.pdf")
		l, err := r.client("tool").Lease(ctx, id)
		must(t, err)
		return id, l.Token, hex.EncodeToString(digest[:])
	}
	x.leased, x.token, x.digest = lease()
	id, token, digest := lease()
	_, err := r.client("tool").Acknowledge(ctx, id, wire.Acknowledge{LeaseToken: token, Digest: digest, Outcome: wire.Accept})
	must(t, err)
	x.settled = id
	l, err := r.submit("sag-1", nil)
	must(t, err)
	x.letter, x.letterReference = l.ID, l.Reference
	doc := document(pdf(t, "decision-01"))
	x.open, x.missing = r.announce("november", doc).ID, doc.SHA256
	b, err := r.client("case").OpenBatch(ctx, wire.BatchOpen{Key: "december", Announced: 1})
	must(t, err)
	x.announced = b.ID
	x.closed = r.announce("oktober", doc).ID
	_, err = r.client("case").PutDocuments(ctx, x.closed, []client.Document{doc})
	must(t, err)
	if b, err = r.client("case").CloseBatch(ctx, x.closed); err != nil || b.State != "closed" {
		t.Fatalf("%+v, %v", b, err)
	}
	_, err = r.client("case").AskLookUp(ctx, x.closed)
	must(t, err)
	asked, err := r.client("operator").AskTrace(ctx, x.letter)
	must(t, err)
	x.trace, x.mail, x.receipt = asked.ID, r.park("engdal", "unknown-contact-point", 0), r.parkReceipt("engdal:7", "unreadable", "unreadable", []byte("x"))
	_, err = r.client("approver").PauseChannel(ctx, wire.PauseSet{Channel: "physical"})
	must(t, err)
	x.secrets = []string{x.waiting, x.reference, x.leased, x.settled, x.letter, x.letterReference, x.open, x.announced, x.closed, x.trace,
		x.mail, x.receipt, x.missing, x.token, "engdal", r.nancy.CPR, r.nancy.Name, "november"}
	return x
}

// knocks has a row for every operation: one that is added without a row fails the test.
func (r *rig) knocks(x things) map[string]knock {
	const js = "application/json"
	inquiry, letters, batches := "/v1/inquiries/", "/v1/letters/", "/v1/batches/"
	answer, err := json.Marshal(reply())
	must(r.t, err)
	line := wire.BatchLine{Key: "n-1", Title: "Afgørelse", Document: "a.pdf", SHA256: x.missing,
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	part, err := json.Marshal(wire.BatchPart{Lines: []wire.BatchLine{line}})
	must(r.t, err)
	open, err := json.Marshal(wire.BatchOpen{Key: "november", Lines: []wire.BatchLine{line}})
	must(r.t, err)
	doc := string(pdf(r.t, "decision-01"))
	const gone, theirs = "POST-0002", "POST-4004"
	far := func(who, path, id, code string) knock { return knock{path: path, id: id, far: who, code: code} }
	with := func(k knock, body string) knock { k.media, k.body = js, body; return k }
	form := func(k knock, name, head string) knock { k.media, k.body = formType, formOf(name, head, doc); return k }
	all := func(path, id string) knock { return knock{path: path, id: id} } // an operator sees every municipality
	content := far("tool-far", inquiry+x.leased+"/content", x.leased, gone)
	content.headers = []string{wire.HeaderLease, x.token}
	put := far("case-far", batches+x.open+"/documents/"+x.missing, x.open, gone)
	put.media, put.body = "application/pdf", doc
	archive := far("case-far", batches+x.open+"/documents", x.open, gone)
	archive.media, archive.body = "application/x-tar", string(tarOf(r.t, [2]string{x.missing, doc}))
	return map[string]knock{
		"list-inquiries":      far("tool-far", "/v1/inquiries?tenant=engdal", "", ""),
		"show-inquiry":        far("tool-far", inquiry+x.reference, x.reference, gone),
		"lease-inquiry":       far("tool-far", inquiry+x.waiting+"/lease", x.waiting, gone),
		"extend-lease":        with(far("tool-far", inquiry+x.leased+"/extend", x.leased, gone), `{"lease_token":"`+x.token+`"}`),
		"open-content":        content,
		"acknowledge-inquiry": with(far("tool-far", inquiry+x.leased+"/acknowledge", x.leased, gone), `{"lease_token":"`+x.token+`","digest":"`+x.digest+`","outcome":"accept"}`),
		"reply-to-inquiry":    form(far("tool-far", inquiry+x.settled+"/reply", x.settled, gone), "reply", string(answer)),

		"submit-letter":       form(far("case-far", "/v1/letters", "", theirs), "letter", r.letter(func(l *wire.Letter) { l.Tenant = "engdal" })),
		"show-letter":         far("case-far", letters+x.letter, x.letter, gone),
		"list-letter-events":  far("case-far", letters+x.letterReference+"/events", x.letterReference, gone),
		"explain-letter":      far("approver-far", letters+x.letter+"/explanation", x.letter, gone),
		"decide-letter":       with(far("approver-far", letters+x.letter+"/decisions", x.letter, gone), `{"decision":"cancel"}`),
		"list-letters":        far("approver-far", "/v1/letters?tenant=engdal", "", theirs),
		"hold-letter":         with(far("approver-far", letters+x.letter+"/hold", x.letter, gone), `{"reason":"lawsuit"}`),
		"unhold-letter":       with(far("approver-far", letters+x.letter+"/unhold", x.letter, gone), `{"reason":"lawsuit"}`),
		"fetch-evidence":      far("case-far", letters+x.letter+"/evidence", x.letter, gone),
		"enter-returned-mail": with(far("case-far", "/v1/returned-mail", x.letterReference, "POST-7122"), `{"code":"`+x.letterReference+`","reason":"moved"}`),
		"ask-trace":           with(all(letters+x.letter+"/traces", x.letter), `{}`),
		"show-trace":          all(letters+x.letter+"/traces/"+x.trace, x.trace),

		"pause-channel":  with(far("approver-far", "/v1/channels/pause", "", theirs), `{"channel":"digital","tenant":"engdal"}`),
		"resume-channel": with(far("approver-far", "/v1/channels/resume", "", theirs), `{"channel":"physical","tenant":"engdal"}`),
		"list-pauses":    far("approver-far", "/v1/channels/pauses", "", ""),
		"show-times":     far("case-far", "/v1/times?tenant=engdal", "", theirs),

		"list-parked-mail":     all("/v1/parked-mail", ""),
		"retry-mail":           with(all("/v1/parked-mail/"+x.mail+"/retry", x.mail), `{}`),
		"file-mail":            with(all("/v1/parked-mail/"+x.mail+"/file", x.mail), `{"inbox":"dpo-faelles"}`),
		"close-mail":           with(all("/v1/parked-mail/"+x.mail+"/close", x.mail), `{"reason":"duplicate"}`),
		"list-parked-receipts": all("/v1/parked-receipts", ""),
		"show-receipt":         all("/v1/parked-receipts/"+strings.ReplaceAll(x.receipt, "/", "%2F"), "engdal:7"),
		"retry-receipt":        with(all("/v1/parked-receipts/"+strings.ReplaceAll(x.receipt, "/", "%2F")+"/retry", "engdal:7"), `{}`),
		"retry-receipts":       with(all("/v1/parked-receipts/retry", ""), `{"code":"unreadable"}`),
		"close-receipt":        with(all("/v1/parked-receipts/"+strings.ReplaceAll(x.receipt, "/", "%2F")+"/close", "engdal:7"), `{"reason":"duplicate"}`),

		"open-batch":         with(far("case-far", "/v1/batches", "", ""), string(open)),
		"put-lines":          with(far("case-far", batches+x.announced+"/lines/1", x.announced, gone), string(part)),
		"put-document":       put,
		"put-documents":      archive,
		"close-batch":        far("case-far", batches+x.open+"/close", x.open, gone),
		"approve-batch":      far("approver-far", batches+x.closed+"/approve", x.closed, gone),
		"continue-batch":     far("approver-far", batches+x.closed+"/continue", x.closed, gone),
		"pause-batch":        far("case-far", batches+x.closed+"/pause", x.closed, gone),
		"resume-batch":       far("case-far", batches+x.closed+"/resume", x.closed, gone),
		"stop-batch":         far("approver-far", batches+x.closed+"/stop", x.closed, gone),
		"show-batch":         far("case-far", batches+x.closed, x.closed, gone),
		"list-batch-letters": far("case-far", batches+x.closed+"/letters", x.closed, gone),
		"ask-look-up":        with(far("approver-far", batches+x.closed+"/look-up", x.closed, gone), `{}`),
		"show-look-up":       far("case-far", batches+x.closed+"/look-up?limit=10", x.closed, "POST-6033"),
	}
}

// elsewhere is k about something that is not there.
func (k knock) elsewhere() knock {
	other := post.NewID()
	switch {
	case k.id == "":
		return k
	case strings.HasPrefix(k.id, "SP-"):
		other = post.NewReference()
	case !post.ValidUUID(k.id):
		other = "engdal:8"
	}
	k.path, k.body = strings.ReplaceAll(k.path, k.id, other), strings.ReplaceAll(k.body, k.id, other)
	return k
}

// told is a whole answer but for what is new in each.
type told struct {
	status     int
	code, body string
}

func (r *rig) knock(as, method string, k knock) told {
	r.t.Helper()
	status, code, b := r.ask(as, method, k.path, k.media, strings.NewReader(k.body), k.headers...)
	if code != "" {
		var p wire.Problem
		must(r.t, json.Unmarshal(b, &p))
		p.Instance = ""
		var err error
		b, err = json.Marshal(p)
		must(r.t, err)
	}
	return told{status, code, string(b)}
}

// TestAStrangerIsToldNothingAndChangesNothing calls every operation that the API describes
// as everybody who may not: without a certificate or with one that does not count, with
// another role in the same municipality, and with the right role in another. The answer
// about a thing of engdal's is the one about a thing that is not there, to the letter.
func TestAStrangerIsToldNothingAndChangesNothing(t *testing.T) {
	r := newRig(t)
	x := r.things()
	knocks, matrix := r.knocks(x), deskapi.Matrix()
	as := map[config.Role]string{config.RoleTool: "tool", config.RoleCase: "case", config.RoleApprover: "approver", config.RoleOperator: "operator"}
	ops := operations(t, r)
	for id := range knocks {
		if _, ok := ops[id]; !ok {
			t.Errorf("%s has a row and is no operation", id)
		}
	}
	for id, op := range ops {
		k, ok := knocks[id]
		if !ok {
			t.Errorf("%s has no row here: say what a stranger is told", id)
			continue
		}
		before := r.snapshot()
		refused := func(who string, want int, code string) {
			t.Helper()
			got := r.knock(who, op[0], k)
			if got.status != want || got.code != code {
				t.Errorf("%s as %s: %d %s, want %d %s", id, who, got.status, got.code, want, code)
			}
			for _, s := range x.secrets {
				if strings.Contains(got.body, s) && !strings.Contains(k.path+k.body, s) {
					t.Errorf("%s as %s tells %q: %s", id, who, s, got.body)
				}
			}
			if other := r.knock(who, op[0], k.elsewhere()); other != got {
				t.Errorf("%s as %s: what is there\n%+v\nis told from what is not\n%+v", id, who, got, other)
			}
		}
		for _, who := range []string{"", "expired", "foreign", "serverish"} {
			refused(who, http.StatusForbidden, "POST-4001")
		}
		refused("stranger", http.StatusForbidden, "POST-4002") // as when a client was struck off the list
		for role, who := range as {
			if !slices.Contains(matrix[id], role) {
				refused(who, http.StatusForbidden, "POST-4003")
			}
		}
		if k.far != "" && k.code != "" {
			refused(k.far, map[string]int{"POST-0002": 404, "POST-6033": 404, "POST-7122": 404, "POST-4004": 403}[k.code], k.code)
		}
		if k.far == "" && !slices.Equal(matrix[id], []config.Role{config.RoleOperator}) {
			t.Errorf("%s: the row does not say who has the right elsewhere", id)
		}
		if after := r.snapshot(); after != before {
			t.Errorf("%s: a stranger changed something:\n%s", id, difference(before, after))
		}
		if k.far == "" || k.code != "" {
			continue
		}
		got := r.knock(k.far, op[0], k)
		if got.status >= 300 {
			t.Errorf("%s as %s: %d %s", id, k.far, got.status, got.code)
		}
		for _, s := range x.secrets {
			if strings.Contains(got.body, s) && s != x.missing { // a digest that it has named itself
				t.Errorf("%s as %s tells %q", id, k.far, s)
			}
		}
		for l := range strings.SplitSeq(difference(before, r.snapshot()), "\n") {
			if strings.HasPrefix(l, "-") || strings.Contains(l, "engdal") {
				t.Errorf("%s as %s changed what is another's: %s", id, k.far, l)
			}
		}
	}
}

// TestTheClockDoesNotTellEither: a thing of engdal's is looked for as long as one that is not there.
func TestTheClockDoesNotTellEither(t *testing.T) {
	r := newRig(t)
	x := r.things()
	for _, id := range []string{"show-letter", "show-batch", "show-inquiry", "fetch-evidence", "list-batch-letters"} {
		k := r.knocks(x)[id]
		c := r.bare(k.far) // one connection: its handshake would drown the rest
		took := func(k knock) time.Duration {
			began := time.Now()
			resp, err := c.Get(r.url + k.path)
			must(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			must(t, err)
			must(t, resp.Body.Close())
			if resp.StatusCode != http.StatusNotFound {
				t.Fatalf("%s: %d", id, resp.StatusCode)
			}
			return time.Since(began)
		}
		var there, nowhere []time.Duration
		for range 41 {
			there, nowhere = append(there, took(k)), append(nowhere, took(k.elsewhere()))
		}
		slices.Sort(there)
		slices.Sort(nowhere)
		if a, b := there[20], nowhere[20]; a > 3*b || b > 3*a {
			t.Errorf("%s takes %v for what is there and %v for what is not", id, a, b)
		}
	}
}

// TestAHeadIsNotAsked: the router takes HEAD for GET, and what is no GET for a write, so that
// an answer, a letter's evidence among them, was kept as that of a write is.
func TestAHeadIsNotAsked(t *testing.T) {
	r := newRig(t)
	x := r.things()
	before := r.snapshot()
	for id, as := range map[string]string{
		"show-letter": "case", "list-letters": "case", "fetch-evidence": "case", "show-batch": "case", "list-inquiries": "tool", "open-content": "tool",
	} {
		k := r.knocks(x)[id]
		for _, key := range []string{"", "head-1"} {
			req, err := http.NewRequest(http.MethodHead, r.url+k.path, nil)
			must(t, err)
			for i := 0; i+1 < len(k.headers); i += 2 {
				req.Header.Set(k.headers[i], k.headers[i+1])
			}
			if key != "" {
				req.Header.Set(wire.HeaderKey, key)
			}
			resp, err := r.bare(as).Do(req)
			must(t, err)
			must(t, resp.Body.Close())
			if resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("HEAD of %s with the key %q: %d", id, key, resp.StatusCode)
			}
		}
	}
	if after := r.snapshot(); after != before {
		t.Errorf("asking for a head changed something:\n%s", difference(before, after))
	}
}

// TestATokenIsGoodForOneClientOneInquiryAndOneLease, and ends with the acknowledgement. No answer on the way
// says who wrote.
func TestATokenIsGoodForOneClientOneInquiryAndOneLease(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	var said strings.Builder
	ask := func(as, verb, id, token, digest string) (int, string) {
		t.Helper()
		k := knock{path: "/v1/inquiries/" + id + "/" + verb, headers: []string{wire.HeaderLease, token}}
		method := http.MethodPost
		switch verb {
		case "content":
			method = http.MethodGet
		case "extend":
			k.media, k.body = "application/json", `{"lease_token":"`+token+`"}`
		case "acknowledge":
			k.media, k.body = "application/json", `{"lease_token":"`+token+`","digest":"`+digest+`","outcome":"accept"}`
		}
		status, code, b := r.ask(as, method, k.path, k.media, strings.NewReader(k.body), k.headers...)
		if verb != "content" {
			said.Write(b)
		}
		return status, code
	}
	one, _, sum := r.inquiry("dpo-faelles")
	two, _, _ := r.inquiry("dpo-faelles")
	digest := hex.EncodeToString(sum[:])
	first, err := r.client("tool").Lease(ctx, one)
	must(t, err)
	_, err = r.db.Exec(`UPDATE inquiry SET lease_until = $1 WHERE id = $2`, time.Now().Add(-time.Second).UnixMicro(), one)
	must(t, err)
	now, err := r.client("tool").Lease(ctx, one)
	must(t, err)
	other, err := r.client("tool").Lease(ctx, two)
	must(t, err)
	_, secret, _ := strings.Cut(now.Token, ".")
	_, old, _ := strings.Cut(first.Token, ".")
	before := r.snapshot()
	for name, tt := range map[string]struct{ as, token string }{
		"of the lease before":                  {"tool", first.Token},
		"of the lease before, by its number":   {"tool", "2." + old},
		"of a lease to come":                   {"tool", "3." + secret},
		"of another inquiry":                   {"tool", other.Token},
		"a colleague's":                        {"tool-2", now.Token},
		"without its secret":                   {"tool", "2."},
		"with a secret more":                   {"tool", now.Token + "AAAA"},
		"with a shorter secret":                {"tool", now.Token[:len(now.Token)-4]},
		"in other letters":                     {"tool", strings.ToUpper(now.Token)},
		"with a number that is none":           {"tool", "x." + secret},
		"with a number beyond all":             {"tool", "99999999999999999999." + secret},
		"with a negative number":               {"tool", "-2." + secret},
		"with a wildcard":                      {"tool", "2.%"},
		"with what ends a string in a request": {"tool", "2.' OR 1=1 --"},
	} {
		for _, verb := range []string{"content", "extend", "acknowledge"} {
			if status, code := ask(tt.as, verb, one, tt.token, digest); status != http.StatusConflict || code != "POST-4203" {
				t.Errorf("%s with a token %s: %d %s", verb, name, status, code)
			}
		}
	}
	if after := r.snapshot(); after != before {
		t.Errorf("a token that is not good changed something:\n%s", difference(before, after))
	}
	for _, verb := range []string{"extend", "acknowledge"} {
		if status, code := ask("tool", verb, one, now.Token, digest); status != http.StatusOK {
			t.Fatalf("%s with the good one: %d %s", verb, status, code)
		}
	}
	before = r.snapshot()
	for _, verb := range []string{"content", "extend", "lease"} {
		for _, as := range []string{"tool", "tool-2"} {
			if status, code := ask(as, verb, one, now.Token, digest); status != http.StatusConflict || code != "POST-4202" {
				t.Errorf("%s by %s after the acknowledgement: %d %s", verb, as, status, code)
			}
		}
	}
	if status, code := ask("tool-2", "acknowledge", one, now.Token, digest); status != http.StatusConflict || code != "POST-4202" {
		t.Errorf("acknowledged by a colleague too: %d %s", status, code)
	}
	if after := r.snapshot(); after != before {
		t.Errorf("after the acknowledgement something changed:\n%s", difference(before, after))
	}
	answer, err := json.Marshal(reply())
	must(t, err)
	status, code, letter := r.ask("tool-2", "POST", "/v1/inquiries/"+one+"/reply", formType, strings.NewReader(formOf("reply", string(answer), string(pdf(t, "answer")))))
	if status != http.StatusCreated {
		t.Fatalf("the reply: %d %s", status, code)
	}
	said.Write(letter)
	for _, path := range []string{"/v1/inquiries/" + one, "/v1/inquiries?state=answered&state=leased"} {
		_, _, b := r.ask("tool", "GET", path, "", nil)
		said.Write(b)
	}
	for _, secret := range []string{r.nancy.CPR, r.nancy.Name, "Berggren", "Indsigt i mine"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("an answer says %q", secret)
		}
	}
}
