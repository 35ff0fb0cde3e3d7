package digitalposttest

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// contactJSON is Contact.
type contactJSON struct {
	ID           string            `json:"id"`
	Version      int               `json:"version"`
	Type         string            `json:"type"`
	CPR          string            `json:"cprNumber,omitempty"`
	CVR          string            `json:"cvrNumber,omitempty"`
	Voluntary    bool              `json:"eligibleForVoluntaryRegistration"`
	Subscription *subscriptionJSON `json:"mailboxSubscription,omitempty"`
	LastUpdated  string            `json:"lastUpdated"`
}

// subscriptionJSON is MailboxSubscription.
type subscriptionJSON struct {
	Registration string `json:"registrationStatus"`
	Public       string `json:"publicRegistrationStatus"`
	StartTime    string `json:"startTime"`
}

// maxCriteria bounds the body of a bulk look-up.
const maxCriteria = 1 << 20

// getContacts answers a look-up: GET contacts/?cprNumber= or ?cvrNumber= of one
// party, or with isBulkLookup=true of as many as the body names.
func (s *Server) getContacts(w http.ResponseWriter, r *http.Request, _ string) {
	query := r.URL.Query()
	cprs, cvrs, bulk := one(query.Get("cprNumber")), one(query.Get("cvrNumber")), query.Get("isBulkLookup") == "true"
	dial := s.Faults()
	if bulk {
		var ok bool
		if cprs, cvrs, ok = criteria(r, dial.BulkText); !ok {
			refuse(w, http.StatusBadRequest, "sim.contact.criteria.invalid")
			return
		}
	}
	switch {
	case (len(cprs) == 0) == (len(cvrs) == 0): // several criteria mean all of them at once: nobody has both
		refuse(w, http.StatusBadRequest, "sim.contact.criteria.missing")
		return
	case dial.BulkMost > 0 && len(cprs)+len(cvrs) > dial.BulkMost:
		refuse(w, http.StatusBadRequest, "sim.contact.criteria.too.many")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Lookups++
	if spend(&s.faults.FailedLookups) {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	found := s.contacts(cprs, cvrs)
	cut, page, size, ok := found, 0, max(1, len(found)), true
	if bulk {
		slices.SortFunc(found, func(a, b contactJSON) int { return strings.Compare(a.ID, b.ID) })
		cut, page, size, ok = paging(r, found)
	}
	if !ok {
		refuse(w, http.StatusBadRequest, "sim.paging.invalid")
		return
	}
	answer(w, http.StatusOK, struct {
		CurrentPage    int           `json:"currentPage"`
		TotalPages     int           `json:"totalPages"`
		ElementsOnPage int           `json:"elementsOnPage"`
		TotalElements  int           `json:"totalElements"`
		Contacts       []contactJSON `json:"contacts"`
	}{page, pages(len(found), size), len(cut), len(found), cut})
}

// contacts returns the entries of those numbers that have one. The caller holds
// mu.
func (s *Server) contacts(cprs, cvrs []string) []contactJSON {
	found := []contactJSON{}
	add := func(cpr, cvr string) {
		if status := s.registration(cpr + cvr); status != "" {
			if spend(&s.faults.UnsureLookups) {
				status = "UNKNOWN"
			}
			found = append(found, s.contact(cpr, cvr, status))
		}
	}
	for _, cpr := range cprs {
		add(cpr, "")
	}
	for _, cvr := range cvrs {
		add("", cvr)
	}
	return found
}

func one(number string) []string {
	if number == "" {
		return nil
	}
	return []string{number}
}

// criteria reads the numbers in the body of a bulk look-up: JSON under the names
// of the query, each a list or one text with commas. With the dial on text, a
// list is not taken.
func criteria(r *http.Request, text bool) (cprs, cvrs []string, ok bool) {
	var body struct {
		CPR json.RawMessage `json:"cprNumber"`
		CVR json.RawMessage `json:"cvrNumber"`
	}
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(io.LimitReader(r.Body, maxCriteria)).Decode(&body) != nil {
		return nil, nil, false
	}
	read := func(raw json.RawMessage) (all []string) {
		var words string
		switch {
		case raw == nil:
			return nil
		case json.Unmarshal(raw, &words) == nil:
			all = strings.Split(words, ",")
		case text || json.Unmarshal(raw, &all) != nil:
			ok = false
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	ok = true
	return read(body.CPR), read(body.CVR), ok
}

// getContact answers GET contacts/{id} for whom the server has been told of.
func (s *Server) getContact(w http.ResponseWriter, r *http.Request, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spend(&s.faults.FailedLookups) {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	for number, p := range s.parties {
		if !strings.EqualFold(derived("contact", number), r.PathValue("id")) {
			continue
		}
		cpr, cvr := number, ""
		if number == p.CVR {
			cpr, cvr = "", number
		}
		answer(w, http.StatusOK, s.contact(cpr, cvr, p.Registration))
		return
	}
	refuse(w, http.StatusNotFound, "sim.contact.unknown")
}

func (s *Server) contact(cpr, cvr, status string) contactJSON {
	since := s.parties[cpr+cvr].Since
	if since.IsZero() {
		since = time.Date(2014, 11, 1, 0, 0, 0, 0, time.UTC)
	}
	c := contactJSON{
		ID: derived("contact", cpr+cvr), Version: 1, Type: "CITIZEN", CPR: cpr, CVR: cvr,
		LastUpdated:  stamp(since),
		Subscription: &subscriptionJSON{Registration: "AUTOMATIC_REGISTRATION", Public: status, StartTime: stamp(since)},
	}
	if cvr != "" {
		c.Type = "COMPANY"
	}
	switch status {
	case "EXEMPT":
		c.Subscription.Registration = "EXEMPT_OTHER_REASON"
	case "UNKNOWN":
		c.Subscription.Registration = "UNKNOWN"
	}
	return c
}
