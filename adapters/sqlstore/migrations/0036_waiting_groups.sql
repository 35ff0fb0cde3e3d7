-- +goose Up

-- First, so that programs of the former version that are still at work wait here, and
-- then write no more events: they would be in rows that nobody reads.
ALTER TABLE ledger_waiting RENAME TO ledger_waiting_former;
ALTER TABLE ledger_hash RENAME TO ledger_hash_former;

-- The events of one transaction that wait for their places, up to 24 in a row, in the
-- order of their ids: ids with a blank between them, leaves of 32 bytes one behind
-- the other.
CREATE TABLE ledger_waiting (
    first  TEXT  NOT NULL PRIMARY KEY, -- the first id
    events TEXT  NOT NULL,
    leaves BYTEA NOT NULL
);
INSERT INTO ledger_waiting (first, events, leaves) SELECT event, event, leaf FROM ledger_waiting_former;
DROP TABLE ledger_waiting_former;

-- The stored hashes of the log, 32 in a row one behind the other: row n holds those
-- from n * 32 on.
CREATE TABLE ledger_hash (
    n      BIGINT NOT NULL PRIMARY KEY,
    hashes BYTEA  NOT NULL
);

-- +goose Down
DROP TABLE ledger_hash;
ALTER TABLE ledger_hash_former RENAME TO ledger_hash;
ALTER TABLE ledger_waiting RENAME TO ledger_waiting_groups;
CREATE TABLE ledger_waiting (
    event TEXT  NOT NULL PRIMARY KEY,
    leaf  BYTEA NOT NULL
);
INSERT INTO ledger_waiting (event, leaf) SELECT id, commitment FROM ledger_event
    WHERE NOT EXISTS (SELECT 1 FROM ledger_place WHERE ledger_place.event = ledger_event.id);
DROP TABLE ledger_waiting_groups;
