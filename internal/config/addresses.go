package config

// Addresses says where letters on paper that bear no address, or came back, get
// one: from a file or over HTTP. Without it such letters need a person.
type Addresses struct {
	// RegisterFile holds one JSON entry on each line, kept by somebody else.
	RegisterFile string `json:"register_file,omitempty"`
	// URL takes questions by POST, over mutual TLS.
	URL string `json:"url,omitempty"`
	TLS TLS    `json:"tls,omitzero"`
}

func (r *report) addresses(c Addresses) {
	switch {
	case c == (Addresses{}):
	case c.RegisterFile != "":
		r.file("addresses.register_file", c.RegisterFile)
		if c.URL != "" || c.TLS != (TLS{}) {
			r.at("addresses.url", "the register is a file (register_file); give one of the two")
		}
	default:
		r.https("addresses.url", c.URL)
		r.pair("addresses.tls", c.TLS)
		if c.TLS.CAFile != "" {
			if _, err := ReadPool(c.TLS.CAFile); err != nil {
				r.at("addresses.tls.ca_file", "%v", err)
			}
		}
	}
}
