-- +goose Up

-- What must be continued. One row per record with work left; the sweeper reads
-- nothing else. fence grows with each lease; every effect carries it.
CREATE TABLE job (
    kind        TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    due_at      BIGINT NOT NULL,
    attempt     BIGINT NOT NULL DEFAULT 0,
    fence       BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0,
    rung_at     BIGINT NOT NULL DEFAULT 0, -- when the doorbell was last rung for it
    PRIMARY KEY (kind, id)
);
CREATE INDEX job_due ON job (due_at);

-- Who may be the only one to do something (the ledger integrator).
CREATE TABLE sole (
    name  TEXT   NOT NULL PRIMARY KEY,
    owner TEXT   NOT NULL,
    until BIGINT NOT NULL,
    fence BIGINT NOT NULL
);

-- idx is the place in the log, given by the integrator; NULL until then.
CREATE TABLE ledger_event (
    id      TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    subject TEXT   NOT NULL,
    body    BYTEA  NOT NULL,
    salt    BYTEA  NOT NULL,
    leaf    BYTEA  NOT NULL,
    idx     BIGINT UNIQUE
);
CREATE INDEX ledger_event_subject ON ledger_event (subject);
CREATE INDEX ledger_event_waiting ON ledger_event (id) WHERE idx IS NULL;

-- Stored hashes of the Merkle log (golang.org/x/mod/sumdb/tlog numbering).
CREATE TABLE ledger_hash (
    idx  BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA  NOT NULL
);

-- One answer for each Idempotency-Key of each client.
CREATE TABLE idempotency (
    client  TEXT   NOT NULL,
    key     TEXT   NOT NULL,
    request BYTEA  NOT NULL, -- SHA-256 of method, path and body
    status  BIGINT NOT NULL,
    answer  BYTEA  NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (client, key)
);

-- +goose Down
DROP TABLE idempotency;
DROP TABLE ledger_hash;
DROP TABLE ledger_event;
DROP TABLE sole;
DROP TABLE job;
