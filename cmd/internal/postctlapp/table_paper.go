package postctlapp

import (
	"fmt"
	"os"
	"path/filepath"

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
func paper(r *run, window string) (judge, error) {
	if window == "cover" {
		window = ""
	}
	look, err := papercheck.New(map[post.TenantID]config.Paper{here: {Render: true, Window: window}})
	if err != nil {
		return nil, err
	}
	var looked []bool          // by document, where the recipient plays no part
	wrong := map[int][]int32{} // kinds of faults of those that have some
	return func(t *table, n int, l *wire.BatchLine, doc int) error {
		if doc == none {
			return nil // said already
		}
		for len(looked) <= doc {
			looked = append(looked, false)
		}
		kinds := wrong[doc]
		if !looked[doc] {
			b, err := os.ReadFile(filepath.Join(t.docs.dir, l.Document))
			if err != nil {
				return fmt.Errorf("read document of line %d: %w", n, err)
			}
			_, found := look.One(r.ctx, here, preflight.Document{Content: b, Address: windowOf(l.Recipient)}, true)
			if err := r.ctx.Err(); err != nil {
				return err // whatever was found: it was broken off
			}
			for _, err := range preflight.Each(found) {
				kinds = append(kinds, t.Faults.kind(err))
			}
			if window != string(preflight.Printed) {
				if looked[doc] = true; kinds != nil {
					wrong[doc] = kinds
				}
			}
		}
		for _, kind := range kinds {
			t.Faults.note(n, kind, 0)
		}
		return nil
	}, nil
}

func windowOf(p wire.Party) []string {
	return preflight.WindowLines(post.PartyRecord{Name: p.Name, Address: p.Address})
}
