-- +goose Up

-- First, so that programs of the former version that are still at work wait here:
-- what they wrote between a copy and the end of what was copied would be gone.
ALTER TABLE ledger_event RENAME TO ledger_event_former;
ALTER TABLE job RENAME TO job_former;

-- A job is found by the id of its record, whatever its kind, and in no other way
-- than a claim's: the key begins with what is asked for.
CREATE TABLE job_next (
    id          TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    due_at      BIGINT NOT NULL,
    attempt     BIGINT NOT NULL DEFAULT 0,
    fence       BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0,
    rung_at     BIGINT NOT NULL DEFAULT 0,
    lane        BIGINT NOT NULL DEFAULT 1,
    tenant      TEXT   NOT NULL DEFAULT '',
    road        TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (id, kind)
);
INSERT INTO job_next (id, kind, due_at, attempt, fence, lease_until, rung_at, lane, tenant, road)
    SELECT id, kind, due_at, attempt, fence, lease_until, rung_at, lane, tenant, road FROM job_former;
DROP TABLE job_former;
ALTER TABLE job_next RENAME TO job;
CREATE INDEX job_share ON job (kind, lane, road, tenant, due_at);

-- Lines that name a document. What is asked as (batch || '') cannot be looked for
-- in the key of the lines, which would be every line of the batch.
DROP INDEX batch_line_document;
CREATE INDEX batch_line_document ON batch_line (document, (batch || ''));

-- Events are written once. Their places in the log, given later, are narrow rows of
-- their own; so are those that wait for one.
CREATE TABLE ledger_place (
    idx   BIGINT NOT NULL PRIMARY KEY,
    event TEXT   NOT NULL UNIQUE
);
INSERT INTO ledger_place (idx, event) SELECT idx, id FROM ledger_event_former WHERE idx IS NOT NULL;
CREATE TABLE ledger_waiting (
    event TEXT  NOT NULL PRIMARY KEY,
    leaf  BYTEA NOT NULL
);
INSERT INTO ledger_waiting (event, leaf) SELECT id, leaf FROM ledger_event_former WHERE idx IS NULL;
CREATE TABLE ledger_event_next (
    id      TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    tenant  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    body    BYTEA  NOT NULL,
    salt    BYTEA  NOT NULL,
    leaf    BYTEA  NOT NULL
);
INSERT INTO ledger_event_next (id, at, kind, tenant, subject, body, salt, leaf)
    SELECT id, at, kind, tenant, subject, body, salt, leaf FROM ledger_event_former;
DROP TABLE ledger_event_former;
ALTER TABLE ledger_event_next RENAME TO ledger_event;
CREATE INDEX ledger_event_subject ON ledger_event (subject);
CREATE INDEX ledger_event_accepted ON ledger_event (tenant) WHERE kind = 'letter.accepted';
CREATE INDEX ledger_event_unnamed ON ledger_event (id) WHERE kind = '';

-- 1: manifest ends with the signed root of the letter's batch, which is kept there.
ALTER TABLE letter ADD COLUMN rooted BIGINT NOT NULL DEFAULT 0;

-- +goose Down
UPDATE letter SET manifest = manifest || (SELECT root FROM batch WHERE batch.id = letter.batch) WHERE rooted = 1;
ALTER TABLE letter DROP COLUMN rooted;
DROP INDEX ledger_event_unnamed;
DROP INDEX ledger_event_accepted;
DROP INDEX ledger_event_subject;
CREATE TABLE ledger_event_former (
    id      TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    subject TEXT   NOT NULL,
    body    BYTEA  NOT NULL,
    salt    BYTEA  NOT NULL,
    leaf    BYTEA  NOT NULL,
    idx     BIGINT UNIQUE,
    kind    TEXT   NOT NULL DEFAULT '',
    tenant  TEXT   NOT NULL DEFAULT ''
);
INSERT INTO ledger_event_former (id, at, subject, body, salt, leaf, idx, kind, tenant)
    SELECT id, at, subject, body, salt, leaf, (SELECT idx FROM ledger_place WHERE event = id), kind, tenant FROM ledger_event;
DROP TABLE ledger_event;
DROP TABLE ledger_waiting;
DROP TABLE ledger_place;
ALTER TABLE ledger_event_former RENAME TO ledger_event;
CREATE INDEX ledger_event_subject ON ledger_event (subject);
CREATE INDEX ledger_event_waiting ON ledger_event (id) WHERE idx IS NULL;
CREATE INDEX ledger_event_accepted ON ledger_event (tenant) WHERE kind = 'letter.accepted';
CREATE INDEX ledger_event_unnamed ON ledger_event (id) WHERE kind = '';
DROP INDEX batch_line_document;
CREATE INDEX batch_line_document ON batch_line (batch, document);
