package printhouse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Event is one file <event id>.json that the print house leaves in the events
// folder, published by a rename. Members that we do not know are passed over.
type Event struct {
	EventID  string    `json:"event_id"` // the file's name without .json
	JobID    string    `json:"job_id"`
	Kind     EventKind `json:"kind"`
	At       time.Time `json:"at"`
	Code     string    `json:"code,omitempty"`     // why it was returned or rejected
	Tracking string    `json:"tracking,omitempty"` // on posted and later
	// Scheme says what kind of number Tracking is; s10 when it is left out.
	Scheme TrackingScheme `json:"tracking_scheme,omitempty"`
}

// EventKind is what a print house says of a job.
type EventKind string

// Kinds of event.
const (
	EventPrinting EventKind = "printing"
	EventPosted   EventKind = "posted"
	EventProven   EventKind = "delivered-proven"
	EventReturned EventKind = "returned"
	EventRejected EventKind = "rejected" // the job cannot be read; nothing was printed
)

const (
	// maxEvent bounds an event file; a real one has some 200 bytes.
	maxEvent = 64 << 10
	// maxWaiting bounds one call of Waiting.
	maxWaiting = 500
	// settling is how long an unreadable file may still be growing: not every
	// transfer program renames.
	settling = time.Minute
	// mostSeen bounds how many of them are watched.
	mostSeen = 50_000
	// unreadableDir keeps what no program could read, for a person.
	unreadableDir = "unreadable"
)

var eventIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Waiting implements [track.Source].
func (h *House) Waiting(ctx context.Context) (all []track.Receipt, err error) {
	enough := func() bool { return len(all) == maxWaiting || ctx.Err() != nil }
	err = h.within(ctx, func(p place) error {
		if err := h.sweep(p); err != nil {
			return err
		}
		infos, err := p.list(h.events)
		if err != nil {
			return fmt.Errorf("read events folder: %w", err)
		}
		for _, info := range infos {
			if enough() {
				break
			}
			if !isEvent(info) {
				continue
			}
			r, ok, err := h.read(p, info)
			if errors.Is(err, errLost) {
				return err
			}
			if err != nil { // it must not keep the others waiting
				h.log.ErrorContext(ctx, "event file not read", slog.String("event", eventID(info.Name())), slog.Any("error", err))
			}
			if ok {
				all = append(all, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b track.Receipt) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return cmp.Compare(a.EventID, b.EventID)
	})
	return all, nil // told to stop, it gives what it has
}

func isEvent(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && !strings.HasPrefix(info.Name(), ".") && strings.HasSuffix(info.Name(), ".json")
}

// read reads one file. It reports false for a file that is gone or not
// finished yet.
func (h *House) read(p place, info fs.FileInfo) (track.Receipt, bool, error) {
	raw, err := p.read(path.Join(h.events, info.Name()), maxEvent)
	if errors.Is(err, fs.ErrNotExist) {
		return track.Receipt{}, false, nil
	}
	if err != nil {
		var named *fs.PathError
		if errors.As(err, &named) { // the name is the print house's: it is not logged
			err = named.Err
		}
		return track.Receipt{}, false, fmt.Errorf("read event: %w", err)
	}
	r := receipt(info.Name(), raw, info.ModTime())
	if r.Kind == track.Unreadable && h.growing(info) {
		return track.Receipt{}, false, nil
	}
	return r, true, nil
}

// A sighting is an unreadable file as it was first seen.
type sighting struct {
	size     int64
	modified time.Time
	at       time.Time
}

// growing reports whether an unreadable file may still be being written. On our
// own machine its age tells; another machine's clock may be anywhere, so there
// it must have stood still before our eyes.
func (h *House) growing(info fs.FileInfo) bool {
	if h.road.near() {
		return h.now().Sub(info.ModTime()) < settling
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	first, ok := h.seen[info.Name()]
	if !ok || first.size != info.Size() || !first.modified.Equal(info.ModTime()) {
		if len(h.seen) >= mostSeen { // gone files are not told apart; begin again
			clear(h.seen)
		}
		h.seen[info.Name()] = sighting{info.Size(), info.ModTime(), h.now()}
		return true
	}
	return h.now().Sub(first.at) < settling
}

// kinds are those of a receipt.
var kinds = map[EventKind]track.Kind{
	EventPrinting: track.Printing, EventPosted: track.Posted, EventProven: track.Proven,
	EventReturned: track.Returned, EventRejected: track.RefusedContent,
}

// receipt reads an event. One that cannot be read is named by its bytes too: the
// print house may put a good one under the same name later, which is another.
func receipt(name string, raw []byte, came time.Time) track.Receipt {
	id := eventID(name)
	r := track.Receipt{
		Carrier: carrier, EventID: id + besides + digest(raw), Kind: track.Unreadable,
		At: came.UTC(), Raw: raw,
	}
	var e Event
	if len(raw) >= maxEvent || json.Unmarshal(raw, &e) != nil ||
		e.EventID != id || !post.ValidUUID(e.JobID) || e.At.Year() < 2000 {
		return r
	}
	kind, ok := kinds[e.Kind]
	if !ok {
		return r
	}
	r.EventID, r.Kind, r.MessageID, r.At, r.Code = id, kind, strings.ToLower(e.JobID), e.At.UTC(), cleanCode(e.Code)
	r.Tracking = trackingOf(e.Scheme, e.Tracking)
	return r
}

// eventID is the file's name without its ending; a name that we would not
// store is replaced by its digest.
func eventID(name string) string {
	id := strings.TrimSuffix(name, ".json")
	if eventIDForm.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// besides stands between an event's id and the digest of what cannot be read; no
// id of an event holds it.
const besides = "~"

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// cleanCode keeps a code within a closed set of characters, and short.
func cleanCode(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 64)]
}
