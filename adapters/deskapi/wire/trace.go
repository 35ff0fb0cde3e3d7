package wire

import "time"

// TraceAsked names a question to a letter's carriers.
type TraceAsked struct {
	ID     string `json:"id"`
	Letter string `json:"letter"`
}

// Trace is what carriers told of a letter's hand-overs.
type Trace struct {
	Letter string      `json:"letter"`
	Done   bool        `json:"done" doc:"false while a dispatcher asks; come back in a second"`
	Told   []TraceTold `json:"told"`
}

// TraceTold is what one carrier told of one hand-over.
type TraceTold struct {
	MessageID string      `json:"message_id"`
	Carrier   string      `json:"carrier"`
	Says      string      `json:"says" doc:"in words, whatever came of it"`
	Steps     []TraceStep `json:"steps"`
}

// TraceStep is one event, by the carrier's own account.
type TraceStep struct {
	At  time.Time `json:"at"`
	Tag string    `json:"tag"`
}
