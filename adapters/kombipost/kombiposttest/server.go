// Package kombiposttest is a server that behaves like KOMBIT's Postkomponent
// towards user systems, for tests, the demo and the simulator program: the
// security token service, AccessTokenService, KombiPostAfsend, PostForespoerg,
// and Beskedfordeler as it pushes statuses.
//
// Faithful: paths, headers, media types and members; holder-of-key at each leg
// (a token is worth nothing with another certificate); an agreement per (CVR,
// certificate, entity id); HTTP 200 with Result and Advis on taking; a MeMo that
// the schema refuses is taken and fails later with memo.invalid; statuses in
// Beskedkuvert with a base64 payload, delivered again until they get 20.
//
// Our choice, where the real answer is not known to us: a second hand-over
// under the same ids is answered as the first and delivers nothing, unless
// [Faults.DuplicatesAreNew]; a ForsendelseI that the schema refuses gets a Fejl;
// codes outside the published ones begin with "sim.".
//
// With a directory it knows after a restart what it took and which statuses
// wait; a status may then come twice, as from the real one. Assertions and tokens
// end with the process, and a client asks for new ones.
package kombiposttest

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/segments"
)

// keepBodies is how many requests stay in memory whole, and keepBytes how much
// of them; the log has the rest.
const (
	keepBodies = 200
	keepBytes  = 32 << 20
)

// Limits of size, in bytes. Two systems that send by KombiPost agree on the
// paper's; one of them names Digital Post's.
const (
	PaperLimit   = 7 << 20    // documents of one shipment, decoded
	DigitalLimit = 79_691_776 // the MeMo as it comes
)

// Config is what a server needs.
type Config struct {
	Agreements []Agreement
	Parties    []Party // whom PostForespoerg knows; others cannot be reached
	// Callback is where statuses are pushed; the zero value keeps them queued.
	Callback Callback
	// TokenLife is how long access tokens live; one hour when zero.
	TokenLife time.Duration
	// PaperLimit is [PaperLimit] when 0.
	PaperLimit int64
	// Dir keeps what was taken and the statuses that wait, through kills and
	// restarts; "" forgets them. Keep bounds it, in bytes, about; 0 does not.
	Dir  string
	Keep int64
	Log  *slog.Logger
	// Now is the clock; the machine's when nil.
	Now func() time.Time
	// Taken, when set, is told of each hand-over that was taken, repetitions
	// included (Handed tells them apart), before it is answered.
	Taken func(Shipment)
}

// Agreement lets a certificate call services in the name of an authority.
type Agreement struct {
	CVR         post.CVR
	Fingerprint string   // hex SHA-256 of the certificate
	Entities    []string // entity ids; nil is all of ours
}

// Party is someone who can or cannot be reached.
type Party struct {
	ID           string // CPR or CVR number
	Digital, SMS bool
}

// Callback is a user system's endpoint for statuses.
type Callback struct {
	URL    string
	Client *http.Client // shows Beskedfordeler's certificate
}

// Server is the simulated Postkomponent.
type Server struct {
	cfg Config
	mux *http.ServeMux

	mu         sync.Mutex // guards all below
	parties    map[string]Party
	assertions map[string]issued
	tokens     map[string]issued
	shipments  map[string]*Shipment // by id
	order      []*Shipment
	queue      []*delivery
	pushing    []*delivery   // on their way; they wait again unless they are taken
	age        int           // counts resets
	log        *segments.Log // nil without a directory
	faults     Faults
	stats      Stats
}

// issued is what a token is good for.
type issued struct {
	cvr     post.CVR
	entity  string
	print   string
	expires time.Time
}

// Stats counts what the server has seen.
type Stats struct {
	Assertions int `json:"assertions"` // issued
	Tokens     int `json:"tokens"`     // issued
	Accepted   int `json:"accepted"`   // distinct shipments
	Duplicates int `json:"duplicates"` // hand-overs of one that was accepted before
	Differing  int `json:"differing"`  // duplicates whose bytes were not the first ones
	Refused    int `json:"refused"`    // shipments answered with Fejl
	Lookups    int `json:"lookups"`
	Pushed     int `json:"pushed"` // statuses answered with 20
}

// New returns a server.
func New(c Config) (*Server, error) {
	if len(c.Agreements) == 0 || c.Log == nil {
		return nil, errors.New("kombiposttest: Agreements and Log are required")
	}
	if c.TokenLife == 0 {
		c.TokenLife = time.Hour
	}
	c.PaperLimit = cmp.Or(c.PaperLimit, PaperLimit)
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{
		cfg: c, parties: map[string]Party{}, assertions: map[string]issued{}, tokens: map[string]issued{},
		shipments: map[string]*Shipment{},
	}
	for _, p := range c.Parties {
		s.parties[p.ID] = p
	}
	if c.Dir != "" {
		if err := s.openLog(); err != nil {
			return nil, err
		}
	}
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("POST "+kombipost.PathIssue, s.issue)
	s.mux.HandleFunc("POST "+kombipost.PathToken, s.exchange)
	s.mux.HandleFunc("POST "+kombipost.PathSend, s.send)
	s.mux.HandleFunc("GET "+kombipost.PathDigital, s.lookup(func(p Party) bool { return p.Digital }))
	s.mux.HandleFunc("GET "+kombipost.PathSMS, s.lookup(func(p Party) bool { return p.SMS }))
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

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

// Fingerprint returns the hex SHA-256 of a certificate, as [Agreement] wants it.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// SetCallback sets where statuses go from now on.
func (s *Server) SetCallback(c Callback) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Callback = c
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Shipments returns what was taken, oldest first.
func (s *Server) Shipments() []Shipment {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Shipment, 0, len(s.order))
	for _, p := range s.order {
		out = append(out, *p)
	}
	return out
}

// caller returns the fingerprint of the caller's certificate, and the
// certificate.
func caller(r *http.Request) (string, *x509.Certificate) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "", nil
	}
	c := r.TLS.PeerCertificates[0]
	return Fingerprint(c.Raw), c
}

// allowed reports whether a certificate may call entity in the name of cvr.
func (s *Server) allowed(cvr post.CVR, print, entity string) bool {
	return slices.ContainsFunc(s.cfg.Agreements, func(a Agreement) bool {
		entities := a.Entities
		if entities == nil {
			entities = []string{kombipost.EntitySend, kombipost.EntityLookup, kombipost.EntityPull}
		}
		return a.CVR == cvr && a.Fingerprint == print && slices.Contains(entities, entity)
	})
}

// bearer returns what the caller's token is good for, or answers 401.
func (s *Server) bearer(w http.ResponseWriter, r *http.Request, entity string) (issued, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Holder-of-key ")
	print, _ := caller(r)
	s.mu.Lock()
	t, known := s.tokens[token]
	if spend(&s.faults.RefuseTokens) {
		known = false
	}
	s.mu.Unlock()
	switch {
	case !ok || !known || t.print != print || s.cfg.Now().After(t.expires):
		fault(w, http.StatusUnauthorized, "sim.token.refused")
	case t.entity != entity:
		fault(w, http.StatusUnauthorized, "sim.agreement.missing")
	case !post.ValidUUID(r.Header.Get("X-TransaktionsId")) || !utc(r.Header.Get("X-TransaktionsTid")):
		fault(w, http.StatusBadRequest, "sim.context.missing")
	default:
		return t, true
	}
	return issued{}, false
}

// utc reports whether text is a time in UTC, as x-TransaktionsTid is to be.
func utc(text string) bool {
	_, err := time.Parse("2006-01-02T15:04:05Z", text)
	return err == nil
}

// oneNumber reads a look-up's only number.
var oneNumber = regexp.MustCompile(`^(?:cprNumber=([0-9]{10})|cvrNumber=([0-9]{8}))$`)

func (s *Server) lookup(pick func(Party) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.bearer(w, r, kombipost.EntityLookup); !ok {
			return
		}
		s.mu.Lock()
		s.stats.Lookups++
		failed := spend(&s.faults.FailedLookups)
		var p Party
		number := oneNumber.FindStringSubmatch(r.URL.Query().Encode())
		if number != nil {
			p = s.parties[number[1]+number[2]]
		}
		s.mu.Unlock()
		if failed {
			fault(w, http.StatusInternalServerError, "sim.unavailable")
			return
		}
		if number == nil {
			fault(w, http.StatusBadRequest, "sim.number")
			return
		}
		writeJSON(w, map[string]bool{"result": pick(p)})
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller has gone
}

// fault answers with a ServiceplatformFault.
func fault(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	type one struct{ ErrorCode, ErrorText string }
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"ServiceplatformFault"`
		Errors  []one    `xml:"ErrorList>Error"`
	}{Errors: []one{{code, says(code)}}}) // the caller has gone
}
