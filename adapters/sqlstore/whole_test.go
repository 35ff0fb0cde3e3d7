package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"testing"
)

// TestALookAtAllLeavesItsConnectionAsItWas, whether it ends well or badly: what is
// asked next on it goes by keys again.
func TestALookAtAllLeavesItsConnectionAsItWas(t *testing.T) {
	v := newVolume(t)
	if v == nil {
		return
	}
	s := v.s
	s.read.SetMaxOpenConns(1)
	settings := func() string {
		return one[string](t, s, `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name LIKE 'enable%' OR name = 'work_mem'`)
	}
	before := settings()
	for name, look := range map[string]func() error{
		"ends well": func() error { _, err := s.LetterCounts(t.Context(), ""); return err },
		"ends badly": func() error {
			over, end := context.WithCancel(t.Context())
			err := s.whole(over, func(tx *sql.Tx) error {
				end()
				_, err := tx.ExecContext(over, `SELECT 1`)
				return err
			})
			if err == nil {
				return errors.New("it ended well")
			}
			return nil
		},
		"writes": func() error {
			if s.whole(t.Context(), func(tx *sql.Tx) error { _, err := tx.ExecContext(t.Context(), `DELETE FROM letter`); return err }) == nil {
				return errors.New("it has written")
			}
			return nil
		},
	} {
		if err := look(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := settings(); after != before {
			t.Errorf("%s: the connection is left with %s", name, after)
		}
	}
}
