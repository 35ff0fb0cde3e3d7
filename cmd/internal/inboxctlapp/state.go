package inboxctlapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// held is what is remembered of one inquiry between commands.
type held struct {
	ID     string    `json:"id"`
	Token  string    `json:"lease_token,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Digest string    `json:"digest,omitempty"` // of content that this tool opened and found whole
}

// valid reports whether the lease has a moment left to be used.
func (h held) valid() bool { return h.Token != "" && time.Until(h.Until) > 2*time.Second }

// stateFile is a JSON object of held, by inquiry id, readable by the user only.
type stateFile struct{ path string }

func (s stateFile) read() (map[string]held, error) {
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]held{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	m := map[string]held{}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("read state %s: not a state file", s.path)
	}
	return m, nil
}

func (s stateFile) get(id string) (held, error) {
	m, err := s.read()
	if err != nil {
		return held{}, err
	}
	h := m[id]
	h.ID = id
	return h, nil
}

// put remembers h, or forgets it when it holds nothing. Leases that ended a
// day ago are forgotten too. Other commands wait meanwhile.
func (s stateFile) put(h held) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	unlock, err := lock(s.path + ".lock")
	if err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	defer unlock()
	m, err := s.read()
	if err != nil {
		return err
	}
	for id, old := range m {
		if time.Since(old.Until) > 24*time.Hour {
			delete(m, id)
		}
	}
	m[h.ID] = h
	if h.Token == "" && h.Digest == "" {
		delete(m, h.ID)
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	return replace(s.path, b)
}

// replace writes b so that a reader sees the old file or the new one.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".inboxctl-*")
	if err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone once it is renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	return nil
}
