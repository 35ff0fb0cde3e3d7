// Package printhouse hands letters to a print house (fjernprint) through a
// folder, and reads what became of them from another.
//
// A job is a tar of ticket.json and the documents, encrypted with age to the
// print house and published as <message id>.job.age by an atomic rename, so
// that the print house never sees half a job. The rendered form is the
// plaintext tar: the same letter yields the same tar for ever, while each
// encryption differs. No clear byte touches the disk.
//
// Handing over twice prints once: a job that lies in the folder, or that the
// print house has receipted before, is taken already. The job is deleted once a
// receipt about it is safe with us; an empty marker in .taken/ remembers it.
//
// It refuses a letter without a postal address, and documents that are not PDF.
// When the folder cannot be written, nothing was published and the letter waits.
package printhouse

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
)

// carrier is our name for the print house in receipts.
const carrier = "printhouse"

// staleTemp is the age at which an unpublished temporary file is a crash's
// leftover: no hand-over takes a day.
const staleTemp = 24 * time.Hour

// Config is what a print house needs.
type Config struct {
	// Out is the folder where jobs are published.
	Out string
	// Events is the folder where the print house leaves its receipts.
	Events string
	// Recipients are the print house's public keys.
	Recipients []age.Recipient
	Log        *slog.Logger
}

// House is a print house as the outbound rooms see it.
type House struct {
	out, events, taken string
	recipients         []age.Recipient
	log                *slog.Logger
}

var (
	_ dispatch.Channel = (*House)(nil)
	_ track.Source     = (*House)(nil)
)

// New opens the folders, making those that are missing, and removes temporary
// files of hand-overs that a crash cut short. It names every gap of c at once.
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
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	h := &House{
		out: c.Out, events: c.Events, taken: filepath.Join(c.Out, ".taken"),
		recipients: c.Recipients, log: c.Log,
	}
	for _, dir := range []string{h.out, h.taken, h.events} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open print house folder: %w", err)
		}
	}
	return h, h.sweep()
}

// sweep removes what crashed hand-overs left behind.
func (h *House) sweep() error {
	entries, err := os.ReadDir(h.out)
	if err != nil {
		return fmt.Errorf("open print house folder: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if time.Since(info.ModTime()) > staleTemp {
			_ = os.Remove(filepath.Join(h.out, e.Name())) // encrypted, and tried again at the next start
		}
	}
	return nil
}

// Carrier implements [track.Source].
func (h *House) Carrier() string { return carrier }
