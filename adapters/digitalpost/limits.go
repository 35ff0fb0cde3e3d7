package digitalpost

import (
	"strings"
	"sync"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Our own codes of a letter beyond the limits of the contact point it goes to.
const (
	codePointSize  = "contact-point.too-large"
	codePointFiles = "contact-point.too-many-files"
)

// limits are the contact points as [Client.ContactPoints] last read them.
type limits struct {
	mu     sync.Mutex
	points map[post.TenantID]map[string]ContactPoint // by lower-case id
}

func (l *limits) remember(tenant post.TenantID, all []ContactPoint) {
	points := map[string]ContactPoint{}
	for _, p := range all {
		points[strings.ToLower(p.ID)] = p
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.points == nil {
		l.points = map[post.TenantID]map[string]ContactPoint{}
	}
	l.points[tenant] = points
}

// beyond is the code of the limit that j breaks, or "". Whether NgDP measures
// before or after encoding and in which megabyte is not known: only what is too
// large by each of them is held back, the rest is NgDP's to judge. The main
// document is no attachment.
func (l *limits) beyond(j dispatch.Job) string {
	if j.Recipient.ContactPoint == "" {
		return ""
	}
	l.mu.Lock()
	p := l.points[j.Tenant.ID][strings.ToLower(j.Recipient.ContactPoint)]
	l.mu.Unlock()
	var size int64
	for _, d := range j.Documents {
		size += d.Size
	}
	switch {
	case p.MaxMB > 0 && float64(size) > p.MaxMB*(1<<20):
		return codePointSize
	case p.MaxFiles > 0 && len(j.Documents)-1 > p.MaxFiles:
		return codePointFiles
	}
	return ""
}
