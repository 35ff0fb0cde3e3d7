package simulatorapp

import (
	"encoding/json"
	"net/http"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/post"
)

// writeJSON is a letter that a persona writes in a viewer.
type writeJSON struct {
	To           post.CVR `json:"to,omitempty"` // an authority
	ContactPoint string   `json:"contact_point,omitempty"`
	Subject      string   `json:"subject,omitempty"`
	Text         string   `json:"text"`
	// Answers is a message in the persona's mailbox; To and ContactPoint are not
	// needed then.
	Answers string `json:"answers,omitempty"`
}

type writtenJSON struct {
	UUID string `json:"message_uuid"`
}

// apiWrite sends a persona's letter to an authority, as borger.dk does: POST
// /api/v1/box/{persona}.
func (a *App) apiWrite(w http.ResponseWriter, r *http.Request) {
	p, ok := a.persona(r.PathValue("persona"))
	if !ok {
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such persona")
		return
	}
	var l writeJSON
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDial))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		problem(w, post.FaultRequestUnreadable, http.StatusBadRequest, "want to, contact_point, subject and text, or answers")
		return
	}
	from := post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name}
	if p.CPR == "" {
		from = post.PartyRecord{IDType: "CVR", ID: p.CVR, Name: p.Name}
	}
	id, err := a.post.Write(digitalposttest.Letter{From: from, To: l.To, ContactPoint: l.ContactPoint, Subject: l.Subject, Text: l.Text, Answers: l.Answers})
	if err != nil {
		problem(w, post.FaultRequestUnreadable, http.StatusUnprocessableEntity, err.Error())
		return
	}
	write(w, http.StatusOK, writtenJSON{id})
}
