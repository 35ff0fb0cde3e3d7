package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sikkerpost.dk/gateway/cmd/internal/simulatorapp"
	"sikkerpost.dk/gateway/internal/persona"
)

// writeEnv writes what a shell needs to speak to the simulators as the first
// municipality, and the authorities of all their certificates in one file.
func writeEnv(path, dir string, app *simulatorapp.App, places []place) error {
	at := map[string]string{}
	for _, p := range places {
		at[p.name] = p.path
	}
	var trust bytes.Buffer
	for _, name := range []string{"trust (web)", "trust (post)"} {
		pem, err := os.ReadFile(at[name])
		if err != nil {
			return fmt.Errorf("write env: %w", err)
		}
		trust.Write(pem)
	}
	if err := os.WriteFile(at["trust (all)"], trust.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write env: %w", err)
	}
	t := persona.Tenants()[0]
	token, err := os.ReadFile(filepath.Join(dir, "tokens", string(t.ID)))
	if err != nil {
		return fmt.Errorf("write env: %w", err)
	}
	var b strings.Builder
	for _, line := range [][2]string{
		{"SIM_PAGES", app.URL()}, {"SIM_DIGITALPOST", strings.TrimSuffix(app.DigitalPostURL(), "/")},
		{"SIM_KOMBIPOST", app.KombiPostURL()}, {"SIM_NEMLOGIN", app.NemLogInMetadataURL()},
		{"SIM_CA", at["trust (all)"]}, {"SIM_CERT", at["client cert"]}, {"SIM_KEY", at["client key"]},
		{"SIM_SYSTEM", "system-" + string(t.ID)}, {"SIM_TOKEN", strings.TrimSpace(string(token))},
	} {
		fmt.Fprintf(&b, "%s='%s'\n", line[0], strings.ReplaceAll(line[1], "'", `'\''`))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write env: %w", err)
	}
	return nil
}
