package wire

import "time"

// LookUp is how far a batch's look-up is. It is a forecast: the hand-over asks
// anew.
type LookUp struct {
	Batch   string    `json:"batch"`
	AskedAt time.Time `json:"asked_at"`
	GoneAt  time.Time `json:"gone_at" doc:"from then on nothing of it is shown, nor kept"`
	Lines   int       `json:"lines"`
	Looked  int       `json:"looked" doc:"lines that are answered, from the first"`
	Done    bool      `json:"done" doc:"false while a dispatcher asks; come back in a second"`
	Ended   string    `json:"ended,omitempty" doc:"why it went no further than that"`
	Says    string    `json:"says,omitempty" doc:"the same in words"`
	// Counts of the lines that are answered.
	Digital   int `json:"digital"`
	Paper     int `json:"paper"`
	NoAddress int `json:"no_address" doc:"not reachable digitally, and without an address on the line"`
	Unsure    int `json:"unsure" doc:"not known: nothing is printed in doubt"`
	// Items are a page of the lines that are answered.
	Items []LookedLine `json:"items"`
	After int          `json:"after,omitempty" doc:"ask with this for the next page; absent on the last"`
}

// LookedLine is what to expect of one line.
type LookedLine struct {
	Line       int    `json:"line" doc:"from 1"`
	Expected   string `json:"expected" enum:"digital,paper,no-address,unsure"`
	Address    bool   `json:"address" doc:"the line bears an address"`
	Registered bool   `json:"registered,omitempty"`
	ArriveBy   string `json:"arrive_by,omitempty"`
}
