package simulatorapp

import (
	"net/http"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/post"
)

// maxMessages is how many messages a list shows.
const maxMessages = 200

// apiMessages lists what Digital Post took, refused messages included, newest
// first; ?status=INVALID leaves the rest out.
func (a *App) apiMessages(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusOK, boxJSON{a.messages(r.URL.Query().Get("status"))})
}

func (a *App) messages(status string) []digitalposttest.Message {
	all := []digitalposttest.Message{}
	for _, m := range a.post.Messages(maxMessages) {
		if status == "" || m.Status == status {
			all = append(all, m)
		}
	}
	return all
}

// arrived is one row of the list.
type arrived struct {
	digitalposttest.Message
	To string // name of the addressee, or ""
}

func (a *App) pageMessages(w http.ResponseWriter, r *http.Request) {
	rows := []arrived{}
	for _, m := range a.messages("") {
		rows = append(rows, arrived{m, a.addressee(m.UUID).in(spoken(r))})
	}
	render(a, w, r, "messages.html", view[[]arrived]{Title: spoken(r).say("What arrived"), Here: "messages", Body: rows})
}

// apiCheck says everything that is wrong with a message.
func (a *App) apiCheck(w http.ResponseWriter, r *http.Request) {
	m, err := a.post.Message(r.PathValue("uuid"))
	if err != nil {
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such message")
		return
	}
	write(w, http.StatusOK, a.judge(r.Context(), m.UUID))
}
