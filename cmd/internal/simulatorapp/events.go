package simulatorapp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const (
	// maxStreams bounds how many may follow the events at once.
	maxStreams = 64
	// heartbeat keeps a silent stream open through proxies.
	heartbeat = 15 * time.Second
)

// since reads ?after=, or the header with which a browser takes a stream up
// again.
func since(r *http.Request) (uint64, bool) {
	text := r.URL.Query().Get("after")
	if text == "" {
		text = r.Header.Get("Last-Event-ID")
	}
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

type eventsJSON struct {
	Events []Event `json:"events"`
}

// apiEvents lists the last events, oldest first, at most 500; with ?polls=no
// without the calls that only asked.
func (a *App) apiEvents(w http.ResponseWriter, r *http.Request) {
	after, _ := since(r)
	all, _ := a.feed.after(after)
	if r.URL.Query().Get("polls") == "no" {
		all = a.feed.told(after)
	}
	write(w, http.StatusOK, eventsJSON{all})
}

// apiStream sends each event as it happens, as server-sent events, beginning
// after the one that the caller names, or now.
func (a *App) apiStream(w http.ResponseWriter, r *http.Request) {
	if a.streams.Add(1) > maxStreams {
		a.streams.Add(-1)
		problem(w, post.FaultInternal, http.StatusServiceUnavailable, "too many follow the events")
		return
	}
	defer a.streams.Add(-1)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	last, ok := since(r)
	if !ok {
		last = a.feed.last()
	}
	fmt.Fprint(w, ": events follow\n\n")
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		events, changed := a.feed.after(last)
		for _, e := range events {
			text, err := json.Marshal(e)
			if err != nil { // our own type always marshals
				return
			}
			fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, text)
			last = e.Seq
		}
		if out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-tick.C:
			fmt.Fprint(w, ": still here\n\n")
		}
	}
}

type eventsPage struct {
	Events []Event
	Polls  bool // calls that only asked are among them
}

// pageEvents shows what happened, newest first. A sender polls many times a
// second, so that those calls are shown when they are asked for.
func (a *App) pageEvents(w http.ResponseWriter, r *http.Request) {
	p := eventsPage{Events: a.feed.told(0), Polls: r.URL.Query().Get("polls") == "yes"}
	if p.Polls {
		p.Events, _ = a.feed.after(0)
	}
	slices.Reverse(p.Events)
	p.Events = p.Events[:min(len(p.Events), 200)]
	render(a, w, r, "events.html", view[eventsPage]{Title: spoken(r).say("Events"), Here: "events", Body: p})
}
