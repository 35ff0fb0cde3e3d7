package kombiposttest

// Reset forgets every token, shipment and waiting status and turns the dial
// back.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assertions, s.tokens, s.shipments = map[string]issued{}, map[string]issued{}, map[string]*Shipment{}
	s.order, s.queue, s.faults, s.stats = nil, nil, Faults{}, Stats{}
}

// Shipment returns one shipment.
func (s *Server) Shipment(id string) (Shipment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.shipments[id]
	if !ok {
		return Shipment{}, false
	}
	return *p, true
}
