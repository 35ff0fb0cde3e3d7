package printhousetest

import (
	"encoding/json"
	"fmt"
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
