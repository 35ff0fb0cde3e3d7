package post

import (
	"fmt"
	"log/slog"
)

// Format implements [fmt.Formatter]: a record in clear does not print either.
// JSON, which goes into seals, is in clear.
func (PartyRecord) Format(w fmt.State, _ rune) { fmt.Fprint(w, "Party(masked)") }

// LogValue implements [slog.LogValuer].
func (PartyRecord) LogValue() slog.Value { return slog.StringValue("Party(masked)") }

// Format implements [fmt.Formatter], as [PartyRecord.Format] does.
func (PersonRecord) Format(w fmt.State, _ rune) { fmt.Fprint(w, "Person(masked)") }

// LogValue implements [slog.LogValuer].
func (PersonRecord) LogValue() slog.Value { return slog.StringValue("Person(masked)") }
