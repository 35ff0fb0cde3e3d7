package simulatorapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sikkerpost.dk/gateway/internal/chaosdial"
)

// settings are what a person turned and a restart leaves as it was: the dial,
// the limits and the clock. Counted faults are not among them: a count that
// stopped half-way would count wrongly.
type settings struct {
	Dial   chaosdial.State `json:"dial"`
	Limits map[string]int  `json:"limits,omitempty"`
	Ahead  time.Duration   `json:"clock_ahead_ns,omitempty"`
}

func (a *App) settingsFile() string { return filepath.Join(a.cfg.Dir, "settings.json") }

// remember keeps the settings as they stand, whole or not at all.
func (a *App) remember() error {
	a.settling.Lock()
	defer a.settling.Unlock()
	text, err := json.Marshal(settings{a.dial.State(), a.limits.state(), a.clock.lead()})
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	next := a.settingsFile() + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	if err := os.Rename(next, a.settingsFile()); err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	return nil
}

// recall turns everything to where it stood at the last stop.
func (a *App) recall() error {
	text, err := os.ReadFile(a.settingsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read settings %s: %w", a.settingsFile(), err)
	}
	if err := errors.Join(a.dial.Set(s.Dial), a.limits.set(s.Limits)); err != nil {
		return fmt.Errorf("read settings %s: %w", a.settingsFile(), err)
	}
	if !a.clock.set(s.Ahead) {
		return fmt.Errorf("read settings %s: no clock stands %s ahead", a.settingsFile(), s.Ahead)
	}
	return nil
}

// Turned names what is not as after a reset, for who starts the simulators: the
// endpoints that the dial bends, limits, the clock.
func (a *App) Turned() []string {
	var all []string
	if s := a.dial.State(); len(s.Endpoints) > 0 {
		all = append(all, "what goes wrong: "+dialSays(s))
	}
	if n := len(a.limits.state()); n > 0 {
		all = append(all, fmt.Sprintf("limits at %d endpoints", n))
	}
	if lead := a.clock.lead(); lead > 0 {
		all = append(all, "the clock: "+lead.String()+" ahead")
	}
	return all
}
