package simulatorapp

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/internal/post"
)

// A sheet is one letter in the tray, whoever brought it.
type sheet struct {
	ID        string    `json:"job_id"`
	Road      string    `json:"road"` // print house or KombiPost
	State     string    `json:"state"`
	Code      string    `json:"code,omitempty"`
	Tracking  string    `json:"tracking,omitempty"`
	Sender    string    `json:"sender"`
	Reference string    `json:"reference"`
	Pages     int       `json:"pages,omitempty"`
	PickedUp  time.Time `json:"picked_up"`
	Address   []string  `json:"address"`
	Documents []paper   `json:"documents"`
	History   []string  `json:"history"`
	Next      []string  `json:"next"` // what may be reported of it now
	// Ticket is what the print house was given; nil of what KombiPost took.
	Ticket *printhouse.Ticket `json:"ticket,omitempty"`
}

type paper struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// steps are what may be reported of a job, by the last part of a path.
var steps = map[string]printhouse.EventKind{
	"printed": printhouse.EventPrinting, "posted": printhouse.EventPosted,
	"proven": printhouse.EventProven, "returned": printhouse.EventReturned,
}

func sheetOfJob(j printhousetest.Job) sheet {
	s := sheet{
		ID: j.ID, Road: "print house", State: string(j.State), Code: j.Code, Tracking: j.Tracking,
		Sender: j.Ticket.Sender.Name, Reference: j.Ticket.Reference, Pages: j.Ticket.Pages, PickedUp: j.PickedUp,
		Address: j.Ticket.Address, Documents: []paper{}, Next: []string{}, Ticket: &j.Ticket,
	}
	for i, d := range j.Ticket.Documents {
		s.Documents = append(s.Documents, paper{"Document " + strconv.Itoa(i+1), d.Size})
	}
	for _, kind := range j.History {
		s.History = append(s.History, string(kind))
	}
	for _, step := range []string{"posted", "proven", "returned"} {
		if printhousetest.May(j.State, steps[step]) {
			s.Next = append(s.Next, step)
		}
	}
	return s
}

func (a *App) kombiSheet(p kombiposttest.Shipment) sheet {
	s := sheet{
		ID: p.ID, Road: roadKombi, Reference: p.Transaction, PickedUp: p.At, Sender: string(p.CVR),
		Documents: []paper{}, Next: []string{}, History: history(p),
	}
	s.State = s.History[len(s.History)-1]
	for _, t := range a.cfg.Tenants {
		if t.CVR == p.CVR {
			s.Sender = t.Name
		}
	}
	if p.Print != nil {
		s.Address, s.Reference = p.Print.Address, p.Print.Title
		for i, d := range p.Print.Documents {
			name := d.Name
			if i == 0 {
				name = "Main document"
			}
			s.Documents = append(s.Documents, paper{name, int64(len(d.Content))})
		}
	}
	for _, step := range []string{"returned", "recalled", "failed"} {
		if !slices.Contains(s.History, paperSteps[step].Event) {
			s.Next = append(s.Next, step)
		}
	}
	return s
}

// tray returns every letter on paper, newest first.
func (a *App) tray() []sheet {
	all := []sheet{}
	for _, j := range a.paper.Jobs() {
		all = append(all, sheetOfJob(j))
	}
	if a.kombi != nil {
		for _, p := range a.kombi.server.Shipments() {
			if p.Paper {
				all = append(all, a.kombiSheet(p))
			}
		}
	}
	slices.SortStableFunc(all, func(x, y sheet) int { return y.PickedUp.Compare(x.PickedUp) })
	return all
}

func (a *App) sheet(id string) (sheet, bool) {
	if j, err := a.paper.Job(id); err == nil {
		return sheetOfJob(j), true
	}
	if a.kombi != nil {
		if p, ok := a.kombi.shipment(id); ok {
			return a.kombiSheet(p), true
		}
	}
	return sheet{}, false
}

// report makes the next thing happen to a letter on paper.
func (a *App) report(id, step, reason string) (sheet, error) {
	if _, err := a.paper.Job(id); errors.Is(err, printhousetest.ErrUnknown) && a.kombi != nil {
		p, ok := a.kombi.shipment(id)
		if !ok {
			return sheet{}, post.ErrNotFound
		}
		if err := a.kombi.report(p.ID, step); err != nil {
			return sheet{}, err
		}
		if p, ok = a.kombi.shipment(id); !ok {
			return sheet{}, post.ErrNotFound
		}
		return a.kombiSheet(p), nil
	}
	kind, ok := steps[step]
	if !ok {
		return sheet{}, post.ErrNotFound
	}
	j, err := a.paper.Report(id, kind, reason)
	switch {
	case errors.Is(err, printhousetest.ErrUnknown):
		return sheet{}, post.ErrNotFound
	case errors.Is(err, printhousetest.ErrOrder):
		return sheet{}, post.ErrStale
	case err != nil:
		return sheet{}, err
	}
	return sheetOfJob(j), nil
}

// carryNews delivers an event of the print house, bent by the dial.
func (a *App) carryNews(j printhousetest.Job, kind printhouse.EventKind, deliver func() error) error {
	f := a.dial.Draw("print")
	a.feed.add(Event{Kind: "print", Endpoint: "print", Subject: j.ID, Says: string(kind), Bent: f.Words()})
	if f.Drop {
		return nil
	}
	times := 1
	if f.Duplicate {
		times = 2
	}
	all := func() error {
		var errs []error
		for range times {
			errs = append(errs, deliver())
		}
		return errors.Join(errs...)
	}
	late := f.Delay
	if f.Reorder { // so that the next one overtakes it
		late += a.reorder()
	}
	if late == 0 {
		return all()
	}
	time.AfterFunc(late, func() {
		if err := all(); err != nil {
			a.log.Error("print event not delivered", slog.String("job", j.ID), slog.Any("error", err))
		}
	})
	return nil
}

func (a *App) reorder() time.Duration { return 2 * time.Second }

func (a *App) pagePrint(w http.ResponseWriter, r *http.Request) {
	render(a, w, r, "print.html", view[[]sheet]{Title: spoken(r).say("Print house"), Here: "print", Body: a.tray()})
}

func (a *App) pageSheet(w http.ResponseWriter, r *http.Request) {
	s, ok := a.sheet(r.PathValue("job"))
	if !ok {
		a.missing(w, r)
		return
	}
	render(a, w, r, "sheet.html", view[sheet]{Title: spoken(r).say("Letter on paper"), Here: "print", Body: s})
}

// pagePaper serves one document of a letter on paper.
func (a *App) pagePaper(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		a.missing(w, r)
		return
	}
	content, err := a.paper.Document(r.PathValue("job"), n)
	if errors.Is(err, printhousetest.ErrUnknown) && a.kombi != nil {
		if p, ok := a.kombi.shipment(r.PathValue("job")); ok && p.Print != nil && n >= 0 && n < len(p.Print.Documents) {
			content, err = io.NopCloser(bytes.NewReader(p.Print.Documents[n].Content)), nil
		}
	}
	if err != nil {
		a.missing(w, r)
		return
	}
	defer content.Close()
	begin := make([]byte, 5)
	got, _ := io.ReadFull(content, begin) // a short file shows as short
	w.Header().Set("Content-Type", "application/octet-stream")
	if string(begin[:got]) == "%PDF-" {
		w.Header().Set("Content-Type", "application/pdf")
	}
	w.Header().Set("Content-Disposition", "inline; filename=document.pdf")
	_, _ = w.Write(begin[:got])
	_, _ = io.Copy(w, content) // whoever asked has gone
}

func (a *App) formReport(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("event") == "printed" {
		a.missing(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDial)
	done, err := a.report(r.PathValue("job"), r.PathValue("event"), r.FormValue("reason"))
	switch {
	case errors.Is(err, post.ErrNotFound):
		a.missing(w, r)
	case errors.Is(err, post.ErrStale):
		http.Error(w, spoken(r).say("The letter cannot go from where it is to there."), http.StatusConflict)
	case err != nil:
		a.log.ErrorContext(r.Context(), "print event not reported", slog.Any("error", err))
		http.Error(w, spoken(r).say("The letter's news could not be reported."), http.StatusInternalServerError)
	default:
		onTo(w, r, "/print/"+done.ID)
	}
}

type jobsJSON struct {
	Jobs []sheet `json:"jobs"`
}

func (a *App) apiPrint(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, jobsJSON{a.tray()})
}

func (a *App) apiReport(w http.ResponseWriter, r *http.Request) {
	s, err := a.report(r.PathValue("job"), r.PathValue("event"), r.URL.Query().Get("reason"))
	switch {
	case errors.Is(err, post.ErrNotFound):
		problem(w, post.FaultNotFound, http.StatusNotFound, "no such letter on paper, or no such event: posted, proven, returned; through KombiPost returned, recalled, failed")
	case errors.Is(err, post.ErrStale):
		problem(w, post.FaultStale, http.StatusConflict, printhousetest.ErrOrder.Error())
	case err != nil:
		a.log.ErrorContext(r.Context(), "print event not reported", slog.Any("error", err))
		problem(w, post.FaultInternal, http.StatusInternalServerError, "")
	default:
		write(w, http.StatusOK, s)
	}
}
