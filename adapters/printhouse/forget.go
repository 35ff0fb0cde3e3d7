package printhouse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Forget implements [track.Source]. The order survives a crash at any point:
// first the marker that the job was taken, then the job goes, then the event.
//
// A rejected job was never printed, so no marker remembers it: a person may
// send it again. An unreadable event moves aside for a person to read.
func (h *House) Forget(ctx context.Context, r track.Receipt) error {
	err := h.within(ctx, func(p place) error { return h.forget(p, r) })
	if err != nil {
		return fmt.Errorf("forget event %s: %w", r.EventID, err)
	}
	return nil
}

func (h *House) forget(p place, r track.Receipt) error {
	id, was, _ := strings.Cut(r.EventID, besides)
	name, err := h.find(p, id)
	if err != nil || name == "" {
		return err
	}
	event := path.Join(h.events, name)
	if r.Kind == track.Unreadable {
		raw, err := p.read(event, maxEvent)
		if err != nil || was != "" && digest(raw) != was { // a good one has come in its place
			return err
		}
		return h.setAside(p, event, name)
	}
	if post.ValidUUID(r.MessageID) {
		if err := h.receipted(p, r); err != nil {
			return err
		}
	}
	return p.remove(event)
}

// receipted deletes the job, which the print house has by its own word.
func (h *House) receipted(p place, r track.Receipt) error {
	if r.Kind != track.RefusedContent {
		if err := h.mark(p, r.MessageID); err != nil {
			return fmt.Errorf("mark job as taken: %w", err)
		}
	}
	if err := p.remove(h.job(r.MessageID)); err != nil {
		return fmt.Errorf("delete job: %w", err)
	}
	return nil
}

func (h *House) mark(p place, id string) error {
	if had, err := there(p, h.marker(id)); had || err != nil {
		return err
	}
	m, err := p.create(h.marker(id))
	if err != nil {
		if had, asked := there(p, h.marker(id)); had && asked == nil {
			return nil // another dispatcher was quicker
		}
		return err
	}
	return errors.Join(m.Close(), p.settle(h.taken))
}

// find returns the name of the file of an event, or "" when it is gone.
func (h *House) find(p place, id string) (string, error) {
	if eventIDForm.MatchString(id) {
		had, err := there(p, path.Join(h.events, id+".json"))
		if err != nil {
			return "", err
		}
		if had {
			return id + ".json", nil
		}
	}
	infos, err := p.list(h.events) // a name that was replaced by its digest
	if err != nil {
		return "", fmt.Errorf("read events folder: %w", err)
	}
	for _, info := range infos {
		if isEvent(info) && eventID(info.Name()) == id {
			return info.Name(), nil
		}
	}
	return "", nil
}

func (h *House) setAside(p place, event, name string) error {
	dir := path.Join(h.events, unreadableDir)
	if err := p.mkdir(dir); err != nil {
		return fmt.Errorf("set event aside: %w", err)
	}
	if err := p.replace(event, path.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set event aside: %w", err)
	}
	return nil
}
