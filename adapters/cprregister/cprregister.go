// Package cprregister asks where a person or a company lives, for letters on
// paper: from a file that somebody else keeps, or over HTTP from whatever the
// municipality has its register behind.
//
// A number goes out in the body of a request over mutual TLS, never in an
// address; answers are bounded and redirects are not followed. Nothing of an
// answer is logged, kept or put into an error, so that a protected address
// appears nowhere but on the envelope.
//
// Only a definite answer is one: "dead", "emigrated" and "unknown" are told
// apart, and everything else (no answer, an answer about somebody else, a status
// that we do not know, an address of one line) is unsure. It never guesses.
package cprregister

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// An Entry is one recipient in a register, as a file line and an HTTP answer
// have it. Members that we do not know are passed over.
type Entry struct {
	IDType  string   `json:"id_type"` // CPR or CVR
	ID      string   `json:"id"`
	Status  string   `json:"status"` // active, deceased, emigrated or unknown
	Name    string   `json:"name,omitempty"`
	Address []string `json:"address,omitempty"` // 2 to 6 lines, without the name
	// Protected: name and address are protected (navne- og adressebeskyttelse).
	Protected bool `json:"protected,omitempty"`
}

// Statuses of an entry.
const (
	StatusActive    = "active"
	StatusDeceased  = "deceased"
	StatusEmigrated = "emigrated"
	StatusUnknown   = "unknown"
)

// Codes of an answer that is unsure.
const (
	codeAnswer = "answer.unreadable"
	codeOther  = "answer.other-recipient"
	codeStatus = "answer.status"
	codeForm   = "address.form"
)

const (
	leastLines, mostLines = 2, 6
	maxLine               = 100
)

func unsure(code string) dispatch.Residence {
	return dispatch.Residence{Answer: dispatch.AddressUnsure, Code: code}
}

// residence judges an entry about the recipient asked for.
func residence(e Entry, asked post.PartyRecord) dispatch.Residence {
	if !strings.EqualFold(e.IDType, asked.IDType) || digits(e.ID) != digits(asked.ID) {
		return unsure(codeOther)
	}
	switch e.Status {
	case StatusActive:
	case StatusDeceased:
		return dispatch.Residence{Answer: dispatch.AddressDeceased}
	case StatusUnknown:
		return dispatch.Residence{Answer: dispatch.AddressUnknown}
	case StatusEmigrated: // an address abroad is an address
		if len(e.Address) == 0 {
			return dispatch.Residence{Answer: dispatch.AddressAbroad}
		}
	default:
		return unsure(codeStatus)
	}
	lines, ok := linesOf(e.Address)
	if !ok || !printable(e.Name) {
		return unsure(codeForm)
	}
	return dispatch.Residence{Answer: dispatch.AddressFound, Name: strings.Join(strings.Fields(e.Name), " "), Lines: lines, Protected: e.Protected}
}

func linesOf(address []string) ([]string, bool) {
	var lines []string
	for _, line := range address {
		if !printable(line) || utf8.RuneCountInString(line) > maxLine {
			return nil, false
		}
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, len(lines) >= leastLines && len(lines) <= mostLines
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// digits leaves out how a number is written.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
