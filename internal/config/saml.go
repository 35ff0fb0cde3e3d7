package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// rollOver checks what stands in the configuration only now and then: keys in
// roll-over, privileges, the archive.
func (r *report) rollOver(c SAML) {
	for _, p := range []struct{ path, cert, key string }{
		{"saml.previous_encryption", c.PreviousEncryptionCert, c.PreviousEncryptionKey},
		{"saml.next_encryption", c.NextEncryptionCert, c.NextEncryptionKey},
	} {
		if p.cert == "" && p.key == "" {
			continue
		}
		r.keyPair(p.path, p.cert, p.key)
		if p.key == c.SigningKey || p.key == c.EncryptionKey {
			r.at(p.path+"_key_file", "is a key that is in use already")
		}
	}
	if c.NextSigningCert != "" {
		r.file("saml.next_signing_cert_file", c.NextSigningCert)
	}
	if c.ArchiveRecipients != "" {
		r.file("saml.archive_recipients_file", c.ArchiveRecipients)
	}
	r.privileges("saml.power_of_attorney", c.PowerOfAttorney)
	r.privileges("saml.company_roles", c.CompanyRoles)
}

func (r *report) privileges(path string, all []string) {
	for i, p := range all {
		if u, err := url.Parse(p); err != nil || u.Scheme == "" || strings.TrimSpace(p) != p {
			r.at(fmt.Sprintf("%s[%d]", path, i), "want the URI of a privilege, as NemLog-in Administration has it")
		}
	}
}

// pages checks the rules of single pages. An authentication younger than five
// minutes cannot be asked for: the clocks may differ by three.
func (r *report) pages(all []PageRule) {
	seen := map[string]bool{}
	for i, p := range all {
		at := fmt.Sprintf("pages[%d]", i)
		if !strings.HasPrefix(p.Path, "/") || strings.HasPrefix(p.Path, "//") || strings.ContainsAny(p.Path, "?#") {
			r.at(at+".path", "want a path of this site")
		} else if seen[p.Path] {
			r.at(at+".path", "%q is given twice", p.Path)
		}
		seen[p.Path] = true
		if p.Level == "" && p.Fresh == 0 {
			r.at(at, "asks for nothing; give level or fresh")
		}
		if p.Level != "" && p.Level != "Substantial" && p.Level != "High" {
			r.at(at+".level", "want Substantial or High")
		}
		if p.Fresh != 0 && p.Fresh < 5*time.Minute {
			r.at(at+".fresh", "want at least 5m")
		}
	}
}
