package kombiposttest

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/segments"
)

// What is taken is a record in a log: the shipment with the statuses that follow
// from it, and the request as it came. Statuses reported later are records too,
// and so is which of them were taken.

// kept is the head of a record.
type kept struct {
	Shipment *Shipment    `json:"shipment,omitempty"`
	Gone     bool         `json:"gone,omitempty"` // its request was dropped
	Queued   []keptStatus `json:"queued,omitempty"`
	Done     []string     `json:"done,omitempty"` // statuses that wait no more
	About    string       `json:"about,omitempty"`
	Step     string       `json:"step,omitempty"` // what was reported of About
}

type keptStatus struct {
	ID   string `json:"id"`
	Body []byte `json:"body"`
}

// openLog opens the log and files again what it holds.
func (s *Server) openLog() error {
	var err error
	s.log, err = segments.Open(filepath.Join(s.cfg.Dir, "log"), segments.Options{Keep: s.cfg.Keep}, s.recall)
	if err != nil {
		return err
	}
	room := keepBytes
	for _, p := range slices.Backward(s.order[max(0, len(s.order)-keepBodies):]) {
		if room <= 0 {
			break
		}
		if err := s.load(p); err != nil {
			return err
		}
		room -= len(p.Body)
	}
	return nil
}

func (s *Server) recall(head []byte, at segments.At) error {
	var k kept
	if err := json.Unmarshal(head, &k); err != nil {
		return fmt.Errorf("reload shipments: %w", err)
	}
	for _, q := range k.Queued {
		s.queue = slices.DeleteFunc(s.queue, func(d *delivery) bool { return d.id == q.ID }) // written anew
		s.queue = append(s.queue, &delivery{id: q.ID, body: q.Body, segment: at.Segment})
	}
	if len(k.Done) > 0 {
		s.queue = slices.DeleteFunc(s.queue, func(d *delivery) bool { return slices.Contains(k.Done, d.id) })
	}
	if p := s.shipments[k.About]; p != nil && k.Step != "" {
		p.Steps = append(p.Steps, k.Step)
	}
	if k.Shipment == nil {
		return nil
	}
	k.Shipment.at, k.Shipment.gone = at, k.Gone
	if first := s.shipments[k.Shipment.ID]; first != nil {
		*first = *k.Shipment
		return nil
	}
	s.shipments[k.Shipment.ID] = k.Shipment
	s.order = append(s.order, k.Shipment)
	s.stats.Accepted++
	return nil
}

// append1 writes one record, or nothing without a directory, and marks the
// statuses in it. The caller holds mu.
func (s *Server) append1(k kept, queued []*delivery, body []byte) (segments.At, error) {
	if s.log == nil {
		return segments.At{}, nil
	}
	for _, d := range queued {
		k.Queued = append(k.Queued, keptStatus{d.id, d.body})
	}
	head, err := json.Marshal(k)
	if err != nil {
		return segments.At{}, fmt.Errorf("keep: %w", err)
	}
	at, err := s.log.Append(head, body)
	if err != nil {
		return segments.At{}, err
	}
	for _, d := range queued {
		d.segment = at.Segment
	}
	return at, nil
}

// done writes down which statuses wait no more. One that cannot be written is
// pushed again after a restart, as any may be. The caller holds mu.
func (s *Server) done(ids []string) {
	if len(ids) == 0 {
		return
	}
	if _, err := s.append1(kept{Done: ids}, nil, nil); err != nil {
		s.cfg.Log.Error("statuses not noted as taken", slog.Any("error", err))
	}
}

// load reads the request of a shipment again, unless it is at hand or gone.
func (s *Server) load(p *Shipment) error {
	if p.Body != nil || p.gone || p.at.Segment == 0 {
		return nil
	}
	r, err := s.log.Body(p.at)
	if err != nil {
		return fmt.Errorf("reload shipment %s: %w", p.ID, err)
	}
	defer r.Close()
	if p.Body, err = io.ReadAll(r); err != nil {
		return fmt.Errorf("reload shipment %s: %w", p.ID, err)
	}
	if req, code := parseRequest(p.Body); code == "" {
		p.Memo, p.Print = req.memo, req.print
	}
	return nil
}

// prune drops the oldest requests when the log has outgrown its bound; their
// shipments stay known while their facts take less than a quarter of it, and
// what waits goes on waiting. The caller holds mu.
func (s *Server) prune() {
	if s.log == nil {
		return
	}
	s.forgetStatuses()
	_, last := s.log.Segments()
	for oldest, full := s.log.Full(); full && oldest < last; oldest, full = s.log.Full() {
		if err := s.dropSegment(oldest); err != nil {
			s.cfg.Log.Error("old shipments not dropped", slog.Any("error", err))
			return
		}
	}
}

// forgetStatuses lets the oldest statuses go when those that nobody takes would
// fill more than half of the room. The caller holds mu.
func (s *Server) forgetStatuses() {
	if s.cfg.Keep == 0 {
		return
	}
	room := s.cfg.Keep / 2
	for i, d := range slices.Backward(s.queue) {
		if room -= int64(len(d.body)) * 4 / 3; room < 0 { // written as base64
			s.cfg.Log.Warn("statuses that nobody took forgotten", slog.Int("number", i+1))
			var ids []string
			for _, old := range s.queue[:i+1] {
				ids = append(ids, old.id)
			}
			s.done(ids)
			s.queue = slices.Clone(s.queue[i+1:])
			return
		}
	}
}

// factSize is about what the facts of a shipment take.
const factSize = 1 << 10

func (s *Server) dropSegment(segment uint64) error {
	room := s.cfg.Keep / 4
	for _, p := range s.order {
		if p.gone {
			room -= factSize
		}
	}
	var left []*Shipment
	for _, p := range s.order {
		if p.at.Segment != segment {
			left = append(left, p)
			continue
		}
		if room -= factSize; room < 0 {
			delete(s.shipments, p.ID)
			continue
		}
		at, err := s.append1(kept{Shipment: p, Gone: true}, nil, nil)
		if err != nil {
			return err
		}
		p.at, p.gone, p.Body, p.Memo, p.Print = at, true, nil, nil, nil
		left = append(left, p)
	}
	s.order = left
	var waiting []*delivery
	for _, d := range slices.Concat(s.pushing, s.queue) {
		if d.segment == segment {
			waiting = append(waiting, d)
		}
	}
	if len(waiting) > 0 {
		if _, err := s.append1(kept{}, waiting, nil); err != nil {
			return err
		}
	}
	return s.log.Drop(segment)
}

// queued returns a status that is to wait.
func queued(body []byte) *delivery { return &delivery{id: post.NewID(), body: body} }

// Close ends the log, if there is one. Nothing is taken afterwards.
func (s *Server) Close() error {
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}
