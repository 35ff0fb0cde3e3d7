package digitalposttest

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Always, as a count in [Faults], means every time until the dial is turned back.
const Always = -1

// Faults is the dial of what goes wrong. A count says how many times.
type Faults struct {
	// DropReplies accepts hand-overs and subscriptions and then breaks the connection.
	DropReplies int `json:"drop_replies"`
	// DropPercent does the same to that share of all hand-overs, drawn for each.
	DropPercent int `json:"drop_percent"`
	// Unavailable answers hand-overs with 503 and takes nothing.
	Unavailable int `json:"unavailable"`
	// Broken answers hand-overs with 500 after taking them.
	Broken int `json:"broken"`
	// DelayMillis holds back the answer to each hand-over.
	DelayMillis int `json:"delay_ms"`
	// UnsureLookups answers UNKNOWN; FailedLookups answers 503.
	UnsureLookups int `json:"unsure_lookups"`
	FailedLookups int `json:"failed_lookups"`
	// HoldReceipts keeps business receipts back.
	HoldReceipts bool `json:"hold_receipts"`
	// DuplicateReceipts makes a second receipt, with an id of its own.
	DuplicateReceipts bool `json:"duplicate_receipts"`
	// ReorderReceipts lists the newest first.
	ReorderReceipts bool `json:"reorder_receipts"`
	// StrayReceipts makes receipts of messages that nobody sent.
	StrayReceipts int `json:"stray_receipts"`
	// RejectDuplicates answers a repeated UUID with 400.
	RejectDuplicates bool `json:"reject_duplicates"`
	// UnavailableLists answers 503 to a recipient system that asks what waits.
	UnavailableLists int `json:"unavailable_lists"`
	// TornMemos breaks the connection in the middle of a message fetched.
	TornMemos int `json:"torn_memos"`
	// KeepAnswered leaves a message on the list after its business receipt, until
	// it is deleted.
	KeepAnswered bool `json:"keep_answered"`
	// BulkText takes the numbers of a bulk look-up as one text with commas only;
	// BulkMost is how many it takes, 0 for any number.
	BulkText bool `json:"bulk_text"`
	BulkMost int  `json:"bulk_most"`
	// BareVersions takes a version in If-Match without quotes only.
	BareVersions bool `json:"bare_versions"`
}

// SetFaults turns the dial.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	s.announce()
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

// dropped reports whether this answer is to be lost.
func (s *Server) dropped() bool {
	return s.spend(func(f *Faults) *int { return &f.DropReplies }) || rand.IntN(100) < s.Faults().DropPercent //nolint:gosec // chance, not a secret
}

// breakOff ends the connection without an answer.
func breakOff() { panic(http.ErrAbortHandler) }

func (s *Server) dawdle(r *http.Request) {
	delay := time.Duration(s.Faults().DelayMillis) * time.Millisecond
	if delay <= 0 {
		return
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
	}
}
