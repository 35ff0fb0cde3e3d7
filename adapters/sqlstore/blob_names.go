package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// NamedBlobs implements [account.Names]: every column that [Store.Unreferenced]
// looks in.
func (s *Store) NamedBlobs(ctx context.Context, visit func(room, blob string) error) error {
	columns, err := s.blobColumns(ctx)
	if err != nil {
		return fmt.Errorf("read names of blobs: %w", err)
	}
	for _, c := range columns {
		err := each(ctx, s.read, func(rows *sql.Rows) error {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			for _, b := range strings.Fields(text) {
				if err := visit(strings.ReplaceAll(c.table, "_", " "), b); err != nil {
					return err
				}
			}
			return nil
		}, `SELECT `+c.column+` FROM `+c.table+` WHERE `+c.column+` <> ''`)
		if err != nil {
			return fmt.Errorf("read names of blobs of %s: %w", c.table, err)
		}
	}
	return nil
}
