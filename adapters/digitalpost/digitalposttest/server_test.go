package digitalposttest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

const cpr = "6503851236"

func config(dir string) digitalposttest.Config {
	return digitalposttest.Config{
		Systems: map[string]digitalposttest.System{"s": {Token: "t", CVR: "29000011"}},
		Parties: []digitalposttest.Party{{CPR: cpr, Registration: "REGISTERED"}, {CPR: "7104521145", Registration: "EXEMPT"}},
		Dir:     dir, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func open(t *testing.T, c digitalposttest.Config) *digitalposttest.Server {
	t.Helper()
	s, err := digitalposttest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message(t *testing.T, to string, bend func(*memo.Message)) (string, []byte) {
	t.Helper()
	m := &memo.Message{
		Header: memo.Header{
			Type: memo.DigitalPost, UUID: post.DerivedID(post.LetterID(post.NewID()), post.Digital, 1), ID: "ref", Label: "T",
			Sender: memo.Party{ID: "29000011", IDType: "CVR", Label: "K"}, Recipient: memo.Party{ID: to, IDType: "CPR"},
		},
		Body: &memo.Body{Created: time.Now(), Documents: []memo.Document{{Kind: memo.Main, Files: []memo.File{{
			MediaType: "text/plain", Filename: "a.txt", Language: "da", Size: 2,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("hi")), nil },
		}}}}},
	}
	if bend != nil {
		bend(m)
	}
	var b bytes.Buffer
	if err := memo.Write(&b, m); err != nil {
		t.Fatal(err)
	}
	return m.Header.UUID, b.Bytes()
}

func call(t *testing.T, s http.Handler, method, path string, body []byte) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.SetBasicAuth("s", "t")
	r.Header.Set("Content-Type", "application/xml")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	got := map[string]any{}
	if w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &got) != nil && w.Code < 400 {
		t.Fatalf("%s is not JSON", w.Body)
	}
	return w.Code, got
}

func bulk(t *testing.T, s http.Handler) []map[string]any {
	t.Helper()
	status, page := call(t, s, "GET", "/apis/v1/receipts-bulk/?page=0&size=50", nil)
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	var all []map[string]any
	for _, r := range page["receipts"].([]any) {
		all = append(all, r.(map[string]any))
	}
	return all
}

func TestHandOversAreAnsweredAsDocumented(t *testing.T) {
	s := open(t, config(t.TempDir()))
	uuid, good := message(t, cpr, nil)
	other := post.DerivedID("other", post.Digital, 1)
	for _, c := range []struct {
		name, path string
		body       []byte
		want       int
	}{
		{"the uuid of the query is not the message's", "/apis/v1/memos/?memo-message-uuid=" + other, good, 400},
		{"no uuid", "/apis/v1/memos/", good, 400},
		{"without the trailing slash", "/apis/v1/memos?memo-message-uuid=" + uuid, good, 404},
		{"a good message", "/apis/v1/memos/?memo-message-uuid=" + uuid, good, 201},
		{"what the schema refuses is taken all the same", "/apis/v1/memos/?memo-message-uuid=" + other, []byte("<x/>"), 201},
	} {
		if got, _ := call(t, s, "POST", c.path, c.body); got != c.want {
			t.Errorf("%s: %d", c.name, got)
		}
	}
	r := httptest.NewRequest("POST", "/apis/v1/memos/?memo-message-uuid="+uuid, bytes.NewReader(good))
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", w.Code)
	}
}

func TestBusinessReceiptsTellTheOutcome(t *testing.T) {
	s := open(t, config(t.TempDir()))
	want := map[string][2]string{}
	send := func(uuid string, body []byte, status, code string) {
		if got, _ := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body); got != 201 {
			t.Fatalf("status %d", got)
		}
		want[uuid] = [2]string{status, code}
	}
	u, b := message(t, cpr, nil)
	send(u, b, "COMPLETED", "")
	u, b = message(t, "7104521145", nil)
	send(u, b, "NOT_ALLOWED", "sim.recipient.exempt.not.allowed")
	u, b = message(t, "7104521145", func(m *memo.Message) { m.Header.Mandatory = true })
	send(u, b, "COMPLETED", "")
	u, b = message(t, "6108704419", nil)
	send(u, b, "NOT_ALLOWED", "sim.recipient.not.registered.not.allowed")
	u, b = message(t, cpr, func(m *memo.Message) { m.Header.Sender.ID = "29000022" })
	send(u, b, "NOT_ALLOWED", "sim.sender.not.allowed")
	u, b = message(t, cpr, nil)
	send(u, bytes.Replace(b, []byte("<memo:label>T</memo:label>"), nil, 1), "INVALID", "memo.invalid")
	u, b = message(t, cpr, nil)
	send(u, bytes.Replace(b, []byte("aGk="), nil, 1), "INVALID", "file.empty.not.allowed")
	for _, r := range bulk(t, s) {
		w := want[r["messageUUID"].(string)]
		code, _ := r["errorCode"].(string)
		if r["receiptStatus"] != w[0] || code != w[1] {
			t.Errorf("got %v %s, want %v", r["receiptStatus"], code, w)
		}
		delete(want, r["messageUUID"].(string))
	}
	if len(want) != 0 {
		t.Errorf("no receipt for %d messages", len(want))
	}
}

func TestBusinessReceiptsComeLater(t *testing.T) {
	c := config("")
	var later atomic.Int64
	c.Delay, c.Now = time.Hour, func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	s := open(t, c)
	uuid, body := message(t, cpr, nil)
	call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	if len(bulk(t, s)) != 0 || len(s.Box(cpr)) != 0 {
		t.Error("the receipt came at once")
	}
	later.Store(int64(time.Hour))
	m, err := s.Await(t.Context(), "", cpr)
	if err != nil || m.UUID != uuid || len(bulk(t, s)) != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestReceiptsCanBeFetchedOneByOneAndDeleted(t *testing.T) {
	s := open(t, config(""))
	for range 3 {
		uuid, body := message(t, cpr, nil)
		call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	}
	status, page := call(t, s, "GET", "/apis/v1/receipts/?page=1&size=2", nil)
	ids := page["content"].([]any)
	if status != 200 || len(ids) != 1 || page["totalPages"] != 2.0 {
		t.Fatalf("got %d %v", status, page)
	}
	path := "/apis/v1/receipts/" + ids[0].(string)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", path, 200}, {"GET", path + "?delete=true", 200}, {"GET", path, 404}, {"DELETE", path, 404},
		{"DELETE", "/apis/v1/receipts/" + bulk(t, s)[0]["id"].(string), 204},
		{"GET", "/apis/v1/receipts/?size=0", 400},
	} {
		if got, _ := call(t, s, c.method, c.path, nil); got != c.want {
			t.Errorf("%s: %d, want %d", c.method, got, c.want)
		}
	}
	if left := bulk(t, s); len(left) != 1 {
		t.Errorf("%d are left", len(left))
	}
}

func TestARestartForgetsNothing(t *testing.T) {
	dir := t.TempDir()
	first := open(t, config(dir))
	uuid, body := message(t, cpr, nil)
	_, before := call(t, first, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	second := open(t, config(dir))
	status, after := call(t, second, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	if status != 201 || after["transmissionId"] != before["transmissionId"] {
		t.Errorf("got %d %v, was %v", status, after, before)
	}
	if s := second.Stats(); s.Accepted != 1 || s.Duplicates != 1 || s.Differing != 0 || len(second.Box(cpr)) != 1 {
		t.Errorf("got %+v", s)
	}
	if len(bulk(t, second)) != 1 {
		t.Error("the business receipt is gone")
	}
}

func TestADuplicateWithOtherBytesIsCounted(t *testing.T) {
	s := open(t, config(""))
	uuid, body := message(t, cpr, nil)
	call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, append(body, '\n'))
	if got := s.Stats(); got.Differing != 1 || got.Accepted != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestFilesComeOutAsTheyWentIn(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := open(t, config(dir))
		uuid, body := message(t, cpr, nil)
		call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
		var b bytes.Buffer
		if err := s.File(uuid, 0, &b); err != nil || b.String() != "hi" {
			t.Errorf("got %q, %v", b.String(), err)
		}
		if err := s.File(uuid, 1, io.Discard); err == nil {
			t.Error("there is a second file")
		}
		if err := s.Reset(); err != nil || len(s.Messages(9)) != 0 {
			t.Errorf("reset: %v", err)
		}
	}
}

// TestWhatTheSimulatorTakesHoldsToTheSchema closes the circle: what it called
// COMPLETED, an outside validator finds valid.
func TestWhatTheSimulatorTakesHoldsToTheSchema(t *testing.T) {
	const what = "that what the simulator takes holds to the schema of MeMo 1.2"
	schema, ok := outside.Data(t, "memo/1.2/xsd-derived/MeMo_core.xsd", what)
	if !ok {
		return
	}
	tool, ok := outside.Program(t, "xmllint", what)
	if !ok {
		return
	}
	dir := t.TempDir()
	c := config(dir)
	c.Files = true
	s := open(t, c)
	uuid, body := message(t, cpr, nil)
	call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body)
	out, err := exec.Command(tool, "--noout", "--nonet", "--schema", schema, filepath.Join(dir, uuid+".xml")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestALetterWrittenInAViewerOutlivesARestart(t *testing.T) {
	c := config(t.TempDir())
	c.Authorities = map[post.CVR][]digitalposttest.ContactPoint{"29000011": {{ID: "p", System: "s"}}}
	uuid, err := open(t, c).Write(digitalposttest.Letter{From: post.PartyRecord{IDType: "CPR", ID: cpr, Name: "N"}, To: "29000011", ContactPoint: "p", Subject: "S", Text: "T"})
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	if status, page := call(t, again, "GET", "/apis/v1/memos/", nil); status != 200 || page["totalElements"] != 1.0 {
		t.Errorf("got %d %v", status, page)
	}
	if m, err := again.Message(uuid); err != nil || m.Status != "COMPLETED" {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := again.Write(digitalposttest.Letter{From: post.PartyRecord{IDType: "CPR", ID: cpr, Name: "N"}, To: "29000011", ContactPoint: "another", Subject: "S", Text: "T"}); err == nil {
		t.Error("a letter to an unknown contact point was sent")
	}
	if left := open(t, c).Messages(9); len(left) != 1 || left[0].UUID != uuid {
		t.Errorf("%d letters are kept", len(left))
	}
}
