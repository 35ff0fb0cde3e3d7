package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/post"
)

// Current answers [post.FaultDatabaseOlder] unless the database extends what was
// published: one that was restored from a backup knows less than carriers, callers and
// citizens were told, so whoever is about to act on it asks first. It changes nothing,
// and any number of programs may ask while one of them integrates.
//
// Nothing published says nothing: with the directory lost, or never written, the
// database is taken as it is. So is one that is ahead, as after a crash before its
// checkpoint was published. A checkpoint that no key known here has signed is refused:
// of what it vouches for nobody can tell. Any other error says that it could not be
// found out.
func (g *Integrator) Current(ctx context.Context) error {
	// The file before the database: it is published after what it covers was placed.
	published, err := os.ReadFile(filepath.Join(g.cfg.Dir, CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(published) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("compare database with ledger: %w", err)
	}
	old, err := g.open(published)
	if err != nil {
		return post.FaultDatabaseOlder.Because(fmt.Errorf("in %s: %w", g.cfg.Dir, err))
	}
	size, _, err := g.cfg.Store.LedgerState(ctx)
	if err != nil {
		return fmt.Errorf("compare database with ledger: %w", err)
	}
	if size < old.N {
		return post.FaultDatabaseOlder.At("%d entries were published in %s, %d are in the database", old.N, g.cfg.Dir, size)
	}
	now, err := head(ctx, g.cfg.Store, size)
	if err != nil {
		return err
	}
	err = extends(ctx, g.cfg.Store, old, now)
	if errors.Is(err, ErrDiverged) {
		return post.FaultDatabaseOlder.Because(fmt.Errorf("in %s: %w", g.cfg.Dir, err))
	}
	return err
}

// ReadEarlier reads public note keys from the file at path, one on each line: those
// that signed checkpoints before the present key did. It refuses a file without any.
func ReadEarlier(path string) ([]note.Verifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, post.FaultKeyFile.Because(err)
	}
	var all []note.Verifier
	for _, vkey := range strings.Fields(string(text)) {
		v, err := note.NewVerifier(vkey)
		if err != nil { // the cause may hold a key that was to be kept
			return nil, post.FaultKeyFile.At("%s: entry %d is no public note key", path, len(all)+1)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil, post.FaultKeyFile.At("%s: it holds no public note key", path)
	}
	return all, nil
}
