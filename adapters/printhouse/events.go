package printhouse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	Tracking string    `json:"tracking,omitempty"` // UPU S10, on posted and later
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
	// unreadableDir keeps what no program could read, for a person.
	unreadableDir = "unreadable"
)

var eventIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Waiting implements [track.Source].
func (h *House) Waiting(ctx context.Context) ([]track.Receipt, error) {
	entries, err := os.ReadDir(h.events)
	if err != nil {
		return nil, fmt.Errorf("read events folder: %w", err)
	}
	var all []track.Receipt
	for _, e := range entries {
		if len(all) == maxWaiting || ctx.Err() != nil {
			break
		}
		if !isEvent(e) {
			continue
		}
		r, ok, err := h.read(e.Name())
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b track.Receipt) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return cmp.Compare(a.EventID, b.EventID)
	})
	return all, nil //nolint:nilerr // told to stop, it gives what it has
}

func isEvent(e os.DirEntry) bool {
	return e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ".json")
}

// read reads one file. It reports false for a file that is gone or not
// finished yet.
func (h *House) read(name string) (track.Receipt, bool, error) {
	f, err := os.Open(filepath.Join(h.events, name))
	if errors.Is(err, os.ErrNotExist) {
		return track.Receipt{}, false, nil
	}
	if err != nil {
		return track.Receipt{}, false, fmt.Errorf("read event: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return track.Receipt{}, false, fmt.Errorf("read event: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxEvent))
	if err != nil {
		return track.Receipt{}, false, fmt.Errorf("read event: %w", err)
	}
	r := receipt(name, raw, info)
	if r.Kind == track.Unreadable && time.Since(info.ModTime()) < settling {
		return track.Receipt{}, false, nil
	}
	return r, true, nil
}

func receipt(name string, raw []byte, info os.FileInfo) track.Receipt {
	r := track.Receipt{
		Carrier: carrier, EventID: eventID(name), Kind: track.Unreadable,
		At: info.ModTime().UTC(), Raw: raw,
	}
	var e Event
	if info.Size() > maxEvent || json.Unmarshal(raw, &e) != nil ||
		e.EventID != r.EventID || !post.ValidUUID(e.JobID) || e.At.Year() < 2000 {
		return r
	}
	kind, ok := map[EventKind]track.Kind{
		EventPrinting: track.Printing, EventPosted: track.Posted, EventProven: track.Proven,
		EventReturned: track.Returned, EventRejected: track.RefusedContent,
	}[e.Kind]
	if !ok {
		return r
	}
	r.Kind, r.MessageID, r.At, r.Code = kind, strings.ToLower(e.JobID), e.At.UTC(), cleanCode(e.Code)
	if ValidTracking(e.Tracking) { // a number that is not one would send people searching
		r.Tracking = e.Tracking
	}
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
