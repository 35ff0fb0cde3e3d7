package memo

import "strconv"

// Error implements error; it carries no content of the message.
func (e *Invalid) Error() string {
	s := e.Code + " at " + e.Path
	if e.Line > 0 {
		s += ", line " + strconv.Itoa(e.Line)
	}
	if e.Note != "" {
		s += ": " + e.Note
	}
	return s
}
