// Package printhouse hands letters to a print house (fjernprint) through a
// folder, and reads what became of them from another. The folders are of this
// machine, or of the print house's own, reached over SFTP.
//
// A job is a tar of ticket.json and the documents, encrypted with age to the
// print house and published as <message id>.job.age under a name that was free,
// so that the print house never sees half a job nor two of one name. The
// rendered form is the plaintext tar: the same letter yields the same tar for
// ever, while each encryption differs. No clear byte touches a disk.
//
// Handing over twice prints once: a job that lies in the folder, or that the
// print house has receipted before, is taken already. The job is deleted once a
// receipt about it is safe with us; an empty marker in .taken/ remembers it.
//
// It refuses a letter without a postal address, documents that are not PDF, and
// what a preflight finds, when the tenant asks for one.
// When the folder cannot be reached or written, nothing was published and the
// letter waits. When the connection breaks between our wish to publish and its
// answer, the outcome is unknown; at any other moment nothing was published.
package printhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/track"
)

// carrier is our name for the print house in receipts.
const carrier = "printhouse"

// takenDir holds the markers of jobs that are receipted and gone.
const takenDir = ".taken"

// staleTemp is the age at which an unpublished temporary file is a crash's
// leftover: no hand-over takes a day.
const staleTemp = 24 * time.Hour

// Config is what a print house needs.
type Config struct {
	// Out is the folder where jobs are published.
	Out string
	// Events is the folder where the print house leaves its receipts.
	Events string
	// SFTP leads to Out and Events; nil: they are folders of this machine.
	SFTP *SFTP
	// Recipients are the print house's public keys.
	Recipients []age.Recipient
	Log        *slog.Logger
	// Preflight looks at documents before they are rendered; nil: nobody does.
	Preflight *preflight.Checker
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// House is a print house as the outbound rooms see it.
type House struct {
	out, events, taken string
	road               road
	recipients         []age.Recipient
	log                *slog.Logger
	now                func() time.Time
	preflight          *preflight.Checker
	good               memory

	mu    sync.Mutex
	swept time.Time
	seen  map[string]sighting // unreadable events over SFTP
}

var (
	_ dispatch.Channel = (*House)(nil)
	_ track.Source     = (*House)(nil)
)

// New opens the folders of this machine, making those that are missing, and
// removes temporary files of hand-overs that a crash cut short. Over SFTP it
// opens nothing: a print house that is down does not keep a program from
// starting. It names every gap of c at once.
func New(c Config) (*House, error) {
	var gaps []error
	if c.Out == "" {
		gaps = append(gaps, errors.New("printhouse: Out is required"))
	}
	if c.Events == "" || c.Events == c.Out {
		gaps = append(gaps, errors.New("printhouse: Events is required, apart from Out"))
	}
	if len(c.Recipients) == 0 {
		gaps = append(gaps, errors.New("printhouse: Recipients is required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("printhouse: Log is required"))
	}
	h := &House{
		out: c.Out, events: c.Events, taken: path.Join(c.Out, takenDir), road: local{},
		recipients: c.Recipients, log: c.Log, now: c.Now, preflight: c.Preflight, seen: map[string]sighting{},
	}
	if h.now == nil {
		h.now = time.Now
	}
	if c.SFTP != nil {
		line, err := newLine(*c.SFTP, c.Log)
		gaps = append(gaps, err)
		h.road = line
	}
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	if !h.road.near() {
		return h, nil
	}
	for _, dir := range []string{h.out, h.taken, h.events} {
		if err := (local{}).mkdir(dir); err != nil {
			return nil, fmt.Errorf("open print house folder: %w", err)
		}
	}
	return h, h.sweep(local{})
}

// sweep removes what crashed hand-overs left behind, once a day.
func (h *House) sweep(p place) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now().Sub(h.swept) < staleTemp {
		return nil
	}
	infos, err := p.list(h.out)
	if err != nil {
		return fmt.Errorf("open print house folder: %w", err)
	}
	for _, info := range infos {
		if !info.Mode().IsRegular() || !strings.HasPrefix(info.Name(), tempPrefix) {
			continue
		}
		if h.now().Sub(info.ModTime()) > staleTemp {
			_ = p.remove(path.Join(h.out, info.Name())) // encrypted, and tried again tomorrow
		}
	}
	h.swept = h.now()
	return nil
}

// Carrier implements [track.Source].
func (h *House) Carrier() string { return carrier }

// Close gives up the connections that are kept open.
func (h *House) Close() error {
	if l, ok := h.road.(*line); ok {
		l.close()
	}
	return nil
}

// there reports whether a file is there.
func there(p place, name string) (bool, error) {
	_, err := p.stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// within enters the place for one piece of work.
func (h *House) within(ctx context.Context, work func(p place) error) error {
	p, leave, err := h.road.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return work(p)
}

// reason names why the place was not reached, or did not answer.
func reason(err error, otherwise string) string {
	var n *noRoad
	switch {
	case errors.As(err, &n):
		return cmp.Or(n.code, dispatch.CodeNoConnection)
	case errors.Is(err, context.DeadlineExceeded):
		return dispatch.CodeTimeout
	case errors.Is(err, errLost):
		return dispatch.CodeBroken
	}
	return otherwise
}
