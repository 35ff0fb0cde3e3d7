-- +goose Up

-- A program from before 27 that is still at work knows nothing of the events that
-- wait for their places. It writes no more events then, and nothing that belongs to
-- one; what it wrote until now waits too.
ALTER TABLE ledger_event RENAME COLUMN leaf TO commitment;
INSERT INTO ledger_waiting (event, leaf) SELECT id, commitment FROM ledger_event
    WHERE NOT EXISTS (SELECT 1 FROM ledger_place WHERE ledger_place.event = ledger_event.id)
      AND NOT EXISTS (SELECT 1 FROM ledger_waiting w WHERE w.event = ledger_event.id);

-- +goose Down
ALTER TABLE ledger_event RENAME COLUMN commitment TO leaf;
