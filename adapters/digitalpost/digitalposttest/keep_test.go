package digitalposttest_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

func text(t *testing.T, s *digitalposttest.Server, uuid string) string {
	t.Helper()
	r, err := s.XML(uuid)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// large is a message that does not fit into a record.
func large(t *testing.T) (string, []byte) {
	t.Helper()
	content := bytes.Repeat([]byte("large"), 300_000)
	return message(t, cpr, func(m *memo.Message) {
		f := &m.Body.Documents[0].Files[0]
		f.Size = int64(len(content))
		f.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	})
}

// TestAKillForgetsNothingAndBringsNothingBack opens the folder of a server that
// was never closed, as after a kill: bytes, outcome, ids and the receipts that
// were not fetched yet are as before, those that were fetched stay away.
func TestAKillForgetsNothingAndBringsNothingBack(t *testing.T) {
	c := config(t.TempDir())
	s := open(t, c)
	fetched, first := message(t, cpr, nil)
	waits, second := large(t)
	refused, third := message(t, cpr, nil)
	third = bytes.Replace(third, []byte("<memo:label>"), []byte("<memo:libel>"), 1)
	for uuid, body := range map[string][]byte{fetched: first, waits: second, refused: third} {
		if status, answer := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body); status != 201 {
			t.Fatalf("got %d %v", status, answer)
		}
	}
	carried, fourth := message(t, cpr, nil)
	s.Carry(carried, "KombiPost", "29000011", fourth)
	for _, r := range bulk(t, s) {
		if r["messageUUID"] == fetched {
			if status, _ := call(t, s, "DELETE", "/apis/v1/receipts/"+r["id"].(string), nil); status != 204 {
				t.Fatal("the receipt stays")
			}
		}
	}
	before := map[string]digitalposttest.Message{}
	for _, m := range s.Messages(9) {
		before[m.UUID] = m
	}
	again := open(t, c)
	all := again.Messages(9)
	if len(all) != 4 || again.Stats().Accepted != 4 {
		t.Fatalf("%d messages", len(all))
	}
	for _, m := range all {
		was := before[m.UUID]
		if m.Status != was.Status || m.Transmission != was.Transmission || m.SHA256 != was.SHA256 || m.Road != was.Road ||
			!m.ReceivedAt.Equal(was.ReceivedAt) || len(m.Events) != len(was.Events) || m.Fault != was.Fault {
			t.Errorf("it was %+v\nand is %+v", was, m)
		}
	}
	for uuid, body := range map[string][]byte{fetched: first, waits: second, refused: third, carried: fourth} {
		if text(t, again, uuid) != string(body) {
			t.Errorf("%s is not as it came", uuid)
		}
		if status, _ := call(t, again, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body); status != 201 {
			t.Errorf("its repetition got %d", status)
		}
	}
	if got := again.Stats(); got.Duplicates != 4 || got.Accepted != 4 || got.Differing != 0 {
		t.Errorf("got %+v", got)
	}
	left := bulk(t, again)
	if len(left) != 2 {
		t.Errorf("%d receipts wait", len(left))
	}
	for _, r := range left {
		if r["messageUUID"] == fetched || r["messageUUID"] == carried {
			t.Errorf("a receipt is back: %v", r)
		}
	}
	if err := again.Reset(); err != nil || len(again.Messages(9)) != 0 {
		t.Errorf("reset: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.Dir, "*.xml")); len(left) != 0 || len(open(t, c).Messages(9)) != 0 {
		t.Error("a reset leaves something")
	}
}

func TestADeliveryThatWasAnsweredIsNotDeliveredAgain(t *testing.T) {
	c := config(t.TempDir())
	c.Authorities = map[post.CVR][]digitalposttest.ContactPoint{"29000011": {{ID: "p", System: "s"}}}
	s := open(t, c)
	var ids []string
	for range 2 {
		uuid, err := s.Write(digitalposttest.Letter{From: post.PartyRecord{IDType: "CPR", ID: cpr, Name: "N"}, To: "29000011", ContactPoint: "p", Subject: "S", Text: "T"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, uuid)
	}
	if status, _ := call(t, s, "DELETE", "/apis/v1/memos/"+ids[0], nil); status != 204 {
		t.Fatalf("got %d", status)
	}
	if status, page := call(t, open(t, c), "GET", "/apis/v1/memos/", nil); status != 200 || len(page["content"].([]any)) != 1 || page["content"].([]any)[0] != ids[1] {
		t.Errorf("got %d %v", status, page)
	}
}

// TestTheFolderDoesNotGrowWithoutEnd fills it many times over: old texts go, old
// messages stay known, and nothing is more than the bound.
func TestTheFolderDoesNotGrowWithoutEnd(t *testing.T) {
	c := config(t.TempDir())
	c.Keep = 1 << 20
	s := open(t, c)
	content := bytes.Repeat([]byte("x"), 20<<10)
	send := func() (string, []byte) {
		uuid, body := message(t, cpr, func(m *memo.Message) {
			f := &m.Body.Documents[0].Files[0]
			f.Size = int64(len(content))
			f.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
		})
		if status, _ := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body); status != 201 {
			t.Fatalf("got %d", status)
		}
		return uuid, body
	}
	first, body := send()
	big, bigBody := large(t)
	if status, _ := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+big, bigBody); status != 201 {
		t.Fatalf("got %d", status)
	}
	var last string
	for range 100 {
		last, _ = send()
	}
	size := int64(0)
	err := filepath.WalkDir(c.Dir, func(_ string, e fs.DirEntry, err error) error {
		if info, infoErr := e.Info(); err == nil && infoErr == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil || size > c.Keep+c.Keep/8 {
		t.Errorf("%d bytes, %v", size, err)
	}
	for _, at := range []*digitalposttest.Server{s, open(t, c)} {
		if _, err := at.XML(first); !errors.Is(err, digitalposttest.ErrGone) {
			t.Errorf("got %v", err)
		}
		if m, err := at.Message(first); err != nil || m.Status != "COMPLETED" || len(m.Documents) != 1 {
			t.Errorf("got %+v, %v", m, err)
		}
		if !strings.Contains(text(t, at, last), "memo:Message") {
			t.Error("the newest is not whole")
		}
	}
	if status, _ := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+first, body); status != 201 || s.Stats().Duplicates != 1 || s.Stats().Differing != 0 {
		t.Errorf("a message whose text went is taken anew: %d %+v", status, s.Stats())
	}
	if _, err := os.Stat(filepath.Join(c.Dir, big+".xml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the large message stays: %v", err)
	}
}

// TestFactsOfOldMessagesGoWhenTheyTakeTooMuchRoom: with a bound for 64 of them, no
// more stay known than lie there whole and those.
func TestFactsOfOldMessagesGoWhenTheyTakeTooMuchRoom(t *testing.T) {
	c := config(t.TempDir())
	c.Keep = 256 << 10
	s := open(t, c)
	var ids []string
	for range 400 {
		uuid, body := message(t, cpr, nil)
		if status, _ := call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body); status != 201 {
			t.Fatalf("got %d", status)
		}
		ids = append(ids, uuid)
	}
	for _, at := range []*digitalposttest.Server{s, open(t, c)} {
		gone, known := 0, len(at.Messages(1000))
		for _, id := range ids {
			if _, err := at.XML(id); errors.Is(err, digitalposttest.ErrGone) {
				gone++
			}
		}
		if at.Known(ids[0]) || !at.Known(ids[399]) || gone == 0 || gone > 64 || known < gone || known == 400 {
			t.Errorf("%d messages are known, %d of them without their bytes; the first is known: %v", known, gone, at.Known(ids[0]))
		}
	}
}

// TestTheSameMessageManyTimesAtOnceIsTakenOnce has many hand it over together.
func TestTheSameMessageManyTimesAtOnceIsTakenOnce(t *testing.T) {
	c := config(t.TempDir())
	s := open(t, c)
	uuid, body := message(t, cpr, nil)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { call(t, s, "POST", "/apis/v1/memos/?memo-message-uuid="+uuid, body) })
	}
	all.Wait()
	if got := s.Stats(); got.Accepted != 1 || got.Duplicates != 15 || len(open(t, c).Messages(9)) != 1 {
		t.Errorf("got %+v", got)
	}
}
