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

// apiEvents lists the last events, oldest first, at most 500.
func (a *App) apiEvents(w http.ResponseWriter, r *http.Request) {
	after, _ := since(r)
	all, _ := a.feed.after(after)
	write(w, http.StatusOK, struct {
		Events []Event `json:"events"`
	}{all})
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

func (a *App) pageEvents(w http.ResponseWriter, r *http.Request) {
	all, _ := a.feed.after(0)
	slices.Reverse(all)
	render(a, w, r, "events.html", view[[]Event]{"Events", "events", all[:min(len(all), 200)]})
}
