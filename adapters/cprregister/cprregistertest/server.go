// Package cprregistertest is a register of addresses for tests: people with
// every kind of status, over HTTP, and what goes wrong.
package cprregistertest

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"sikkerpost.dk/gateway/adapters/cprregister"
)

// Server answers questions. Serve it over TLS.
type Server struct {
	mu      sync.Mutex
	entries map[string]cprregister.Entry
	faults  []http.HandlerFunc
	asked   []cprregister.Question
}

// New returns a register with these entries.
func New(entries ...cprregister.Entry) *Server {
	s := &Server{entries: map[string]cprregister.Entry{}}
	for _, e := range entries {
		s.Put(e)
	}
	return s
}

func key(idType, id string) string {
	return strings.ToUpper(idType) + " " + strings.ReplaceAll(id, "-", "")
}

// Put adds an entry, or replaces it: somebody has moved.
func (s *Server) Put(e cprregister.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key(e.IDType, e.ID)] = e
}

// Fail makes the next question be answered by h instead.
func (s *Server) Fail(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, h)
}

// Asked returns every question so far.
func (s *Server) Asked() []cprregister.Question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]cprregister.Question{}, s.asked...)
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q cprregister.Question
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	d.DisallowUnknownFields()
	if r.Method != http.MethodPost || r.URL.RawQuery != "" || d.Decode(&q) != nil || q.Authority == "" {
		http.Error(w, "want a POST of authority, id_type and id", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, q)
	var fault http.HandlerFunc
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	e, ok := s.entries[key(q.IDType, q.ID)]
	s.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	if !ok {
		e = cprregister.Entry{IDType: q.IDType, ID: q.ID, Status: cprregister.StatusUnknown}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(e) // whoever asked is gone, then
}
