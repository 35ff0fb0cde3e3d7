package printhouse

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

// Ticket is ticket.json, the first entry of a job: how to print it and where to
// send it.
type Ticket struct {
	V          int       `json:"v"`
	JobID      string    `json:"job_id"`    // the message id; a second job with the same id is the same letter
	Reference  string    `json:"reference"` // to print as the data line of each sheet
	Generation int       `json:"generation"`
	CreatedAt  time.Time `json:"created_at"`
	Sender     Sender    `json:"sender"`
	// Registered: the envelope goes by registered post (rekommanderet). It is
	// left out of every other ticket.
	Registered bool `json:"registered,omitempty"`
	Color      bool `json:"color"`
	Duplex     bool `json:"duplex"`
	Pages      int  `json:"pages"`
	// Address is what stands in the window: name first, then the address lines.
	Address   []string         `json:"address"`
	Documents []TicketDocument `json:"documents"` // in the order of printing
}

// Sender is the authority, for the return address.
type Sender struct {
	Name string `json:"name"`
	CVR  string `json:"cvr"`
}

// TicketDocument is one document of a job.
type TicketDocument struct {
	Entry     string `json:"entry"` // name within the tar
	Label     string `json:"label,omitempty"`
	MediaType string `json:"media_type"`
	Pages     int    `json:"pages"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"` // hex
}

const (
	// maxAddress is how many lines the window of a C5 envelope shows.
	maxAddress = 7
	// maxLine is what fits into the window at ten points.
	maxLine = 48
)

// address returns the lines of the window. One line besides the name is no
// address: no letter finds a town alone.
func address(r post.PartyRecord) ([]string, error) {
	if len(preflight.AddressLines(r)) < 2 || strings.TrimSpace(r.Name) == "" {
		return nil, post.FaultNoAddress
	}
	lines := preflight.WindowLines(r)
	if len(lines) > maxAddress {
		return nil, post.FaultNoAddress.At("more than %d lines", maxAddress)
	}
	for i, line := range lines {
		if n := len([]rune(line)); n > maxLine {
			return nil, post.FaultNoAddress.At("line %d has %d characters, the window shows %d", i+1, n, maxLine)
		}
	}
	return lines, nil
}

// ticket is a pure function of j and of the documents' page counts.
func ticket(j dispatch.Job, lines []string, pages []int) Ticket {
	t := Ticket{
		V: 1, JobID: j.MessageID, Reference: j.Reference, Generation: j.Generation,
		CreatedAt:  j.CreatedAt.UTC().Truncate(time.Second),
		Sender:     Sender{Name: j.Tenant.Name, CVR: string(j.Tenant.CVR)},
		Registered: j.Registered,
		Duplex:     true, // black on white, both sides: the cheapest, and what most decisions need
		Address:    lines,
	}
	for i, d := range j.Documents {
		t.Pages += pages[i]
		t.Documents = append(t.Documents, TicketDocument{
			Entry: entryName(i), Label: d.Label, MediaType: d.MediaType,
			Pages: pages[i], Size: d.Size, SHA256: hex.EncodeToString(d.SHA256[:]),
		})
	}
	return t
}

// entryName numbers the documents; the sender's own file names stay at home.
func entryName(i int) string { return fmt.Sprintf("documents/%02d.pdf", i+1) }
