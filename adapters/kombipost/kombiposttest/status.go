package kombiposttest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/post"
)

// Status is one status to report.
type Status struct {
	Event  string // a name of kombipost.Events
	Code   string // FejlKode of a Fejlet
	Type   string // ForsendelseHaendelseTypeKode of an Opdatering
	Sender string // BeskedAnsvarligAktoer; the usual one when empty
	At     time.Time
}

// delivery is a message that waits to be pushed.
type delivery struct {
	id      string // in the log
	segment uint64 // of the log, where it is written
	body    []byte
}

// Report queues a status of a shipment.
func (s *Server) Report(id string, st Status) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.shipments[id]
	if !ok {
		return fmt.Errorf("report status: %w", post.ErrNotFound)
	}
	all, err := s.report(p, st)
	if err != nil {
		return err
	}
	if _, err := s.append1(kept{About: p.ID, Step: st.Event}, all, nil); err != nil {
		return err
	}
	p.Steps = append(p.Steps, st.Event)
	s.queue = append(s.queue, all...)
	return nil
}

// live returns the statuses of a shipment when nothing goes wrong. The caller
// holds mu.
func (s *Server) live(p *Shipment) []*delivery {
	var all []*delivery
	names := []string{kombipost.Created, kombipost.ReceivedPrint, kombipost.ReadyToPrint, kombipost.Printing, kombipost.HandedToPost}
	code := ""
	switch {
	case p.Paper:
	case p.Invalid != "":
		names, code = []string{kombipost.Failed}, p.Invalid
	case p.Choice == kombipost.SMS && !s.parties[p.Recipient].SMS, p.Choice != kombipost.SMS && !s.parties[p.Recipient].Digital:
		names, code = []string{kombipost.ReceivedDigital, kombipost.Failed}, "recipient.exempt.not.allowed"
	default:
		names = []string{kombipost.ReceivedDigital, kombipost.DeliveredDigital}
	}
	for i, name := range names {
		st := Status{Event: name, At: p.At.Add(time.Duration(i) * time.Millisecond)}
		if name == kombipost.Failed {
			st.Code = code
		}
		one, err := s.report(p, st)
		if err != nil {
			s.cfg.Log.Error("status not queued", slog.Any("error", err))
		}
		all = append(all, one...)
	}
	return all
}

// report returns the message of one status, and what the dial adds. The caller
// holds mu.
func (s *Server) report(p *Shipment, st Status) (all []*delivery, err error) {
	i := slices.IndexFunc(kombipost.Events, func(e kombipost.Event) bool { return e.Name == st.Event })
	if i < 0 {
		return nil, fmt.Errorf("report status: no event %q", st.Event)
	}
	if st.At.IsZero() {
		st.At = s.cfg.Now()
	}
	cvr := string(p.CVR)
	if spend(&s.faults.WrongTenant) {
		cvr = "29000099"
	}
	for range s.faults.GarbageStatuses {
		all = append(all, queued([]byte("<<< not a message "+post.NewID())))
	}
	s.faults.GarbageStatuses = 0
	one := queued(Envelope(*p, kombipost.Events[i], st, cvr, post.NewID()))
	all = append(all, one)
	if s.faults.DuplicateStatuses {
		all = append(all, queued(one.body))
	}
	return all, nil
}

// Queued returns the messages that wait.
func (s *Server) Queued() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out [][]byte
	for _, d := range s.queue {
		out = append(out, d.body)
	}
	return out
}

// Step pushes each waiting message once; what does not get 20 waits on, for as
// long as it takes (how long Beskedfordeler tries is not known). It returns how
// many got 20.
func (s *Server) Step(ctx context.Context) (int, error) {
	s.mu.Lock()
	batch, to, age := s.queue, s.cfg.Callback, s.age
	s.queue, s.pushing = nil, batch
	if s.faults.ReorderStatuses {
		slices.Reverse(batch)
	}
	s.mu.Unlock()
	var errs []error
	var kept []*delivery
	done := 0
	var over []string
	for _, d := range batch {
		code, err := Push(ctx, to, d.body)
		if err == nil && code == kombipost.AnswerOK {
			done++
			over = append(over, d.id)
			continue
		}
		if err != nil {
			errs = append(errs, err)
		}
		kept = append(kept, d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age != age { // reset meanwhile: nobody waits for these
		s.pushing = nil
		return done, errors.Join(errs...)
	}
	s.queue, s.pushing = append(kept, s.queue...), nil
	s.done(over)
	s.stats.Pushed += done
	return done, errors.Join(errs...)
}

var statusCode = regexp.MustCompile(`<(?:\w+:)?StatusKode>\s*(\d+)\s*<`)

// Push delivers one message and returns the StatusKode of the answer.
func Push(ctx context.Context, to Callback, body []byte) (int, error) {
	if to.URL == "" || to.Client == nil {
		return 0, errors.New("push status: there is no callback")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("push status: %w", err)
	}
	req.Header.Set("Content-Type", "application/xml")
	answer, err := to.Client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("push status: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return 0, fmt.Errorf("push status: %w", err)
	}
	m := statusCode.FindSubmatch(text)
	if answer.StatusCode != http.StatusOK || m == nil {
		return 0, fmt.Errorf("push status: HTTP %d", answer.StatusCode)
	}
	code := 0
	_, err = fmt.Sscan(string(m[1]), &code)
	return code, err
}

// Envelope returns a ModtagBeskedInput that reports st of p to cvr.
func Envelope(p Shipment, e kombipost.Event, st Status, cvr, beskedID string) []byte {
	channel, sender := e.Channel, st.Sender
	if channel == "" {
		channel = "Digital Post"
		if p.Paper {
			channel = "Fysisk Post"
		}
	}
	if sender == "" {
		sender = "96514e13-afdd-44d6-95a8-adc2ca19b127"
		if channel == "Fysisk Post" {
			sender = "afd21f3d-11c7-4f51-b2a6-f31d6480a9fb"
		}
	}
	id := func(tag, uuid string) string {
		return "<k:" + tag + "><UUIDIdentifikator>" + uuid + "</UUIDIdentifikator></k:" + tag + ">"
	}
	at := func(tag string) string {
		return "<k:" + tag + "><TidsstempelDatoTid>" + stamp(st.At) + "</TidsstempelDatoTid></k:" + tag + ">"
	}
	urn := func(tag string) string {
		return "<k:" + tag + "><URNIdentifikator>urn:oio:cvr:" + cvr + "</URNIdentifikator></k:" + tag + ">"
	}
	payload := base64.StdEncoding.EncodeToString([]byte(payload(p, e, st, channel)))
	return []byte(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` +
		`<s:ModtagBeskedInput xmlns="urn:oio:sagdok:3.0.0" xmlns:k="urn:oio:besked:kuvert:1.0" xmlns:s="urn:oio:sts:1.0.0">` +
		`<k:Haendelsesbesked>` + id("BeskedId", beskedID) + `<k:BeskedVersion>1.0</k:BeskedVersion><k:Beskedkuvert><k:Filtreringsdata>` +
		id("Beskedtype", kombipost.MessageType) + id("BeskedAnsvarligAktoer", sender) + urn("TilladtModtager") +
		`<k:ObjektRegistrering>` + id("ObjektRegistreringId", post.NewID()) + at("Registreringstidspunkt") +
		urn("ObjektAnsvarligMyndighed") + id("ObjektId", p.ID) + id("ObjektType", "9a7be69f-b736-4e0e-9d5b-78d4f43e7ad7") +
		id("ObjektHandling", e.ID) + `</k:ObjektRegistrering></k:Filtreringsdata><k:Leveranceinformation>` + at("Dannelsestidspunkt") +
		`</k:Leveranceinformation></k:Beskedkuvert><k:Beskeddata>` +
		`<Base64 xmlns="urn:besked:kuvert:1.0" content-type="application/xml" encoding="UTF-8" file-type=".xml">` + payload +
		`</Base64></k:Beskeddata></k:Haendelsesbesked></s:ModtagBeskedInput>`)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// payload is PKO_PostStatus.
func payload(p Shipment, e kombipost.Event, st Status, channel string) string {
	var b strings.Builder
	leaf := func(name, value string) {
		if value != "" {
			b.WriteString("<" + name + ">")
			_ = xml.EscapeText(&b, []byte(value)) // a Builder does not fail
			b.WriteString("</" + name + ">")
		}
	}
	b.WriteString(`<PKO_PostStatus xmlns="http://serviceplatformen.dk/xml/print/PKO_PostStatus/1/types">`)
	if channel == "Digital Post" {
		leaf("TransmissionId", p.Transmission)
		leaf("MessageUUID", p.ID)
		leaf("MessageId", p.MessageID)
	} else {
		leaf("AfsendelseIdentifikator", p.ID)
		leaf("ForsendelseIdentifikator", "F-"+p.ID[:8])
	}
	leaf("KanalKode", channel)
	leaf("TransaktionsDatoTid", stamp(st.At))
	leaf("TransaktionsStatusKode", e.Name)
	leaf("CorrelationId", p.Transmission)
	b.WriteString("<FejlDetaljer>")
	leaf("FejlKode", st.Code)
	b.WriteString("</FejlDetaljer>")
	if st.Type != "" {
		b.WriteString("<ForsendelseHaendelseSamling><ForsendelseHaendelse>")
		leaf("ForsendelseHaendelseTypeKode", st.Type)
		leaf("ForsendelseHaendelseDatoTid", stamp(st.At))
		b.WriteString("</ForsendelseHaendelse></ForsendelseHaendelseSamling>")
	}
	b.WriteString("</PKO_PostStatus>")
	return b.String()
}
