package sqlstore

import (
	"fmt"
	"strings"
	"testing"
)

// Of how many letters each is in one of the rare states; the others have arrived, and
// two thirds of those are purged.
const (
	oneHandedOver = 200
	oneReady      = 1000
	oneForPerson  = 2000
	oneReturned   = 20000
)

// grow fills a database with n letters as they lie in a house of some years: nearly
// all have ended, half came in batches of 1,000, in five municipalities. A
// former one is of the schema in which an event bore its place itself.
func grow(t *testing.T, s *Store, n int, former bool) {
	t.Helper()
	with := fmt.Sprintf(`WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d),
		l AS (SELECT i, '01900000-0000-7000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2) AS id, 'm' || (i %% 5) AS tenant,
		CASE WHEN i %% 2 = 0 THEN 'batch-' || (i / 1000) ELSE '' END AS batch,
		CASE WHEN i %% %d = 1 THEN 'handed-over' WHEN i %% %d = 3 THEN 'ready' WHEN i %% %d = 5 THEN 'needs-person' WHEN i %% %d = 7 THEN 'returned'
		    WHEN i %% 3 = 0 THEN 'delivered' ELSE 'purged' END AS state FROM s) `, n, oneHandedOver, oneReady, oneForPerson, oneReturned)
	bytes := func(text string, size int) string { // of different letters different ones
		if s.d.arrays() {
			return fmt.Sprintf(`convert_to(rpad(%s, %d, 'sealed'), 'UTF8')`, text, size)
		}
		return fmt.Sprintf(`CAST(substr(%s || '%s', 1, %d) AS BLOB)`, text, strings.Repeat("sealed", size/6+1), size)
	}
	event := func(k int, kind string) string {
		if former { // one in a hundred has no place yet
			return fmt.Sprintf(`INSERT INTO ledger_event (id, at, kind, tenant, subject, body, salt, leaf, idx) %sSELECT id || '-%d', i, '%s', tenant, id, %s, %s, %s,
				CASE WHEN i %% 100 = 0 THEN NULL ELSE i * 4 + %d END FROM l`, with, k, kind, bytes("id", 200), bytes("id", 16), bytes("id", 32), k)
		}
		return fmt.Sprintf(`INSERT INTO ledger_event (id, at, kind, tenant, subject, body, salt, commitment) %sSELECT id || '-%d', i, '%s', tenant, id, %s, %s, %s FROM l`,
			with, k, kind, bytes("id", 200), bytes("id", 16), bytes("id", 32))
	}
	all := []string{
		`INSERT INTO batch (id, tenant, client, business, digest, state, lines, opened_at) ` + with +
			`SELECT 'batch-' || (i / 1000), tenant, 'case', ` + bytes("id", 40) + `, ` + bytes("id", 32) + `, 'released', 500, i FROM l WHERE i % 1000 = 0`,
		`INSERT INTO letter (id, reference, tenant, client, business, digest, batch, line, state, version, channel, generation, accepted_at, since, recipient, content, manifest, arrive) ` +
			with + `SELECT id, 'R' || i, tenant, 'case', ` + bytes("id", 40) + `, ` + bytes("id", 32) + `, batch, i % 1000, state, 9, 'digital', 1, i, i,
			` + bytes("id", 400) + `, ` + bytes("id", 500) + `, ` + bytes("id", 600) + `, CASE WHEN i % 4 = 0 THEN '2026-12-28' ELSE '' END FROM l`,
		`INSERT INTO letter_document (letter, n, header, blob, blob_sha256, blob_size, clear_size) ` + with + `SELECT id, 1, ` + bytes("id", 200) + `,
			'b/' || (i % 1000 * 7919 % 1009) || '/' || i, ` + bytes("id", 32) + `, 1, 1 FROM l WHERE state <> 'purged'`,
		`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, taken_at, answer, carrier) ` + with +
			`SELECT 'm-' || id, id, 'digital', 1, i, 1, ` + bytes("id", 32) + `, 1, i, 'taken', 'digitalpost' FROM l WHERE state <> 'ready'`,
		`INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at, letter, verdict) ` + with +
			`SELECT 'digitalpost', 'e-' || id, 'm-' || id, 'delivered', i, '', '', CASE state WHEN 'delivered' THEN ` + bytes("id", 400) + ` ELSE ` + bytes("''", 0) + ` END, i, id, 'applied'
			FROM l WHERE state IN ('delivered', 'purged')`,
		`INSERT INTO job (id, kind, due_at, tenant) ` + with + `SELECT id, 'letter.advance', CASE state WHEN 'ready' THEN 1 ELSE 99999999999999999 END, tenant FROM l WHERE state IN ('ready', 'handed-over')`,
		event(1, "letter.accepted"), event(2, "letter.handing-over"), event(3, "letter.handed-over"), event(4, "letter.delivered"),
	}
	if !former {
		all = append(all, `INSERT INTO ledger_place (idx, event) SELECT row_number() OVER (ORDER BY id) - 1, id FROM ledger_event`)
	}
	for _, query := range all {
		mustExec(t, s, query)
	}
}
