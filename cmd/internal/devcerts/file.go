package devcerts

import (
	"fmt"
	"os"
	"path/filepath"
)

// write replaces path by data, whole or not at all, and notes that it did.
func (m *maker) write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // created 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // gone already when the rename came through
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made = append(m.made, path)
	return nil
}
