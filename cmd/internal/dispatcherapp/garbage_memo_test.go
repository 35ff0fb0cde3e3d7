package dispatcherapp

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// multiform posts a message to the push listener as Digital Post does; nothing of
// it is written before it is read, so it may be slow or without end.
func multiform(h http.Handler, path, name string, message io.Reader) int {
	r, w := io.Pipe()
	parts := multipart.NewWriter(w)
	go func() {
		part, err := parts.CreateFormFile("file", name)
		if err == nil {
			_, err = io.Copy(part, message)
		}
		if err == nil {
			err = parts.Close()
		}
		_ = w.CloseWithError(err)
	}()
	q := httptest.NewRequest(http.MethodPost, path, r)
	q.Header.Set("Content-Type", parts.FormDataContentType())
	q.TLS = verified()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, q)
	_ = r.Close()
	return rec.Code
}

// TestGarbagePushedAsMailIsKeptParkedAndHoldsUpNothing: each message that comes
// whole is kept as it came, whatever it is, and parked under a code that tells
// why; what breaks off is not kept; and the good one is taken while a slow one hangs.
func TestGarbagePushedAsMailIsKeptParkedAndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	m := newMailHouse(t)
	good, err := m.sim.XML(m.write(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(good)
	_ = good.Close()
	if err != nil {
		t.Fatal(err)
	}
	goodID := m.sim.Box(string(m.tenants[0].CVR))[0].UUID
	receiver, err := digitalpost.NewReceiver(digitalpost.PushConfig{Tenants: []post.TenantID{m.tenants[0].ID}, Peer: anybody,
		Memos: m.room.Push("digitalpost"), Log: (&told{}).logger()})
	if err != nil {
		t.Fatal(err)
	}
	path := "/digitalpost/" + string(m.tenants[0].ID) + "/memos"
	var zipped, container bytes.Buffer
	z := zip.NewWriter(&zipped)
	if f, err := z.Create("a.xml"); err != nil {
		t.Fatal(err)
	} else if _, err := io.CopyN(f, spaces{}, 8<<20); err != nil {
		t.Fatal(err)
	}
	_ = z.Close()
	read, err := memo.Read(bytes.NewReader(whole), memo.Limits{}, keepFile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := memo.NewContainerWriter(&container, memo.Version)
	if err == nil {
		err = c.Add(read)
	}
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(string(whole))) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	declared := bytes.Replace(whole, []byte("UTF-8"), []byte("ISO-8859-1"), 1)
	if bytes.Equal(declared, whole) {
		t.Fatal("the message declares no encoding")
	}

	slow, pour := io.Pipe() // one byte, and then nothing for long
	hung := make(chan int, 1)
	go func() { hung <- multiform(receiver, path, post.NewID(), slow) }()
	if _, err := pour.Write(whole[:1]); err != nil {
		t.Fatal(err)
	}
	for _, g := range []struct {
		name, code string
		content    []byte
	}{
		{"nothing", "memo.syntax", nil},
		{"noise", "memo.syntax", []byte("\x00\x01\xff\xfe")},
		{"half of it", "memo.syntax", whole[:len(whole)/2]},
		{"in UTF-16", "memo.syntax", wide},
		{"declared as Latin-1", "memo.syntax", declared},
		{"Latin-1 that calls itself UTF-8", "memo.syntax", bytes.Replace(whole, []byte("Indsigt"), []byte("Inds\xe6gt"), 1)},
		{"half a million elements deep", "memo.unexpected", bytes.Repeat([]byte("<a>"), 500_000)},
		{"half a million elements of ours deep", "memo.unexpected", append(bytes.Clone(whole[:bytes.Index(whole, []byte("<memo:MessageHeader>"))]), bytes.Repeat([]byte("<memo:MessageHeader>"), 500_000)...)},
		{"200,000 attributes", "memo.limit", []byte("<a" + strings.Repeat(` b="c"`, 200_000) + "/>")},
		{"entities that grow", "memo.forbidden", []byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`)},
		{"a zip", "memo.syntax", zipped.Bytes()},
		{"a container", "memo.syntax", container.Bytes()},
		{"two messages", "memo.forbidden", append(bytes.Clone(whole), whole...)},
	} {
		id := post.NewID()
		if status := multiform(receiver, path, id, bytes.NewReader(g.content)); status != http.StatusOK {
			t.Errorf("%s: answered %d", g.name, status)
			continue
		}
		if err := m.room.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		var code, blob string
		var header []byte
		if err := m.raw.QueryRow(`SELECT code, header, blob FROM mail WHERE message_id = $1 AND state = 'parked'`, strings.ToLower(id)).Scan(&code, &header, &blob); err != nil {
			t.Errorf("%s is not parked: %v", g.name, err)
			continue
		}
		if code != g.code {
			t.Errorf("%s: parked as %s, want %s", g.name, code, g.code)
		}
		rc, err := m.blobs.Get(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := unseal.Payload(header, rc, m.identity)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(clear); err != nil || !bytes.Equal(got, g.content) {
			t.Errorf("%s: kept %d bytes of %d, %v", g.name, len(got), len(g.content), err)
		}
		_ = rc.Close()
	}
	if status := multiform(receiver, path, goodID, bytes.NewReader(whole)); status != http.StatusOK {
		t.Errorf("the good one is answered %d while a slow one hangs", status)
	}
	if err := m.room.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(m.entries(t)); n != 1 {
		t.Errorf("%d inquiries, parked %v", n, m.parked(t))
	}
	before := m.count(t, `SELECT count(*) FROM mail`)
	_ = pour.CloseWithError(io.ErrUnexpectedEOF)
	if status := <-hung; status == http.StatusOK || m.count(t, `SELECT count(*) FROM mail`) != before {
		t.Errorf("what broke off is answered %d and %d are kept", status, m.count(t, `SELECT count(*) FROM mail`)-before)
	}
	if slices.Contains(m.parked(t), "broke-the-reader") {
		t.Error("one broke the reader")
	}
}

// keepFile keeps a file's content for writing it again.
func keepFile(_ memo.Document, f *memo.File, content io.Reader) error {
	b, err := io.ReadAll(content)
	f.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return err
}

// TestContradictionsMoveNoLetterBackByAnyRoad: what was delivered stays delivered,
// what was refused for the recipient's sake is one paper letter and no more, in
// whichever way the carrier's two words come, singly, in bulk or pushed.
func TestContradictionsMoveNoLetterBackByAnyRoad(t *testing.T) {
	t.Parallel()
	const good, bad = "COMPLETED", "NOT_ALLOWED"
	for _, singly := range []bool{false, true} {
		for _, order := range [][]string{{good, bad}, {bad, good}, {good, "INVALID"}, {good, "RECEIVED"}, {good, good}} {
			t.Run(fmt.Sprint(order, " singly: ", singly), func(t *testing.T) {
				t.Parallel()
				h, n, log := newHouse(t), &ngdp{}, &told{}
				id, message := h.handedOver("k1")
				client := h.ngdp(n, log.logger())
				if singly {
					client = h.ngdpSingly(n, log.logger())
				}
				match := h.matching(log.logger(), client)
				for _, status := range order {
					receipt := post.NewID()
					text := ngdpReceipt(receipt, message, status)
					n.say(func(system string, w http.ResponseWriter, r *http.Request) {
						switch {
						case strings.HasSuffix(r.URL.Path, receipt):
							_, _ = io.WriteString(w, text)
						case system != "engdal" || r.URL.Query().Get("page") != "0":
							_, _ = io.WriteString(w, `{"receipts":[],"content":[],"totalElements":0}`)
						default:
							_, _ = fmt.Fprintf(w, `{"receipts":[%s],"content":[%q]}`, text, receipt)
						}
					})
					for range 2 {
						if err := match.Step(t.Context()); err != nil {
							t.Fatal(err)
						}
						h.advance(id)
					}
				}
				parked := 0
				if order[0] == bad { // it is on its way on paper
					if v := h.show(id); v.State != post.LetterHandedOver || v.Channel != post.Physical {
						t.Errorf("the letter is %s by %s", v.State, v.Channel)
					}
					if h.paper.calls != 1 {
						t.Errorf("%d paper letters", h.paper.calls)
					}
					parked = 1
				} else {
					h.want(id, post.LetterDelivered)
					if h.paper.calls != 0 {
						t.Errorf("%d paper letters", h.paper.calls)
					}
					if order[1] == bad || order[1] == "INVALID" {
						parked = 1
					}
				}
				if got := h.parkedRaw(); len(got) != parked {
					t.Errorf("%d receipts kept for a person, want %d: %.300q", len(got), parked, got)
				}
				if why := map[string]string{good: "contradicts", bad: "delivered-on-former-hand-over"}[order[0]]; parked > 0 && !strings.Contains(log.String(), why) {
					t.Errorf("nobody is told: %s", log)
				}
				h.conserved()
			})
		}
	}
}
