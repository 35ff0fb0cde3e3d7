package digitalposttest

import (
	"net/http"
	"strings"
	"time"
)

// contactPointJSON is ContactPoint, as far as a system reads it.
type contactPointJSON struct {
	ID       string   `json:"id"`
	Version  int      `json:"version"`
	Name     string   `json:"name"`
	Targets  []string `json:"targets"`
	MaxMB    float64  `json:"memoSizeThresholdMB"`
	MaxFiles int      `json:"allowedNumberOfAttachments"`
	Active   bool     `json:"active"`
	Visible  bool     `json:"visible"`
	SystemID string   `json:"systemId,omitempty"`
}

// getContactPoints lists the contact points of the system's organization: GET
// contact-points/.
func (s *Server) getContactPoints(w http.ResponseWriter, r *http.Request, system string) {
	all := []contactPointJSON{}
	for _, p := range s.cfg.Authorities[s.cfg.Systems[system].CVR] {
		c := contactPointJSON{ID: p.ID, Version: 1, Name: p.Name, Targets: []string{"CITIZEN", "COMPANY", "AUTHORITY"}, MaxMB: 99.5, MaxFiles: 10,
			Active: true, Visible: !p.Hidden, SystemID: p.System}
		if p.MaxBytes > 0 {
			c.MaxMB = float64(p.MaxBytes) / 1e6
		}
		if p.MaxFiles > 0 {
			c.MaxFiles = p.MaxFiles
		}
		all = append(all, c)
	}
	answer(w, http.StatusOK, struct {
		CurrentPage   int                `json:"currentPage"`
		TotalElements int                `json:"totalElements"`
		ContactPoints []contactPointJSON `json:"contactPoints"`
	}{0, len(all), all})
}

// eventJSON is one entry of the event log.
type eventJSON struct {
	Tag       string `json:"eventTag"`
	TimeStamp string `json:"timeStamp"`
	Message   string `json:"messageUUID"`
}

// getEvents searches the event log: GET events/?any&dateFrom&dateTo&eventTag.
// A system sees what it sent and what was sent to it.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request, system string) {
	query := r.URL.Query()
	from, err1 := time.Parse("2006-01-02T15:04:05.000Z", query.Get("dateFrom"))
	to, err2 := time.Parse("2006-01-02T15:04:05.000Z", query.Get("dateTo"))
	if err1 != nil || err2 != nil {
		refuse(w, http.StatusBadRequest, "sim.event.date.invalid")
		return
	}
	found := []eventJSON{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.order {
		if wanted := query.Get("any"); wanted != "" && !strings.EqualFold(wanted, m.UUID) || m.system != system && s.recipientSystem(m) != system {
			continue
		}
		for _, e := range m.Events {
			if tag := query.Get("eventTag"); (tag == "" || tag == e.Tag) && !e.At.Before(from) && !e.At.After(to.Add(time.Millisecond)) {
				found = append(found, eventJSON{e.Tag, stamp(e.At), m.UUID})
			}
		}
	}
	answer(w, http.StatusOK, struct {
		TotalElements int         `json:"totalElements"`
		Events        []eventJSON `json:"events"`
	}{len(found), found})
}
