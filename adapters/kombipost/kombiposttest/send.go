package kombiposttest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/segments"
)

// maxRequest bounds a kombi_request: a full MeMo and a full shipment.
const maxRequest = 150 << 20

// Shipment is what was taken.
type Shipment struct {
	ID           string // messageUUID or AfsendelseIdentifikator
	CVR          post.CVR
	Choice       kombipost.Choice
	Transaction  string // x-TransaktionsId
	Transmission string
	MessageID    string
	Recipient    string // number in the MeMo, or the name on paper
	SHA256       string
	Handed       int  // hand-overs, the first one included
	Copies       int  // what the recipient gets
	Paper        bool // it went to print
	Invalid      string
	At           time.Time
	Steps        []string // events that were reported of it by [Server.Report]
	Body         []byte   `json:"-"` // the last [keepBodies] only, as are Memo and Print
	Memo         []byte   `json:"-"` // the MeMo in it, as a document of its own
	Print        *Print   `json:"-"` // what would be printed

	at   segments.At // in the log
	gone bool        // its request is no longer kept
}

// send is KombiPostAfsend.
func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	token, ok := s.bearer(w, r, kombipost.EntitySend)
	if !ok {
		return
	}
	if s.spend(func(f *Faults) *int { return &f.Unavailable }) {
		fault(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/xml" {
		fault(w, http.StatusBadRequest, "sim.media.type")
		return
	}
	if r.ContentLength < 0 || r.ContentLength > maxRequest {
		fault(w, http.StatusBadRequest, "sim.content.length")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil || int64(len(body)) != r.ContentLength {
		fault(w, http.StatusBadRequest, "sim.body.broke.off")
		return
	}
	req, code := parseRequest(body)
	if code == "" && req.cvr != "" && req.cvr != string(token.cvr) {
		code = "sim.sender.is.not.the.token's"
	}
	if code == "" {
		code = req.tooLarge(s.cfg.PaperLimit)
	}
	f := s.Faults()
	if f.Refuse != 0 && s.spend(func(f *Faults) *int { return &f.Refuse }) {
		code = f.Code
	}
	if code != "" {
		s.mu.Lock()
		s.stats.Refused++
		s.mu.Unlock()
		respond(w, false, "", code)
		return
	}
	sum := sha256.Sum256(body)
	got, err := s.take(req, token.cvr, r.Header.Get("X-TransaktionsId"), hex.EncodeToString(sum[:]), body)
	if errors.Is(err, errAnothers) {
		respond(w, false, "", "sim.id.of.another")
		return
	}
	if err != nil {
		s.cfg.Log.ErrorContext(r.Context(), "shipment not kept", slog.Any("error", err))
		fault(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	if s.cfg.Taken != nil {
		s.cfg.Taken(got)
	}
	select {
	case <-time.After(s.delay()):
	case <-r.Context().Done():
	}
	switch {
	case s.spend(func(f *Faults) *int { return &f.DropReplies }):
		panic(http.ErrAbortHandler)
	case s.spend(func(f *Faults) *int { return &f.Broken }):
		fault(w, http.StatusInternalServerError, "sim.broken")
	case s.spend(func(f *Faults) *int { return &f.TrueWithFault }):
		respond(w, true, got.Transmission, "sim.contradiction")
	default:
		respond(w, true, got.Transmission, "")
	}
}

// errAnothers says that another authority's shipment has that id.
var errAnothers = errors.New("kombiposttest: the id is another authority's")

// take takes charge of a shipment once; what becomes of a repetition is a dial.
// Another authority under the same id gets none of what the first was told.
func (s *Server) take(req request, cvr post.CVR, transaction, sum string, body []byte) (Shipment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.shipments[req.id]; ok && first.CVR != cvr {
		s.stats.Refused++
		return Shipment{}, errAnothers
	} else if ok {
		s.stats.Duplicates++
		first.Handed++
		if first.SHA256 != sum {
			s.stats.Differing++
		}
		if s.faults.DuplicatesAreNew {
			first.Copies++
		}
		return *first, nil
	}
	p := &Shipment{
		ID: req.id, CVR: cvr, Choice: req.choice, Transaction: transaction, MessageID: req.messageID, Recipient: req.recipient,
		SHA256: sum, Handed: 1, Copies: 1, At: s.cfg.Now().UTC(), Body: body, Memo: req.memo, Print: req.print, Invalid: req.invalid,
	}
	p.Paper = req.choice == kombipost.OnPaper || req.choice == kombipost.Automatic && !s.parties[req.recipient].Digital
	if !p.Paper {
		p.Transmission = post.NewID()
	}
	follows := s.live(p)
	at, err := s.append1(kept{Shipment: p}, follows, body)
	if err != nil {
		return Shipment{}, err
	}
	p.at = at
	s.shipments[req.id], s.order = p, append(s.order, p)
	s.shed()
	s.queue = append(s.queue, follows...)
	s.stats.Accepted++
	s.prune()
	s.cfg.Log.Info("shipment accepted", slog.String("shipment", p.ID), slog.String("choice", string(p.Choice)), slog.Bool("paper", p.Paper))
	return *p, nil
}

// shed lets go of requests in memory that are too many or too large. The caller
// holds mu.
func (s *Server) shed() {
	room := keepBytes
	for i := len(s.order) - 1; i >= max(0, len(s.order)-keepBodies-1); i-- {
		p := s.order[i]
		if room -= len(p.Body); room < 0 || len(s.order)-i > keepBodies {
			p.Body, p.Memo, p.Print = nil, nil, nil
		}
	}
}

// respond writes kombi_response.
func respond(w http.ResponseWriter, result bool, transmission, code string) {
	type advis struct{ AdvisId, AdvisTekst string }
	type fejl struct{ FejlId, FejlTekst string }
	type reaction struct {
		Advis *advis `xml:",omitempty"`
		Fejl  *fejl  `xml:",omitempty"`
	}
	one := reaction{Advis: &advis{"1", "Received"}}
	if code != "" {
		one = reaction{Fejl: &fejl{code, says(code)}}
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName        xml.Name   `xml:"kombi_response"`
		Result         bool       `xml:"Result"`
		TransmissionID string     `xml:"TransmissionID,omitempty"`
		Reactions      []reaction `xml:"HovedoplysningerSvarREST>SvarReaktion"`
	}{Result: result, TransmissionID: transmission, Reactions: []reaction{one}}) // the caller has gone
}
