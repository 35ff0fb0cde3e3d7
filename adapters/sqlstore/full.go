package sqlstore

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"sikkerpost.dk/gateway/internal/post"
)

// full makes of an engine's word that its disk is full the fault that tells callers
// to come back: nothing was kept.
func full(err error) error {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg) && pg.Code == "53100", errors.As(err, &lite) && lite.Code()&0xff == 13: // disk_full, SQLITE_FULL
		return post.FaultStorageFull.Because(err)
	}
	return err
}
