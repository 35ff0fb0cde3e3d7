package printhousetest

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/printhouse"
)

// maxTicket bounds ticket.json.
const maxTicket = 1 << 20

// unpack decrypts a job and keeps it in clear, whole or not at all. It refuses
// a job whose ticket names another id, or whose entries are not those of its
// ticket.
func (h *House) unpack(id string) (printhouse.Ticket, error) {
	var none printhouse.Ticket
	f, err := os.Open(filepath.Join(h.cfg.Jobs, id+".job.age"))
	if err != nil {
		return none, fmt.Errorf("open print job: %w", err)
	}
	defer f.Close()
	clear, err := age.Decrypt(bufio.NewReader(f), h.cfg.Identities...)
	if err != nil {
		return none, fmt.Errorf("decrypt print job: %w", err)
	}
	temp, err := os.MkdirTemp(h.cfg.Dir, ".unpacking-*")
	if err != nil {
		return none, fmt.Errorf("unpack print job: %w", err)
	}
	defer os.RemoveAll(temp)
	ticket, err := unpackTo(temp, id, clear)
	if err != nil {
		return none, err
	}
	dir := filepath.Join(h.cfg.Dir, id)
	if err := os.RemoveAll(dir); err != nil { // of a crash before it was noted, or of a rejected job
		return none, fmt.Errorf("unpack print job: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return none, fmt.Errorf("unpack print job: %w", err)
	}
	return ticket, nil
}

func unpackTo(dir, id string, clear io.Reader) (printhouse.Ticket, error) {
	var t printhouse.Ticket
	r := tar.NewReader(clear)
	head, err := r.Next()
	if err != nil || head.Name != "ticket.json" || head.Size > maxTicket {
		return t, errors.New("unpack print job: it does not begin with a ticket")
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return t, fmt.Errorf("read ticket: %w", err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, errors.New("read ticket: it is not a ticket")
	}
	if !strings.EqualFold(t.JobID, id) || len(t.Address) == 0 || t.V != 1 {
		return t, errors.New("read ticket: it names another job, or no address")
	}
	if err := os.WriteFile(filepath.Join(dir, "ticket.json"), text, 0o600); err != nil {
		return t, fmt.Errorf("keep ticket: %w", err)
	}
	for i, want := range t.Documents {
		if err := unpackDocument(r, filepath.Join(dir, fmt.Sprintf("%02d.pdf", i+1)), want); err != nil {
			return t, fmt.Errorf("unpack document %d: %w", i+1, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return t, errors.New("unpack print job: more entries than the ticket names")
	}
	if _, err := io.Copy(io.Discard, clear); err != nil { // reach the end, so that a cut job is found out
		return t, fmt.Errorf("unpack print job: %w", err)
	}
	return t, nil
}

func unpackDocument(r *tar.Reader, path string, want printhouse.TicketDocument) error {
	head, err := r.Next()
	if err != nil || head.Name != want.Entry || head.Size != want.Size {
		return errors.New("not the entry that the ticket names")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, hash), r)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	if hex.EncodeToString(hash.Sum(nil)) != want.SHA256 {
		return errors.New("digest differs from the ticket's")
	}
	return nil
}
