package simulatorapp

import (
	"net/http"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/chaosdial"
)

// A route is one call of the API, with what its description says of it.
type route struct {
	pattern string
	handle  http.HandlerFunc
	about   string
	query   []parameter
	takes   any // a value of what the body is; nil when there is none, or reads says what it is
	reads   string
	gives   any // of what is answered; nil when media says what it is, or nothing is
	media   string
	refuses []int // besides
}

type parameter struct{ name, about string }

// routes lists the API; its description is made of nothing else.
func (a *App) routes() []route {
	const unknown, unreadable = http.StatusNotFound, http.StatusUnprocessableEntity
	return append([]route{
		{pattern: "GET /api/v1/box/{persona}", handle: a.apiBox, about: "The mailbox of a person, newest first.", gives: boxJSON{}, refuses: []int{unknown}},
		{
			pattern: "GET /api/v1/box/{persona}/latest", handle: a.apiLatest, about: "The newest message in the mailbox of a person.",
			query: []parameter{{"wait", "how long to wait for one, such as 10s; 30s at most"}, {"after", "messageUUID of one that is known: the newest other than it"}},
			gives: digitalposttest.Message{}, refuses: []int{unknown},
		},
		{
			pattern: "POST /api/v1/box/{persona}", handle: a.apiWrite, about: "The person writes to an authority, or answers a message.",
			takes: writeJSON{}, gives: writtenJSON{}, refuses: []int{http.StatusBadRequest, unknown, unreadable},
		},
		{
			pattern: "GET /api/v1/authority/{cvr}/box", handle: a.apiAuthority, about: "The mailbox of an authority, newest first.",
			query: []parameter{{"contact_point", "id of one contact point; all when it is not there"}}, gives: boxJSON{}, refuses: []int{unreadable},
		},
		{
			pattern: "GET /api/v1/messages", handle: a.apiMessages, about: "The last messages that were taken, refused ones too, newest first.",
			query: []parameter{{"status", "COMPLETED, INVALID or NOT_ALLOWED"}}, gives: boxJSON{},
		},
		{pattern: "GET /api/v1/messages/{uuid}", handle: a.apiMessage, about: "One message.", gives: digitalposttest.Message{}, refuses: []int{unknown}},
		{pattern: "GET /api/v1/messages/{uuid}/check", handle: a.apiCheck, about: "Everything that is wrong with a message.", gives: verdict{}, refuses: []int{unknown}},
		{pattern: "GET /api/v1/messages/{uuid}/xml", handle: a.pageXML, about: "A message as it was received.", media: "application/xml", refuses: []int{unknown}},
		{pattern: "GET /api/v1/print", handle: a.apiPrint, about: "The tray of letters on paper.", gives: jobsJSON{}},
		{
			pattern: "POST /api/v1/print/{job}/{event}", handle: a.apiReport,
			about: "The next thing happens to a letter on paper: posted, proven, returned; through KombiPost returned, recalled, failed.",
			query: []parameter{{"reason", "why it was returned"}}, gives: sheet{}, refuses: []int{unknown, http.StatusConflict},
		},
		{
			pattern: "POST /api/v1/service-providers", handle: a.apiAdmit, about: "Lets a service provider log people in, by its metadata, until the simulator ends.",
			reads: "application/samlmetadata+xml", gives: providerJSON{}, refuses: []int{unreadable},
		},
		{pattern: "GET /api/v1/counts", handle: a.apiCounts, about: "How much was taken, repeated and printed.", gives: countsJSON{}},
	}, a.turns()...)
}

// turns are the calls that change how the simulators behave, and tell of it.
func (a *App) turns() []route {
	const unreadable = http.StatusUnprocessableEntity
	return []route{
		{pattern: "GET /api/v1/faults", handle: a.apiFaults, about: "Faults of Digital Post that come an exact number of times.", gives: digitalposttest.Faults{}},
		{
			pattern: "POST /api/v1/faults", handle: a.apiSetFaults, about: "Replaces them; a member that is not there is off, -1 is always.",
			takes: digitalposttest.Faults{}, gives: digitalposttest.Faults{}, refuses: []int{unreadable},
		},
		{pattern: "GET /api/v1/dial", handle: a.apiDial, about: "What goes wrong by chance, endpoint by endpoint.", gives: dialJSON{}},
		{pattern: "PUT /api/v1/dial", handle: a.apiSetDial, about: "Replaces the whole dial.", takes: chaosdial.State{}, gives: dialJSON{}, refuses: []int{unreadable}},
		{pattern: "GET /api/v1/limits", handle: a.apiLimits, about: "How often one may ask, in calls a minute.", gives: limitsJSON{}},
		{pattern: "PUT /api/v1/limits", handle: a.apiSetLimits, about: "Replaces every limit; {} takes all away.", takes: map[string]int{}, gives: limitsJSON{}, refuses: []int{unreadable}},
		{pattern: "GET /api/v1/clock", handle: a.apiClock, about: "What time it is for the carriers.", gives: clockJSON{}},
		{pattern: "POST /api/v1/clock", handle: a.apiSetClock, about: "Puts the clock forward by advance, or that far ahead of the machine's.", takes: setClockJSON{}, gives: clockJSON{}, refuses: []int{unreadable}},
		{
			pattern: "GET /api/v1/events", handle: a.apiEvents, about: "The last 500 events, oldest first.",
			query: []parameter{{"after", "number of the last one that is known"}, {"polls", "no leaves out calls that only asked"}}, gives: eventsJSON{},
		},
		{
			pattern: "GET /api/v1/events/stream", handle: a.apiStream, about: "The same as they happen, as server-sent events.",
			query: []parameter{{"after", "number of the last one that is known"}}, media: "text/event-stream", refuses: []int{http.StatusServiceUnavailable},
		},
		{pattern: "POST /api/v1/reset", handle: a.apiReset, about: "Empties everything; dial, limits and clock go back.", refuses: []int{http.StatusInternalServerError}},
		{pattern: "GET /api/v1/openapi.json", handle: a.apiDescription, about: "This description.", media: "application/json"},
	}
}

func (a *App) api(mux *http.ServeMux) {
	for _, r := range a.routes() {
		mux.HandleFunc(r.pattern, r.handle)
	}
}
