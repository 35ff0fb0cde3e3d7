package kombiposttest

import "time"

// Always, as a count in [Faults], means every time until the dial is turned back.
const Always = -1

// Faults is the dial of what goes wrong. A count says how many times.
type Faults struct {
	NoAssertions    int `json:"no_assertions"`    // the token service answers 503
	WrongAssertions int `json:"wrong_assertions"` // assertions that name another CVR
	NoTokens        int `json:"no_tokens"`        // AccessTokenService answers 503
	RefuseTokens    int `json:"refuse_tokens"`    // calls answered with 401
	// DropReplies takes shipments and then breaks the connection.
	DropReplies int `json:"drop_replies"`
	// Broken answers 500 after taking; Unavailable answers 503 and takes nothing.
	Broken      int `json:"broken"`
	Unavailable int `json:"unavailable"`
	// Code answers Result false and this Fejl, Refuse times.
	Code   string `json:"code"`
	Refuse int    `json:"refuse"`
	// TrueWithFault answers Result true and a Fejl, which contradicts itself.
	TrueWithFault int `json:"true_with_fault"`
	// DelayMillis holds back the answer to each call.
	DelayMillis int `json:"delay_ms"`
	// DuplicatesAreNew delivers a second time what has the ids of the first.
	DuplicatesAreNew bool `json:"duplicates_are_new"`
	FailedLookups    int  `json:"failed_lookups"`
	// Of statuses: each one twice; newest first; for another CVR.
	DuplicateStatuses bool `json:"duplicate_statuses"`
	ReorderStatuses   bool `json:"reorder_statuses"`
	WrongTenant       int  `json:"wrong_tenant"`
	// GarbageStatuses are pushed before the next real one.
	GarbageStatuses int `json:"garbage_statuses"`
}

// SetFaults turns the dial.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Faults returns where the dial stands.
func (s *Server) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// spend uses up one of count and reports whether there was one. The caller
// holds mu.
func spend(count *int) bool {
	if *count == 0 {
		return false
	}
	if *count > 0 {
		*count--
	}
	return true
}

func (s *Server) spend(pick func(*Faults) *int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return spend(pick(&s.faults))
}

func (s *Server) delay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.faults.DelayMillis) * time.Millisecond
}
