package postctlapp

import (
	"context"
	"fmt"
	"os"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/papercheck"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

// here stands for the municipality of whoever checks a table.
const here = post.TenantID("here")

// paper looks at every document as it will be printed, for each line whose
// document can be read: window is what the envelope's window shows. It adds
// every fault of every line; only a renderer that is missing is an error.
func (t *table) paper(ctx context.Context, window string) error {
	if window == "cover" {
		window = ""
	}
	look, err := papercheck.New(map[post.TenantID]config.Paper{here: {Render: true, Window: window}})
	if err != nil {
		return err
	}
	known := map[string]error{} // by document, where the recipient plays no part
	for i, l := range t.Lines {
		path, ok := t.Files[l.SHA256]
		if !ok {
			continue // said already
		}
		found, done := known[l.SHA256]
		if !done {
			b, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read document of line %d: %w", t.At[i], err)
			}
			_, found = look.One(ctx, here, preflight.Document{Content: b, Address: windowOf(l.Recipient)}, true)
			if window != string(preflight.Printed) {
				known[l.SHA256] = found
			}
		}
		for _, err := range preflight.Each(found) {
			t.fault(t.At[i], err)
		}
	}
	return nil
}

func windowOf(p wire.Party) []string {
	return preflight.WindowLines(post.PartyRecord{Name: p.Name, Address: p.Address})
}
