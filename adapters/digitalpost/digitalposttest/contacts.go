package digitalposttest

import (
	"net/http"
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

// getContacts answers a look-up of one party: GET contacts/?cprNumber= or
// ?cvrNumber=.
func (s *Server) getContacts(w http.ResponseWriter, r *http.Request, _ string) {
	query := r.URL.Query()
	cpr, cvr := query.Get("cprNumber"), query.Get("cvrNumber")
	if (cpr == "") == (cvr == "") {
		refuse(w, http.StatusBadRequest, "sim.contact.criteria.missing")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Lookups++
	if spend(&s.faults.FailedLookups) {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	found := []contactJSON{}
	if status := s.registration(cpr + cvr); status != "" {
		if spend(&s.faults.UnsureLookups) {
			status = "UNKNOWN"
		}
		found = append(found, s.contact(cpr, cvr, status))
	}
	answer(w, http.StatusOK, struct {
		CurrentPage    int           `json:"currentPage"`
		TotalPages     int           `json:"totalPages"`
		ElementsOnPage int           `json:"elementsOnPage"`
		TotalElements  int           `json:"totalElements"`
		Contacts       []contactJSON `json:"contacts"`
	}{0, len(found), len(found), len(found), found})
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
