// Package digitalposttest is a server that behaves like Digital Post (NgDP)
// towards sender systems, for tests, the demo and the simulator program.
//
// Faithful: paths with their trailing slashes, query names, media types, status
// codes, JSON members and enums; mutual TLS paired with Basic (401 for a token,
// 403 for a certificate that is not the system's); the technical receipt at
// once and the business receipt later; INVALID with memo.invalid for what the
// schema refuses; NOT_ALLOWED for those who are exempt or closed; 400 when the
// UUID of the query is not the message's.
//
// Our choice, where the real answer is not known to us: a repeated UUID gets
// the first receipt again, or 400 by [Faults.RejectDuplicates]; the body of a bulk
// look-up, its bound and the form of If-Match are on the dial too, and nothing is
// sent to who subscribes to contacts; codes outside the published ones begin with
// "sim.".
//
// Like the real carrier it does not forget what it took: with a directory it
// keeps every message exactly as received and knows it again after a restart,
// with which receipts were fetched and what was delivered. Subscriptions and
// counted faults are forgotten.
package digitalposttest

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/segments"
)

// keepBodies is how many messages stay in memory when there is no directory.
const keepBodies = 500

// Config is what a server needs.
type Config struct {
	Systems map[string]System // by system id
	Parties []Party           // whom contacts/ knows
	// Authorities lists the contact points of each authority.
	Authorities map[post.CVR][]ContactPoint
	// Unlisted is the publicRegistrationStatus of a number that is not in
	// Parties; "" means that contacts/ does not find it.
	Unlisted string
	// Dir keeps accepted messages, in a log of segments; "" keeps them in memory.
	Dir string
	// Files keeps each as <messageUUID>.xml instead, for whoever counts files.
	Files bool
	// Keep bounds the bytes in Dir, about: what is oldest goes first, its text
	// before its facts. 0 sets no bound.
	Keep int64
	// Delay is the time from the technical to the business receipt.
	Delay time.Duration
	Log   *slog.Logger
	// Now is the clock; the machine's when nil.
	Now func() time.Time
}

// System is one registered sender system.
type System struct {
	Token string
	CVR   post.CVR // of the organization that owns the system
	// Fingerprint is the hex SHA-256 of its client certificate; "" lets every
	// certificate through that the listener has verified.
	Fingerprint string
	// Endpoint is where messages to its contact points are pushed, and
	// ReceiptEndpoint where its receipts are; "" leaves them to be fetched.
	Endpoint, ReceiptEndpoint string
}

// Party is one entry of contacts/.
type Party struct {
	Key, Name    string // for the pages; NgDP does not tell names
	CPR          string
	CVR          string
	Registration string // REGISTERED, EXEMPT, CLOSED or UNKNOWN
	// Since is the start of the subscription; in the future it is the waiting
	// period of a new company.
	Since time.Time
}

// ContactPoint is one contact point of an authority.
type ContactPoint struct {
	ID, Name string
	// System is the recipient system behind it; "" when nobody fetches.
	System string
	// MaxBytes and MaxFiles are its own limits (memoSizeThresholdMB,
	// allowedNumberOfAttachments); 0 is none.
	MaxBytes int64
	MaxFiles int
	Hidden   bool // nobody can choose it
}

// Server is the simulated Digital Post.
type Server struct {
	cfg Config
	mux *http.ServeMux

	mu       sync.Mutex
	parties  map[string]Party // by number
	messages map[string]*Message
	order    []*Message // as accepted
	receipts map[string][]*receipt
	// deliveries are the messages that wait for a recipient system.
	deliveries map[string][]*delivery
	// subscriptions to changes of contacts, by system.
	subscriptions map[string][]subscribedJSON

	log     *segments.Log // nil without a directory
	pruning sync.Mutex
	taking  [64]sync.Mutex // one takes a UUID at a time, by its hash

	faults  Faults
	stats   Stats
	changed chan struct{} // closed and replaced whenever something came in
}

// Stats counts what the server has seen.
type Stats struct {
	Accepted   int `json:"accepted"`   // distinct messages taken
	Duplicates int `json:"duplicates"` // hand-overs of a message that was taken before
	Differing  int `json:"differing"`  // duplicates whose bytes were not the first ones
	Lookups    int `json:"lookups"`
	Answered   int `json:"answered"` // receipts of recipient systems
}

// New returns a server that knows again what lies in its directory.
func New(c Config) (*Server, error) {
	if len(c.Systems) == 0 || c.Log == nil {
		return nil, errors.New("digitalposttest: Systems and Log are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{cfg: c, parties: map[string]Party{}}
	for _, p := range c.Parties {
		if p.CPR != "" {
			s.parties[p.CPR] = p
		}
		if p.CVR != "" {
			s.parties[p.CVR] = p
		}
	}
	s.clear()
	s.routes()
	if c.Dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open simulator folder: %w", err)
	}
	if err := s.openLog(); err != nil {
		return nil, err
	}
	s.resume()
	return s, s.reload()
}

// clear forgets everything in memory. The caller holds mu, or is New.
func (s *Server) clear() {
	s.messages, s.order, s.receipts = map[string]*Message{}, nil, map[string][]*receipt{}
	s.deliveries = map[string][]*delivery{}
	s.subscriptions = map[string][]subscribedJSON{}
	s.faults, s.stats = Faults{}, Stats{}
	s.changed = make(chan struct{})
}

// announce wakes whoever waits for news. The caller holds mu.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// TLS returns the configuration of a listener: every caller must show a
// certificate that clients has issued.
func TLS(server tls.Certificate, clients *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
	}
}

// Fingerprint returns the hex SHA-256 of a certificate, as [System] wants it.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// ServeHTTP implements http.Handler. Paths are below /apis/v1/. A path without
// its trailing slash is unknown; the router by itself would redirect it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, BasePath); !ok || !strings.Contains(rest, "/") {
		refuse(w, http.StatusNotFound, "sim.path.unknown")
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.unrouted(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// unrouted answers what has no route in the carrier's error form: 404, or 405
// with the methods that are there.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	var there []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "" {
			there = append(there, method)
		}
	}
	if len(there) == 0 {
		refuse(w, http.StatusNotFound, "sim.path.unknown")
		return
	}
	w.Header().Set("Allow", strings.Join(there, ", "))
	refuse(w, http.StatusMethodNotAllowed, "sim.method.not.allowed")
}

// BasePath is the root of the API below the listener's address.
const BasePath = "/apis/v1/"

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request, string){
		"POST memos/{$}":          s.postMemo,
		"GET memos/{$}":           s.listMemos,
		"GET memos/{id}":          s.getMemo,
		"POST memos/{id}/receipt": s.receiveReceipt,
		"DELETE memos/{id}":       s.deleteMemo,
		"GET contacts/{$}":        s.getContacts,
		"GET contacts/{id}":       s.getContact,

		"GET contacts/subscriptions/{$}":     s.listSubscriptions,
		"POST contacts/subscriptions/{$}":    s.postSubscription,
		"PUT contacts/subscriptions/{id}":    s.putSubscription,
		"DELETE contacts/subscriptions/{id}": s.deleteSubscription,

		"GET receipts/{$}":       s.listReceipts,
		"GET receipts/{id}":      s.getReceipt,
		"DELETE receipts/{id}":   s.deleteReceipt,
		"GET contact-points/{$}": s.getContactPoints,
		"GET events/{$}":         s.getEvents,
		"GET receipts-bulk/{$}":  s.bulkReceipts,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" "+BasePath+path, s.authenticated(handle))
	}
}

// authenticated lets a system through whose token and certificate belong
// together, and tells the handler its id.
func (s *Server) authenticated(handle func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, token, ok := r.BasicAuth()
		system, known := s.cfg.Systems[id]
		if !ok || !known || token != system.Token {
			w.Header().Set("WWW-Authenticate", "Basic")
			refuse(w, http.StatusUnauthorized, "sim.token.unknown")
			return
		}
		if system.Fingerprint != "" {
			if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || Fingerprint(r.TLS.PeerCertificates[0].Raw) != system.Fingerprint {
				refuse(w, http.StatusForbidden, "sim.certificate.does.not.match.system")
				return
			}
		}
		handle(w, r, id)
	}
}
