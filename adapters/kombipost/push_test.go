package kombipost_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// wrapped returns a sample shipment as a request.
func wrapped(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("?>"))
	return []byte(`<kombi_request><KombiValgKode>Fysisk Post</KombiValgKode><ForsendelseISamling xmlns="urn:oio:fjernprint:1.0.0">` +
		string(text) + `</ForsendelseISamling></kombi_request>`)
}

// postRaw sends a request as any client would, and returns the Fejl it gets.
func (w *world) postRaw(t *testing.T, body []byte) string {
	t.Helper()
	client := w.ca.client(t, w.cert)
	var issued struct {
		RequestedSecurityToken struct{ Assertion string }
	}
	ask := fmt.Sprintf(`{"TokenType":"t","RequestType":"r","KeyType":"k","AnvenderKontekst":{"Cvr":"%s"},"UseKey":"%s","AppliesTo":{"EndpointReference":{"Address":"%s"}}}`,
		w.Tenant.CVR, base64.StdEncoding.EncodeToString(w.cert.Certificate[0]), kombipost.EntitySend)
	w.read(t, client, kombipost.PathIssue, "application/json", "", []byte(ask), &issued)
	var token struct {
		Token string `json:"access_token"`
	}
	form := "saml-token=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(issued.RequestedSecurityToken.Assertion)
	w.read(t, client, kombipost.PathToken, "application/x-www-form-urlencoded", "", []byte(form), &token)
	var answer struct {
		Fejl string `xml:"HovedoplysningerSvarREST>SvarReaktion>Fejl>FejlId"`
	}
	w.read(t, client, kombipost.PathSend, "application/xml", "Holder-of-key "+token.Token, body, &answer)
	return answer.Fejl
}

func (w *world) read(t *testing.T, c *http.Client, path, media, token string, body []byte, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Authorization", token)
	req.Header.Set("X-TransaktionsId", post.NewID())
	req.Header.Set("X-TransaktionsTid", "2026-11-22T09:00:00Z")
	answer, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, answer.StatusCode, text, err)
	}
	if media == "application/xml" {
		err = xml.Unmarshal(text, into)
	} else {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sent hands a letter over and forgets the statuses that wait for it.
func (w *world) sent(t *testing.T, channel post.Channel) string {
	t.Helper()
	j := w.Job(channel, w.Registered)
	if o := w.send(t, w.client, j); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	w.push(t)
	w.inbox.mu.Lock()
	w.inbox.kept = nil
	w.inbox.mu.Unlock()
	return j.MessageID
}

// one reports a status, pushes it, and returns what was kept.
func (w *world) one(t *testing.T, id string, st kombiposttest.Status) track.Receipt {
	t.Helper()
	before := len(w.inbox.all())
	if err := w.sim.Report(id, st); err != nil {
		t.Fatal(err)
	}
	w.push(t)
	all := w.inbox.all()
	if len(all) != before+1 {
		t.Fatalf("%d receipts kept", len(all)-before)
	}
	return all[before]
}

func TestEveryEventArrives(t *testing.T) {
	w := newWorld(t, nil)
	w.receiver.Updates = map[string]track.Kind{"10": track.Returned, "11": track.Proven}
	w.receiver.Codes = map[string]kombipost.Meaning{"77": kombipost.Unclear}
	w.listen(t)
	at := time.Date(2026, 11, 22, 9, 30, 0, 123e6, time.UTC)
	rows, senders := map[string]bool{}, map[string]bool{}
	for _, c := range []struct {
		row     string // of the order of events: D1, D2, P1 to P7, X
		channel post.Channel
		status  kombiposttest.Status
		want    track.Kind
		code    string
	}{
		{"D1", post.Digital, kombiposttest.Status{Event: kombipost.ReceivedDigital}, track.Received, ""},
		{"D2", post.Digital, kombiposttest.Status{Event: kombipost.DeliveredDigital}, track.Delivered, ""},
		{"X", post.Digital, kombiposttest.Status{Event: kombipost.Failed, Code: "memo.invalid"}, track.RefusedContent, "memo.invalid"},
		{"X", post.Digital, kombiposttest.Status{Event: kombipost.Failed, Code: "recipient.exempt.not.allowed"}, track.RefusedRecipient, "recipient.exempt.not.allowed"},
		{"X", post.Digital, kombiposttest.Status{Event: kombipost.Failed, Code: "sender.not.allowed"}, track.RefusedContent, "sender.not.allowed"},
		{"X", post.Digital, kombiposttest.Status{Event: kombipost.Failed, Code: "77"}, track.Unreadable, "77"},
		{"X", post.Digital, kombiposttest.Status{Event: kombipost.Failed}, track.RefusedContent, "fejlet"},
		{"P1", post.Physical, kombiposttest.Status{Event: kombipost.Created}, track.Received, ""},
		{"P2", post.Physical, kombiposttest.Status{Event: kombipost.ReceivedPrint, Sender: "AE5B9A93-C923-40D7-A41A-1EEC18374E27"}, track.Received, ""},
		{"P3", post.Physical, kombiposttest.Status{Event: kombipost.ReadyToPrint, Sender: "6b12182a-4268-4130-bd3e-159f8862c0a1"}, track.Received, ""},
		{"P4", post.Physical, kombiposttest.Status{Event: kombipost.Printing}, track.Printing, ""},
		{"P5", post.Physical, kombiposttest.Status{Event: kombipost.HandedToPost}, track.Posted, ""},
		{"P6", post.Physical, kombiposttest.Status{Event: kombipost.Update, Type: "10"}, track.Returned, "update.10"},
		{"P6", post.Physical, kombiposttest.Status{Event: kombipost.Update, Type: "11"}, track.Proven, "update.11"},
		{"P6", post.Physical, kombiposttest.Status{Event: kombipost.Update, Type: "12"}, track.Unreadable, "update.12"},
		{"P6", post.Physical, kombiposttest.Status{Event: kombipost.Update}, track.Unreadable, "update"},
		{"P7", post.Physical, kombiposttest.Status{Event: kombipost.Recalled}, track.Unreadable, "recalled"},
		{"X", post.Physical, kombiposttest.Status{Event: kombipost.Failed, Code: "1234"}, track.RefusedContent, "1234"},
		{"X", post.Physical, kombiposttest.Status{Event: kombipost.Failed, Code: "recipient.exempt.not.allowed"}, track.RefusedContent, "recipient.exempt.not.allowed"},
		{"P5", post.Physical, kombiposttest.Status{Event: kombipost.HandedToPost, Sender: "96514e13-afdd-44d6-95a8-adc2ca19b127"}, track.Unreadable, kombipost.CodeSender},
		{"D2", post.Digital, kombiposttest.Status{Event: kombipost.DeliveredDigital, Sender: "afd21f3d-11c7-4f51-b2a6-f31d6480a9fb"}, track.Unreadable, kombipost.CodeSender},
		{"D2", post.Digital, kombiposttest.Status{Event: kombipost.DeliveredDigital, Sender: post.NewID()}, track.Unreadable, kombipost.CodeSender},
	} {
		rows[c.row] = true
		if c.want != track.Unreadable {
			senders[strings.ToLower(c.status.Sender)] = true
		}
		t.Run(c.row+" "+c.status.Event+" "+c.code, func(t *testing.T) {
			id := w.sent(t, c.channel)
			c.status.At = at
			r := w.one(t, id, c.status)
			event, _, beside := strings.Cut(r.EventID, "~")
			if r.Kind != c.want || r.Code != c.code || r.Carrier != "kombipost" || len(r.Raw) == 0 || !post.ValidUUID(event) || beside != (r.MessageID == "") {
				t.Errorf("got %s %q of %s, event %s", r.Kind, r.Code, r.Carrier, r.EventID)
			}
			if r.Code != kombipost.CodeSender && (r.MessageID != id || !r.At.Equal(at)) {
				t.Errorf("of %s at %s", r.MessageID, r.At)
			}
		})
	}
	if len(kombipost.Events) != 10 || len(rows) != 10 {
		t.Errorf("%d events, of which %d have a row here", len(kombipost.Events), len(rows))
	}
	for id, s := range kombipost.Senders { // the simulator's own, when none is named, are Digital Post and Strålfors
		if usual := s.Name == "Digital Post" || s.Name == "Strålfors"; !usual && !senders[id] {
			t.Errorf("no event of %s is believed here", s.Name)
		}
	}
}

func TestTheEventsAreThoseOfTheTable(t *testing.T) {
	path, ok := outside.Data(t, "kombipost/derived/pko-objekthandling.csv", "the check of events against the table")
	if !ok {
		return
	}
	table, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range kombipost.Events {
		if !bytes.Contains(table, []byte(e.ID+","+e.Name+",")) {
			t.Errorf("%s %s is not in the table", e.ID, e.Name)
		}
	}
}

func TestTheRealSamplesAreRead(t *testing.T) {
	folder, ok := outside.Data(t, "kombipost/sf1601-poststatus", "the two real envelopes")
	if !ok {
		return
	}
	for name, want := range map[string]struct {
		kind track.Kind
		id   string
		code string
	}{
		"success": {track.Delivered, "8853363b-43ec-4d0a-a54d-65447f9447ed", ""},
		"error":   {track.RefusedContent, "33ca98c5-d2ce-43e7-be3a-d5cfde9f6394", "memo.invalid"},
	} {
		body, err := os.ReadFile(filepath.Join(folder, "PostStatusBeskedModtag."+name+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, nil)
		w.receiver.Tenants["55133018"] = "engdal"
		w.listen(t)
		code, err := kombiposttest.Push(t.Context(), kombiposttest.Callback{URL: w.callback.URL, Client: w.ca.client(t, w.bfo)}, body)
		all := w.inbox.all()
		if err != nil || code != kombipost.AnswerOK || len(all) != 1 {
			t.Fatalf("%s: answered %d, %v, kept %d", name, code, err, len(all))
		}
		if r := all[0]; r.Kind != want.kind || r.MessageID != want.id || r.Code != want.code || r.At.Year() != 2023 || !bytes.Equal(r.Raw, body) {
			t.Errorf("%s: got %s %s %q at %s", name, r.Kind, r.MessageID, r.Code, r.At)
		}
	}
}

func TestTheSimulatorsEnvelopeAndOurAnswerHoldToTheSchema(t *testing.T) {
	tool, ok := outside.Program(t, "xmllint", "the check of envelopes against the schema")
	schema, here := outside.Data(t, "kombipost/sf1461-beskedfordeler/xsd/AnvendersystemOperationer.xsd", "the check of envelopes against the schema")
	if !ok || !here {
		return
	}
	check := func(doc []byte) ([]byte, error) {
		cmd := exec.Command(tool, "--noout", "--nonet", "--schema", schema, "-")
		cmd.Stdin = bytes.NewReader(doc)
		return cmd.CombinedOutput()
	}
	for i, e := range kombipost.Events {
		p := kombiposttest.Shipment{ID: post.DerivedID("a", post.Digital, i+1), Paper: e.Channel == "Fysisk Post"}
		doc := kombiposttest.Envelope(p, e, kombiposttest.Status{At: time.Now(), Code: "x"}, "29000011", post.NewID())
		if out, err := check(doc); err != nil {
			t.Errorf("%s: %v\n%s", e.Name, err, out)
		}
	}
	w := newWorld(t, nil)
	answer, err := w.ca.client(t, w.bfo).Post(w.callback.URL, "application/xml", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if out, err := check(text); err != nil {
		t.Errorf("our answer: %v\n%s\n%s", err, out, text)
	}
}

func TestTwentyIsSaidOnlyAfterCommit(t *testing.T) {
	for _, bend := range []func(*inbox){func(i *inbox) { i.down = true }, func(i *inbox) { i.blind = true }} {
		w := newWorld(t, nil)
		j := w.Job(post.Digital, w.Registered)
		w.send(t, w.client, j)
		bend(w.inbox)
		if n, err := w.sim.Step(t.Context()); n != 0 || err != nil || len(w.inbox.all()) != 0 {
			t.Fatalf("%d got 20, %v", n, err)
		}
		w.inbox.mu.Lock()
		w.inbox.down, w.inbox.blind = false, false
		w.inbox.mu.Unlock()
		if n, err := w.sim.Step(t.Context()); n != 2 || err != nil || len(w.inbox.all()) != 2 {
			t.Errorf("delivered again: %d got 20, %v", n, err)
		}
	}
}

func TestStatusesThatDoubleReorderAndStray(t *testing.T) {
	w := newWorld(t, nil)
	w.sim.SetFaults(kombiposttest.Faults{DuplicateStatuses: true, ReorderStatuses: true, GarbageStatuses: 2})
	j := w.Job(post.Digital, w.Registered)
	w.send(t, w.client, j)
	w.push(t)
	kinds := map[track.Kind]int{}
	for _, r := range w.inbox.all() {
		kinds[r.Kind]++
	}
	if kinds[track.Received] != 1 || kinds[track.Delivered] != 1 || kinds[track.Unreadable] != 2 {
		t.Errorf("got %v", kinds)
	}
}

func TestAnotherTenantsStatusMovesNoLetter(t *testing.T) {
	w := newWorld(t, nil)
	id := w.sent(t, post.Digital)
	w.sim.SetFaults(kombiposttest.Faults{WrongTenant: 1}) // a CVR that is not served
	if r := w.one(t, id, kombiposttest.Status{Event: kombipost.DeliveredDigital}); r.Kind != track.Unreadable || r.Code != kombipost.CodeTenant || r.MessageID != "" {
		t.Errorf("not served: %s %q", r.Kind, r.Code)
	}
	w.inbox.mu.Lock()
	w.inbox.owners[id] = "fjordby" // served, but the letter is another's
	w.inbox.mu.Unlock()
	if r := w.one(t, id, kombiposttest.Status{Event: kombipost.DeliveredDigital}); r.Kind != track.Unreadable || r.Code != kombipost.CodeTenant {
		t.Errorf("another's letter: %s %q", r.Kind, r.Code)
	}
}

func TestAStatusMayOvertakeOurOwnCommit(t *testing.T) {
	w := newWorld(t, nil)
	id := w.sent(t, post.Digital)
	w.inbox.mu.Lock()
	delete(w.inbox.owners, id)
	w.inbox.mu.Unlock()
	if r := w.one(t, id, kombiposttest.Status{Event: kombipost.DeliveredDigital}); r.Kind != track.Delivered || r.MessageID != id {
		t.Errorf("got %s %q", r.Kind, r.Code)
	}
}

func TestOnlyBeskedfordelerMayPush(t *testing.T) {
	w := newWorld(t, nil)
	for name, client := range map[string]*http.Client{"another certificate of the same authority": w.ca.client(t, w.cert)} {
		answer, err := client.Post(w.callback.URL, "application/xml", strings.NewReader("<a/>"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: HTTP %d", name, answer.StatusCode)
		}
	}
	h, err := kombipost.NewReceiver(w.receiver)
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewRecorder()
	h.ServeHTTP(plain, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("<a/>")))
	if plain.Code != http.StatusForbidden || len(w.inbox.all()) != 0 {
		t.Errorf("without TLS: HTTP %d", plain.Code)
	}
}

// good returns an envelope that is believed.
func good(id string) string {
	return string(kombiposttest.Envelope(kombiposttest.Shipment{ID: id}, kombipost.Events[1], kombiposttest.Status{At: time.Now()}, "29000011", post.NewID()))
}

func TestGarbageIsKeptWholeAndMovesNothing(t *testing.T) {
	id := post.DerivedID("a", post.Digital, 1)
	swap := func(old, new string) string {
		whole := good(id)
		s := strings.Replace(whole, old, new, 1)
		if s == whole {
			panic("nothing swapped: " + old)
		}
		return s
	}
	payload := func(text string) string {
		before, rest, _ := strings.Cut(good(id), `file-type=".xml">`)
		_, after, _ := strings.Cut(rest, `</Base64>`)
		return before + `file-type=".xml">` + text + `</Base64>` + after
	}
	status := func(text string) string {
		return payload(base64.StdEncoding.EncodeToString([]byte(`<PKO_PostStatus>` + text + `</PKO_PostStatus>`)))
	}
	for _, c := range []struct{ name, code, body string }{
		{"not XML", kombipost.CodeNotXML, "hello"},
		{"a DOCTYPE with entities", kombipost.CodeNotXML, `<!DOCTYPE a [<!ENTITY b "c">]>` + good(id)},
		{"half of it", kombipost.CodeNotXML, good(id)[:900]},
		{"too deep", kombipost.CodeNotXML, strings.Repeat("<a>", 60) + strings.Repeat("</a>", 60)},
		{"another document", kombipost.CodeNoEnvelope, "<a/>"},
		{"two messages in one", kombipost.CodeNoEnvelope, "<a>" + strings.Repeat("<Haendelsesbesked/>", 2) + "</a>"},
		{"another type", kombipost.CodeOtherType, swap(kombipost.MessageType, post.NewID())},
		{"nobody is named", kombipost.CodeTenant, strings.ReplaceAll(good(id), "k:TilladtModtager>", "k:TilladtModtagere>")},
		{"a CVR that is none", kombipost.CodeTenant, swap("urn:oio:cvr:29000011", "urn:oio:cpr:29000011")},
		{"an unknown event", kombipost.CodeUnknownEvent, swap(kombipost.Events[1].ID, post.NewID())},
		{"payload that is not base64", kombipost.CodeNoPayload, payload("***")},
		{"payload that is not XML", kombipost.CodeNoPayload, payload("AAAA")},
		{"payload of another kind", kombipost.CodeNoPayload, payload("PGEvPg==")},
		{"a payload without channel", kombipost.CodeChannel, status(``)},
		{"a paper channel on a digital event", kombipost.CodeChannel, status(`<KanalKode>Fysisk Post</KanalKode>`)},
		{"a status in words that is another", kombipost.CodeContradicts, status(`<KanalKode>Digital Post</KanalKode><TransaktionsStatusKode>Fejlet</TransaktionsStatusKode>`)},
		{"no time", kombipost.CodeNoTime, status(`<KanalKode>Digital Post</KanalKode>`)},
		{"no letter", kombipost.CodeNoLetter, status(`<KanalKode>Digital Post</KanalKode><TransaktionsDatoTid>2026-11-22T09:00:00Z</TransaktionsDatoTid>`)},
		{"another letter than the envelope's", kombipost.CodeNoLetter, status(`<KanalKode>Digital Post</KanalKode><TransaktionsDatoTid>2026-11-22T09:00:00Z</TransaktionsDatoTid><MessageUUID>` + post.DerivedID("b", post.Digital, 1) + `</MessageUUID>`)},
		{"two statuses", kombipost.CodeManyPayloads, swap(`</Base64>`, `</Base64>`+base64Of(good(id)))},
		{"two statuses apart", kombipost.CodeManyPayloads, beside(good(id), "Beskeddata")},
		{"two envelopes", kombipost.CodeDoubled, beside(good(id), "Beskedkuvert")},
		{"two filters", kombipost.CodeDoubled, beside(good(id), "Filtreringsdata")},
		{"two ids", kombipost.CodeDoubled, beside(good(id), "BeskedId")},
		{"two senders", kombipost.CodeDoubled, beside(good(id), "BeskedAnsvarligAktoer")},
		{"two objects' ids", kombipost.CodeDoubled, beside(good(id), "ObjektId")},
		{"two events", kombipost.CodeDoubled, beside(good(id), "ObjektHandling")},
		{"two letters in a status", kombipost.CodeDoubled, status(`<KanalKode>Digital Post</KanalKode><TransaktionsDatoTid>2026-11-22T09:00:00Z</TransaktionsDatoTid><MessageUUID>` + id + `</MessageUUID><MessageUUID>` + post.DerivedID("b", post.Digital, 1) + `</MessageUUID>`)},
		{"two times", kombipost.CodeDoubled, status(`<KanalKode>Digital Post</KanalKode><TransaktionsDatoTid>2026-11-22T09:00:00Z</TransaktionsDatoTid><TransaktionsDatoTid>2026-11-23T09:00:00Z</TransaktionsDatoTid><MessageUUID>` + id + `</MessageUUID>`)},
		{"2 MiB", kombipost.CodeTooLarge, strings.Repeat("x", 2<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, refuse := range []bool{false, true} {
				in := newInbox()
				h := receiver(t, in, refuse)
				answer := serve(h, []byte(c.body))
				want := "<StatusKode>20<"
				if refuse {
					want = "<StatusKode>41<"
				}
				all := in.all()
				if len(all) != 1 || !strings.Contains(answer.Body.String(), want) {
					t.Fatalf("kept %d, answered %s", len(all), answer.Body)
				}
				r := all[0]
				if r.Kind != track.Unreadable || r.Code != c.code || r.MessageID != "" || r.EventID == "" || !strings.HasPrefix(c.body, string(r.Raw)) || len(r.Raw) == 0 {
					t.Errorf("got %s %q of %q", r.Kind, r.Code, r.MessageID)
				}
			}
		})
	}
	in := newInbox()
	if answer := serve(receiver(t, in, false), nil); answer.Code != http.StatusBadRequest || len(in.all()) != 0 {
		t.Errorf("an empty body: HTTP %d", answer.Code)
	}
}

// element cuts the first element of that name out of an envelope.
func element(envelope, name string) string {
	m := regexp.MustCompile(`(?s)<((?:\w+:)?` + name + `)[ >].*?</(?:\w+:)?` + name + `>`).FindString(envelope)
	if m == "" {
		panic("no " + name)
	}
	return m
}

// base64Of is the payload of an envelope.
func base64Of(envelope string) string { return element(envelope, "Base64") }

// beside puts an element of an envelope there twice.
func beside(envelope, name string) string {
	e := element(envelope, name)
	return strings.Replace(envelope, e, e+e, 1)
}

// TestAStatusForSeveralIsBelievedOfALetterThatIsKnownOnly: a status that overtakes
// our own commit is that of the one municipality here that it names. One that names
// two, or one of ours beside others, must not move a third one's letter later.
func TestAStatusForSeveralIsBelievedOfALetterThatIsKnownOnly(t *testing.T) {
	id := post.DerivedID("a", post.Digital, 1)
	naming := func(cvrs ...string) []byte {
		e := element(good(id), "TilladtModtager")
		all := ""
		for _, cvr := range cvrs {
			all += strings.Replace(e, "29000011", cvr, 1)
		}
		return []byte(strings.Replace(good(id), e, all, 1))
	}
	for _, c := range []struct {
		name   string
		body   []byte
		owner  post.TenantID // "" is not known yet
		tenant post.TenantID
		code   string
	}{
		{"one, not known yet", naming("29000011"), "", "engdal", ""},
		{"one twice", naming("29000011", "29000011"), "", "engdal", ""},
		{"one of ours and a stranger, not known yet", naming("29000011", "12345674"), "", "engdal", ""},
		{"two of ours, not known yet", naming("29000011", "29000022"), "", "", kombipost.CodeTenant},
		{"two of ours, the second's", naming("29000011", "29000022"), "fjordby", "fjordby", ""},
		{"two of ours, a third's", naming("29000011", "29000022"), "lyngsoe", "", kombipost.CodeTenant},
		{"a stranger, not known yet", naming("12345674"), "", "", kombipost.CodeTenant},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newInbox()
			if c.owner != "" {
				in.owners[id] = c.owner
			}
			h, err := kombipost.NewReceiver(kombipost.PushConfig{
				StatusConfig: kombipost.StatusConfig{Inbox: in, Log: slog.New(slog.DiscardHandler),
					Tenants: map[post.CVR]post.TenantID{"29000011": "engdal", "29000022": "fjordby", "29000033": "lyngsoe"}},
				Peer: func(*x509.Certificate) bool { return true },
			})
			if err != nil {
				t.Fatal(err)
			}
			serve(h, c.body)
			all := in.all()
			if len(all) != 1 {
				t.Fatalf("%d kept", len(all))
			}
			if r := all[0]; r.Tenant != c.tenant || (r.Kind == track.Unreadable) != (c.code != "") || c.code != "" && (r.Code != c.code || r.MessageID != "") {
				t.Errorf("%s %q of %s for %q", r.Kind, r.Code, r.MessageID, r.Tenant)
			}
		})
	}
}

// anyPeer takes every certificate: what is under test is what comes after it.
func receiver(t testing.TB, in kombipost.Inbox, refuse bool) http.Handler {
	t.Helper()
	h, err := kombipost.NewReceiver(kombipost.PushConfig{
		StatusConfig: kombipost.StatusConfig{Inbox: in, Tenants: map[post.CVR]post.TenantID{"29000011": "engdal"}, Log: slog.New(slog.DiscardHandler)},
		Peer:         func(*x509.Certificate) bool { return true }, RefuseUnreadable: refuse,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func serve(h http.Handler, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", bytes.NewReader(body))
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestADeliveryThatBreaksOffIsNotKept(t *testing.T) {
	in := newInbox()
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("<a"), failing{errors.New("reset")}))
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	w := httptest.NewRecorder()
	receiver(t, in, false).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || len(in.all()) != 0 {
		t.Errorf("HTTP %d, kept %d", w.Code, len(in.all()))
	}
}

func TestReceiverNamesEveryGap(t *testing.T) {
	_, err := kombipost.NewReceiver(kombipost.PushConfig{StatusConfig: kombipost.StatusConfig{Updates: map[string]track.Kind{"1": track.Delivered}}})
	for _, gap := range []string{"Inbox", "Tenants", "Peer", "Log", "update 1"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

// FuzzPush: whatever is delivered, one receipt is kept before 20 is said, and
// only one that names our tenant and a letter is believed.
func FuzzPush(f *testing.F) {
	id := post.DerivedID("a", post.Digital, 1)
	f.Add([]byte(good(id)))
	f.Add([]byte("<Haendelsesbesked/>"))
	f.Add([]byte(strings.Replace(good(id), "urn:oio:cvr:", "urn:oio:cvr-nr:", 1)))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		in := newInbox()
		answer := serve(receiver(t, in, false), body)
		all := in.all()
		if len(body) == 0 {
			return
		}
		if answer.Code != http.StatusOK || len(all) != 1 {
			t.Fatalf("HTTP %d, kept %d", answer.Code, len(all))
		}
		r := all[0]
		if r.EventID == "" || r.At.IsZero() || r.Kind == "" || !bytes.HasPrefix(body, r.Raw) {
			t.Fatalf("kept %+v", r)
		}
		if r.Kind != track.Unreadable && !post.ValidUUID(r.MessageID) {
			t.Fatalf("believed %s of %q", r.Kind, r.MessageID)
		}
	})
}
