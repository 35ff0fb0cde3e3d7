package digitalposttest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// as calls the server as a system with a certificate.
func as(s http.Handler, system, token, cert, method, path, kind string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(cert)}}}
	if system != "" {
		r.SetBasicAuth(system, token)
	}
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func two(t *testing.T) *digitalposttest.Server {
	c := config(t.TempDir())
	c.Systems = map[string]digitalposttest.System{
		"s":       {Token: "t", CVR: "29000011", Fingerprint: digitalposttest.Fingerprint([]byte("ours"))},
		"vendor":  {Token: "v", CVR: "29000011", Fingerprint: digitalposttest.Fingerprint([]byte("theirs"))}, // sends for it as well
		"fjordby": {Token: "f", CVR: "29000022", Fingerprint: digitalposttest.Fingerprint([]byte("theirs"))},
	}
	return open(t, c)
}

func TestTheDoorRefusesAsDocumented(t *testing.T) {
	s := two(t)
	uuid, good := message(t, cpr, nil)
	send := "/apis/v1/memos/?memo-message-uuid=" + uuid
	for _, c := range []struct {
		name, system, token, cert, method, path, kind string
		want                                          int
		says                                          string
	}{
		{"no token", "", "", "ours", "POST", send, "application/xml", 401, "sim.token.unknown"},
		{"an unknown system", "x", "t", "ours", "POST", send, "application/xml", 401, "sim.token.unknown"},
		{"another system's token", "s", "f", "ours", "POST", send, "application/xml", 401, "sim.token.unknown"},
		{"another organization's certificate, which is not allowed to stand in", "s", "t", "theirs", "POST", send, "application/xml", 403, "sim.certificate.does.not.match.system"},
		{"a certificate of nobody", "s", "t", "nobody's", "GET", "/apis/v1/receipts/", "", 403, "sim.certificate.does.not.match.system"},
		{"JSON", "s", "t", "ours", "POST", send, "application/json", 400, "sim.media.type.not.allowed"},
		{"no media type", "s", "t", "ours", "POST", send, "", 400, "sim.media.type.not.allowed"},
		{"a container with a query", "s", "t", "ours", "POST", send, "application/x-lzma", 400, "sim.container.with.query"},
		{"no UUID", "s", "t", "ours", "POST", "/apis/v1/memos/?memo-message-uuid=1", "application/xml", 400, "sim.message.uuid.missing"},
		{"an unknown path", "s", "t", "ours", "GET", "/apis/v1/letters/", "", 404, "sim.path.unknown"},
		{"a path without its slash", "s", "t", "ours", "GET", "/apis/v1/receipts-bulk", "", 404, "sim.path.unknown"},
		{"another method", "s", "t", "ours", "PUT", "/apis/v1/memos/", "application/xml", 405, "sim.method.not.allowed"},
		{"a page that is none", "s", "t", "ours", "GET", "/apis/v1/receipts-bulk/?page=-1", "", 400, "sim.paging.invalid"},
		{"too large a page", "s", "t", "ours", "GET", "/apis/v1/receipts-bulk/?size=1001", "", 400, "sim.paging.invalid"},
		{"text/xml with a charset", "s", "t", "ours", "POST", send, "text/xml; charset=utf-8", 201, "RECEIVED"},
		{"a certificate that stands in for the organization", "vendor", "v", "theirs", "POST", send, "application/xml", 201, "RECEIVED"},
	} {
		w := as(s, c.system, c.token, c.cert, c.method, c.path, c.kind, good)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	if allow := as(s, "s", "t", "ours", "PUT", "/apis/v1/memos/", "", nil).Header().Get("Allow"); allow != "GET, POST" {
		t.Errorf("allowed are %q", allow)
	}
}

func TestAnotherOrganizationsUUIDIsNotAnsweredWithItsReceipt(t *testing.T) {
	s := two(t)
	var first *memo.Message
	uuid, good := message(t, cpr, func(m *memo.Message) { m.Header.ID, first = "reference of Engdal", m })
	send := "/apis/v1/memos/?memo-message-uuid=" + uuid
	if w := as(s, "s", "t", "ours", "POST", send, "application/xml", good); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	theirs := bytes.ReplaceAll(good, []byte("29000011"), []byte("29000022"))
	w := as(s, "fjordby", "f", "theirs", "POST", send, "application/xml", theirs)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "sim.message.uuid.of.another") || strings.Contains(w.Body.String(), "Engdal") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var b bytes.Buffer
	box, err := memo.NewContainerWriter(&b, memo.Version)
	if err != nil {
		t.Fatal(err)
	}
	first.Header.Sender.ID = "29000022"
	if err := errors.Join(box.Add(first), box.Close()); err != nil {
		t.Fatal(err)
	}
	if w := as(s, "fjordby", "f", "theirs", "POST", "/apis/v1/memos/", "application/x-lzma", b.Bytes()); w.Code != 400 || !strings.Contains(w.Body.String(), "sim.message.uuid.of.another") {
		t.Errorf("in a container: %d %s", w.Code, w.Body)
	}
	if got := s.Stats(); got.Accepted != 1 || got.Duplicates != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestOutcomesHaveTheirPublishedCodes(t *testing.T) {
	c := config(t.TempDir())
	c.Authorities = map[post.CVR][]digitalposttest.ContactPoint{"29000022": {{ID: "163710ae-5078-350c-0000-000000000440"}}}
	c.Parties = append(c.Parties, digitalposttest.Party{CVR: "11223492", Registration: "REGISTERED", Since: time.Now().Add(72 * time.Hour)})
	s := open(t, c)
	day := func(days int) string { return time.Now().In(calendar.Zone()).AddDate(0, 0, days).Format(time.DateOnly) }
	to := func(id string, point *memo.ContactPoint) func(*memo.Message) {
		return func(m *memo.Message) { m.Header.Recipient = memo.Party{ID: id, IDType: "CVR", ContactPoint: point} }
	}
	for _, c := range []struct {
		name, status, code string
		bend               func(*memo.Message)
	}{
		{"a value date that has gone", "INVALID", "do.not.deliver.until.date.too.early", func(m *memo.Message) { m.Header.DeliverFrom = day(-2) }},
		{"a value date of today", "COMPLETED", "", func(m *memo.Message) { m.Header.DeliverFrom = day(0) }},
		{"a new company that waits", "NOT_ALLOWED", "sim.recipient.waiting.not.allowed", to("11223492", nil)},
		{"a contact point that is none", "INVALID", "contact.point.id.format.not.allowed", to("29000022", &memo.ContactPoint{ID: "borgerservice"})},
		{"a contact point that is not there", "INVALID", "sim.contact.point.unknown", to("29000022", &memo.ContactPoint{ID: "163710ae-5078-350c-0000-000000000441"})},
		{"a contact point", "COMPLETED", "", to("29000022", &memo.ContactPoint{ID: "163710AE-5078-350c-0000-000000000440"})},
	} {
		uuid, body := message(t, cpr, c.bend)
		if status, got := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body); status != 201 {
			t.Fatalf("%s: %d %v", c.name, status, got)
		}
		if m, err := s.Message(uuid); err != nil || m.Status != c.status || m.Code != c.code {
			t.Errorf("%s: %s %q %v", c.name, m.Status, m.Code, err)
		}
	}
	uuid, body := message(t, cpr, nil)
	text := string(body)
	begin, end := strings.Index(text, "<memo:MessageBody>"), strings.Index(text, "</memo:MessageBody>")
	if begin < 0 || end < 0 {
		t.Fatal(text)
	}
	text = strings.Replace(text[:begin]+text[end+len("</memo:MessageBody>"):], ">DIGITALPOST<", ">NEMSMS<", 1)
	call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, []byte(text))
	if m, err := s.Message(uuid); err != nil || m.Code != "empty.notification.not.allowed" {
		t.Errorf("a NemSMS without text: %s %q %v", m.Status, m.Code, err)
	}
}
