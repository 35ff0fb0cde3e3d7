package digitalpost_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

// shelf is a carrier with nothing but receipts, which gives pages and takes
// deletions one by one, as NgDP does.
type shelf struct {
	mu       sync.Mutex
	ids      []string
	refuse   string          // the id that it will not delete
	callers  map[string]bool // connections that deleted
	now, top int             // deletions under way, and the most there were
	together chan struct{}   // closed when two are under way
	pages    []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		s.delete(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = append(s.pages, r.URL.Query().Get("page"))
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	var out []map[string]string
	for _, id := range s.ids[min(page*size, len(s.ids)):min((page+1)*size, len(s.ids))] {
		out = append(out, map[string]string{"id": id, "messageUUID": id, "timeStamp": "2026-11-22T09:00:00.000Z", "receiptStatus": "COMPLETED"})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"receipts": out})
}

func (s *shelf) delete(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.callers[r.RemoteAddr] = true
	if s.now++; s.now == 2 && s.top < 2 {
		close(s.together)
	}
	s.top = max(s.top, s.now)
	s.mu.Unlock()
	<-s.together // the first waits for a second: they go out together
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if id == s.refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for i := range s.ids {
		if s.ids[i] == id {
			s.ids = append(s.ids[:i], s.ids[i+1:]...)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

func TestReceiptsComeInPagesAndAreForgottenSeveralAtATime(t *testing.T) {
	s := &shelf{callers: map[string]bool{}, together: make(chan struct{})}
	for i := range 617 {
		s.ids = append(s.ids, fmt.Sprintf("0b1e2f3a-0000-4000-8000-%012d", i))
	}
	s.refuse = s.ids[41]
	w := newWorld(t, nil)
	w.serve(t, s)
	client := w.connect(t, w.config())
	all, err := client.Waiting(t.Context())
	if err != nil || len(all) != 500 || fmt.Sprint(s.pages) != "[0 1 2 3 4]" {
		t.Fatalf("got %d from pages %s, %v", len(all), s.pages, err)
	}
	err = client.ForgetAll(t.Context(), append(all, track.Receipt{EventID: "engdal:sha256-00"}))
	if err == nil || !strings.Contains(err.Error(), s.refuse) || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("one was refused, and the error is %v", err)
	}
	if len(s.ids) != 118 || s.ids[0] != s.refuse {
		t.Errorf("%d are left", len(s.ids))
	}
	if s.top > 8 || len(s.callers) > 16 {
		t.Errorf("%d deletions at once over %d connections", s.top, len(s.callers))
	}
	if all, err = client.Waiting(t.Context()); err != nil || len(all) != 118 {
		t.Errorf("then %d, %v", len(all), err)
	}
}
