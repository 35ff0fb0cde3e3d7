package portalweb

import (
	"net/http"
	"strings"
)

// Limits of request bodies; a page needs no more.
const (
	formBytes = 128 << 10 // 4,000 characters, percent-encoded, and a pasted statement
	// uploadSlack is what a multipart body adds to the files in it.
	uploadSlack = 1 << 20
)

// guard puts what holds for every answer around next: the security headers, the
// limits, and the refusal of requests from other sites.
func (s *Site) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	// The log-in provider posts its answers from its own site (SAML HTTP-POST
	// binding). These are the only such routes; both trust signatures alone.
	cross.AddInsecureBypassPattern("POST /saml/acs")
	cross.AddInsecureBypassPattern("POST /saml/slo")
	cross.SetDenyHandler(http.HandlerFunc(s.crossSite))
	policy := strings.Join([]string{
		"default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'",
		strings.TrimSpace("form-action 'self' " + strings.Join(s.FormOrigins, " ")),
	}, "; ")
	protected, doors := cross.Handler(next), s.newDoors(cross.Check)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		hurry(w, r, s.Limits.Body)
		if !doors.let(w, r) {
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/saml/") && r.URL.Path != uploadPath {
			r.Body = http.MaxBytesReader(w, r.Body, formBytes)
		}
		protected.ServeHTTP(w, r)
	})
}
