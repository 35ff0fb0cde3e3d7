package digitalposttest

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Values of receiptStatus.
const (
	statusReceived   = "RECEIVED"
	statusCompleted  = "COMPLETED"
	statusInvalid    = "INVALID"
	statusNotAllowed = "NOT_ALLOWED"
)

// receiptJSON is Receipt; with an id it is BulkReceipt.
type receiptJSON struct {
	ID             string `json:"id,omitempty"`
	TransmissionID string `json:"transmissionId"`
	MessageUUID    string `json:"messageUUID"`
	MessageID      string `json:"messageId,omitempty"`
	ErrorCode      string `json:"errorCode,omitempty"`
	ErrorMessage   string `json:"errorMessage,omitempty"`
	TimeStamp      string `json:"timeStamp"`
	Status         string `json:"receiptStatus"`
}

type receipt struct {
	receiptJSON
	due time.Time
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// businessReceipt files the receipt of a message, and what the dial adds to it.
// The caller holds mu.
func (s *Server) businessReceipt(m *Message) {
	r := receipt{receiptJSON{
		ID: derived("receipt", m.UUID), TransmissionID: m.Transmission, MessageUUID: m.UUID, MessageID: m.MessageID,
		ErrorCode: m.Code, ErrorMessage: m.note, TimeStamp: stamp(m.Due), Status: m.Status,
	}, m.Due}
	add := func(r receipt) { s.receipts[m.system] = append(s.receipts[m.system], &r) }
	add(r)
	if s.faults.DuplicateReceipts {
		r.ID = derived("second receipt", m.UUID)
		add(r)
	}
	if spend(&s.faults.StrayReceipts) {
		r.ID, r.MessageUUID = post.NewID(), derived("stray", m.UUID)
		add(r)
	}
}

// waiting returns the receipts that a system may fetch now. The caller holds mu.
func (s *Server) waiting(system string) []*receipt {
	ready := []*receipt{}
	now := s.cfg.Now()
	for _, r := range s.receipts[system] {
		if !s.faults.HoldReceipts && !r.due.After(now) {
			ready = append(ready, r)
		}
	}
	slices.SortStableFunc(ready, func(a, b *receipt) int { return a.due.Compare(b.due) })
	if s.faults.ReorderReceipts {
		slices.Reverse(ready)
	}
	return ready
}

// paging reads page and size and cuts all accordingly.
func paging[T any](r *http.Request, all []T) (cut []T, page, size int, ok bool) {
	number := func(name string, standard, most int) int {
		s := r.URL.Query().Get(name)
		if s == "" {
			return standard
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > most {
			return -1
		}
		return n
	}
	page, size = number("page", 0, 1<<20), number("size", 20, 1000)
	if page < 0 || size < 1 {
		return nil, 0, 0, false
	}
	from := min(page*size, len(all))
	return all[from:min(from+size, len(all))], page, size, true
}

func pages(total, size int) int { return (total + size - 1) / size }

func (s *Server) bulkReceipts(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waiting(system)
	cut, page, size, ok := paging(r, all)
	if !ok {
		refuse(w, http.StatusBadRequest, "sim.paging.invalid")
		return
	}
	out := make([]receiptJSON, len(cut))
	for i, r := range cut {
		out[i] = r.receiptJSON
	}
	answer(w, http.StatusOK, struct {
		CurrentPage    int           `json:"currentPage"`
		TotalPages     int           `json:"totalPages"`
		ElementsOnPage int           `json:"elementsOnPage"`
		TotalElements  int           `json:"totalElements"`
		Receipts       []receiptJSON `json:"receipts"`
	}{page, pages(len(all), size), len(cut), len(all), out})
}

func (s *Server) listReceipts(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waiting(system)
	cut, page, size, ok := paging(r, all)
	if !ok {
		refuse(w, http.StatusBadRequest, "sim.paging.invalid")
		return
	}
	ids := make([]string, len(cut))
	for i, r := range cut {
		ids[i] = r.ID
	}
	answer(w, http.StatusOK, struct {
		Content       []string `json:"content"`
		Number        int      `json:"number"`
		Size          int      `json:"size"`
		TotalElements int      `json:"totalElements"`
		TotalPages    int      `json:"totalPages"`
	}{ids, page, size, len(all), pages(len(all), size)})
}

func (s *Server) getReceipt(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, got := range s.waiting(system) {
		if got.ID != r.PathValue("id") {
			continue
		}
		if r.URL.Query().Get("delete") == "true" {
			s.drop(system, got.ID)
		}
		answer(w, http.StatusOK, got.receiptJSON)
		return
	}
	refuse(w, http.StatusNotFound, "sim.receipt.unknown")
}

func (s *Server) deleteReceipt(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.drop(system, r.PathValue("id")) {
		refuse(w, http.StatusNotFound, "sim.receipt.unknown")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// drop deletes a receipt and reports whether it was there. The caller holds mu.
func (s *Server) drop(system, id string) bool {
	before := len(s.receipts[system])
	for _, r := range s.receipts[system] {
		if r.ID == id {
			s.note(s.about(r), receiptFetched)
		}
	}
	s.receipts[system] = slices.DeleteFunc(s.receipts[system], func(r *receipt) bool { return r.ID == id })
	return len(s.receipts[system]) < before
}
