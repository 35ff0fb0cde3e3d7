package kombiposttest

import "log/slog"

// Reset forgets every token, shipment and waiting status and turns the dial
// back.
func (s *Server) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		if err := s.log.Clear(); err != nil {
			return err
		}
	}
	s.assertions, s.tokens, s.shipments = map[string]issued{}, map[string]issued{}, map[string]*Shipment{}
	s.age++
	s.order, s.queue, s.faults, s.stats = nil, nil, Faults{}, Stats{}
	return nil
}

// Shipment returns one shipment, its request included while it is kept.
func (s *Server) Shipment(id string) (Shipment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.shipments[id]
	if !ok {
		return Shipment{}, false
	}
	found := *p
	if err := s.load(&found); err != nil {
		s.cfg.Log.Error("shipment not read", slog.String("shipment", id), slog.Any("error", err))
	}
	return found, true
}
