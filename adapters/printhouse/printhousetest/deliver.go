package printhousetest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"sikkerpost.dk/gateway/adapters/printhouse"
)

// deliver hands an event to the gateway: once, or as [Config.Carry] wants it.
func (h *House) deliver(j *Job, e printhouse.Event) error {
	name := e.EventID
	var times atomic.Int32 // deliveries may overlap
	once := func() error {
		one := e
		if n := times.Add(1); n > 1 {
			one.EventID = fmt.Sprintf("%s-%d", name, n)
		}
		text, err := json.Marshal(one)
		if err != nil {
			return fmt.Errorf("write event: %w", err)
		}
		return publish(filepath.Join(h.cfg.Events, one.EventID+".json"), text)
	}
	if h.cfg.Carry == nil {
		return once()
	}
	return h.cfg.Carry(j.copy(), e.Kind, once)
}

// Document opens the n-th document of a job as it would be printed, counted
// from 0.
func (h *House) Document(id string, n int) (io.ReadCloser, error) {
	j, err := h.Job(id)
	if err != nil {
		return nil, err
	}
	if n < 0 || n >= len(j.Ticket.Documents) {
		return nil, ErrUnknown
	}
	f, err := os.Open(filepath.Join(h.cfg.Dir, j.ID, fmt.Sprintf("%02d.pdf", n+1)))
	if err != nil {
		return nil, fmt.Errorf("open document of print job %s: %w", j.ID, err)
	}
	return f, nil
}
