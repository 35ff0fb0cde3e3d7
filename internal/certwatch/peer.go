package certwatch

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"
)

// Peers knows certificates by their fingerprints: the hex SHA-256 of the whole,
// with or without colons, in either case of letters.
func Peers(fingerprints ...string) func(*x509.Certificate) bool {
	set := map[string]bool{}
	for _, f := range fingerprints {
		set[strings.ToLower(strings.ReplaceAll(f, ":", ""))] = true
	}
	return func(c *x509.Certificate) bool {
		sum := sha256.Sum256(c.Raw)
		return set[hex.EncodeToString(sum[:])]
	}
}

// ShownBy reports whether r came with a client certificate that the listener has
// verified and that known knows.
func ShownBy(r *http.Request, known func(*x509.Certificate) bool) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && known(r.TLS.VerifiedChains[0][0])
}
