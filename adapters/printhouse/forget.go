package printhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Forget implements [track.Source]. The order survives a crash at any point:
// first the marker that the job was taken, then the job goes, then the event.
//
// A rejected job was never printed, so no marker remembers it: a person may
// send it again. An unreadable event moves aside for a person to read.
func (h *House) Forget(_ context.Context, r track.Receipt) error {
	name, err := h.find(r.EventID)
	if err != nil || name == "" {
		return err
	}
	event := filepath.Join(h.events, name)
	if r.Kind == track.Unreadable {
		return h.setAside(event, name)
	}
	if post.ValidUUID(r.MessageID) {
		if err := h.receipted(r); err != nil {
			return fmt.Errorf("forget event %s: %w", r.EventID, err)
		}
	}
	if err := os.Remove(event); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget event %s: %w", r.EventID, err)
	}
	return nil
}

// receipted deletes the job, which the print house has by its own word.
func (h *House) receipted(r track.Receipt) error {
	if r.Kind != track.RefusedContent {
		m, err := os.OpenFile(h.marker(r.MessageID), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("mark job as taken: %w", err)
		}
		if err := errors.Join(m.Close(), syncDir(h.taken)); err != nil {
			return fmt.Errorf("mark job as taken: %w", err)
		}
	}
	if err := os.Remove(h.job(r.MessageID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete job: %w", err)
	}
	return nil
}

// find returns the name of the file of an event, or "" when it is gone.
func (h *House) find(id string) (string, error) {
	if eventIDForm.MatchString(id) {
		name := id + ".json"
		if _, err := os.Lstat(filepath.Join(h.events, name)); err == nil {
			return name, nil
		}
	}
	entries, err := os.ReadDir(h.events) // a name that was replaced by its digest
	if err != nil {
		return "", fmt.Errorf("read events folder: %w", err)
	}
	for _, e := range entries {
		if isEvent(e) && eventID(e.Name()) == id {
			return e.Name(), nil
		}
	}
	return "", nil
}

func (h *House) setAside(event, name string) error {
	dir := filepath.Join(h.events, unreadableDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("set event aside: %w", err)
	}
	if err := os.Rename(event, filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("set event aside: %w", err)
	}
	return nil
}
