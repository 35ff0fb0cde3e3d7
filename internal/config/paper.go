package config

import "sikkerpost.dk/gateway/internal/post"

// Paper says what a tenant's documents must keep, so that they can be printed,
// folded and posted. A tenant that is not named is not checked.
type Paper struct {
	// Render demands that pages are looked at; poppler must be installed.
	Render bool `json:"render,omitempty"`
	// Window is what the envelope's window shows: "" a cover sheet of the print
	// house, "overprint" what it prints onto the first page, "document" what the
	// first page bears.
	Window   string `json:"window,omitempty"`
	MaxPages int    `json:"max_pages,omitempty"` // of one letter; 100 when 0
	Margin   int    `json:"margin,omitempty"`    // white on every side, in mm; 4 when 0
}

func (r *report) paper(all map[post.TenantID]Paper, tenants []post.Tenant) {
	known := map[post.TenantID]bool{}
	for _, t := range tenants {
		known[t.ID] = true
	}
	for id, p := range all {
		at := "paper." + string(id)
		if !known[id] {
			r.at(at, "is not one of tenants")
		}
		switch p.Window {
		case "":
		case "overprint", "document":
			if !p.Render {
				r.at(at+".window", "%q needs render: who prints behind a window must look at it", p.Window)
			}
		default:
			r.at(at+".window", `want "overprint" or "document", or leave it out for a cover sheet`)
		}
		if p.MaxPages < 0 || p.MaxPages > 1000 {
			r.at(at+".max_pages", "want 1 to 1000")
		}
		if p.Margin < 0 || p.Margin > 20 {
			r.at(at+".margin", "want 1 to 20 mm")
		}
	}
}
