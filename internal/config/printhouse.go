package config

import (
	"net"
	"path"
	"time"
)

// PrintHouse configures the hand-over of letters on paper: through folders of
// this machine, or through the print house's own over SFTP.
type PrintHouse struct {
	Out           string `json:"out"`            // directory where jobs are published
	Events        string `json:"events"`         // directory where the print house leaves its receipts
	SFTP          SFTP   `json:"sftp,omitzero"`  // instead of Out and Events
	RecipientFile string `json:"recipient_file"` // the print house's public age recipient
	// Rate bounds the jobs a second of one dispatcher; 0 does not.
	Rate int `json:"rate"`
}

// SFTP leads to the folders of a print house's own machine.
type SFTP struct {
	Address string `json:"address"` // host:port
	User    string `json:"user"`
	// KeyFile is our private key, in OpenSSH's form and without a passphrase.
	KeyFile string `json:"key_file"`
	// HostKeysFile holds the machine's public keys, one on each line; no other
	// key is believed.
	HostKeysFile string `json:"host_keys_file"`
	Jobs         string `json:"jobs"`     // its folder for jobs
	Receipts     string `json:"receipts"` // its folder for receipts
	// Timeout bounds one piece of work; 2 minutes when 0.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// printHouse wants one of the two roads, whole.
func (r *report) printHouse(c PrintHouse) {
	r.file("print_house.recipient_file", c.RecipientFile)
	if c.SFTP == (SFTP{}) {
		r.required("print_house.out", c.Out)
		if r.required("print_house.events", c.Events) && c.Events == c.Out {
			r.at("print_house.events", "is the same folder as out")
		}
		return
	}
	if c.Out != "" {
		r.at("print_house.out", "the folders lie behind sftp; name them there as jobs and receipts")
	}
	if c.Events != "" {
		r.at("print_house.events", "the folders lie behind sftp; name them there as jobs and receipts")
	}
	s := c.SFTP
	if _, port, err := net.SplitHostPort(s.Address); err != nil || port == "" {
		r.at("print_house.sftp.address", `want an address such as "sftp.print.example:22"`)
	}
	r.required("print_house.sftp.user", s.User)
	r.secret("print_house.sftp.key_file", s.KeyFile)
	r.file("print_house.sftp.host_keys_file", s.HostKeysFile)
	r.required("print_house.sftp.jobs", s.Jobs)
	if r.required("print_house.sftp.receipts", s.Receipts) && path.Clean(s.Receipts) == path.Clean(s.Jobs) {
		r.at("print_house.sftp.receipts", "is the same folder as jobs")
	}
}
