-- +goose Up

-- Data keys of the sealing programs, wrapped to the dispatcher.
CREATE TABLE data_key (
    id      TEXT   NOT NULL PRIMARY KEY,
    wrapped BYTEA  NOT NULL,
    at      BIGINT NOT NULL
);

-- One row per letter. What identifies anybody is sealed to the dispatcher; the
-- caller's own key is a keyed index. A move is a compare-and-swap on
-- (state, version).
CREATE TABLE letter (
    id           TEXT   NOT NULL PRIMARY KEY,
    reference    TEXT   NOT NULL UNIQUE,
    tenant       TEXT   NOT NULL,
    client       TEXT   NOT NULL,
    business     BYTEA,                    -- NULL: made by the house itself
    digest       BYTEA  NOT NULL,          -- keyed, of the content
    inquiry      TEXT   NOT NULL DEFAULT '',
    batch        TEXT   NOT NULL DEFAULT '',
    line         BIGINT NOT NULL DEFAULT 0,
    digital_only BIGINT NOT NULL DEFAULT 0, -- 1: to the tenant's own contact point
    state        TEXT   NOT NULL,
    version      BIGINT NOT NULL DEFAULT 1,
    channel      TEXT   NOT NULL DEFAULT '',
    generation   BIGINT NOT NULL DEFAULT 0,
    code         TEXT   NOT NULL DEFAULT '', -- last reason, from closed lists
    failures     BIGINT NOT NULL DEFAULT 0,  -- of the present step, in a row
    not_before   BIGINT NOT NULL DEFAULT 0,
    accepted_at  BIGINT NOT NULL,
    signed_at    BIGINT NOT NULL DEFAULT 0,
    since        BIGINT NOT NULL,            -- when the present state was entered
    available_at BIGINT NOT NULL DEFAULT 0,  -- lov om Digital Post § 10
    recipient    BYTEA  NOT NULL,            -- sealed
    content      BYTEA  NOT NULL,            -- sealed
    manifest     BYTEA,                      -- signed; no personal data
    UNIQUE (tenant, business)
);
CREATE INDEX letter_batch ON letter (batch, line);
CREATE INDEX letter_state ON letter (tenant, state, id);

CREATE TABLE letter_document (
    letter      TEXT   NOT NULL REFERENCES letter (id),
    n           BIGINT NOT NULL, -- from 1, the main document
    header      BYTEA  NOT NULL,
    blob        TEXT   NOT NULL,
    blob_sha256 BYTEA  NOT NULL,
    blob_size   BIGINT NOT NULL,
    clear_size  BIGINT NOT NULL,
    PRIMARY KEY (letter, n)
);

-- One row per (letter, channel, generation): the intent, committed before the
-- first byte goes out, and what came of it.
CREATE TABLE hand_over (
    message_id   TEXT   NOT NULL PRIMARY KEY,
    letter       TEXT   NOT NULL REFERENCES letter (id),
    channel      TEXT   NOT NULL,
    generation   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL, -- whole seconds; the only time inside the form
    form_size    BIGINT NOT NULL,
    form_sha256  BYTEA  NOT NULL,
    attempts     BIGINT NOT NULL,
    unsure       BIGINT NOT NULL DEFAULT 0, -- 1: some attempt had no clear answer
    taken_at     BIGINT NOT NULL DEFAULT 0,
    answer       TEXT   NOT NULL DEFAULT '', -- last verdict
    transmission TEXT   NOT NULL DEFAULT '',
    tracking     TEXT   NOT NULL DEFAULT '',
    UNIQUE (letter, channel, generation)
);

-- The inbox of carriers' receipts: stored first, answered after commit, matched
-- later, never deleted by a match.
CREATE TABLE receipt (
    carrier     TEXT   NOT NULL,
    event_id    TEXT   NOT NULL,
    message_id  TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    code        TEXT   NOT NULL,
    tracking    TEXT   NOT NULL,
    raw         BYTEA  NOT NULL, -- sealed to the dispatcher
    received_at BIGINT NOT NULL,
    letter      TEXT   NOT NULL DEFAULT '',
    verdict     TEXT   NOT NULL DEFAULT 'waiting', -- waiting, applied, noted, parked
    reason      TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (carrier, event_id)
);
CREATE INDEX receipt_waiting ON receipt (received_at) WHERE verdict = 'waiting';
CREATE INDEX receipt_message ON receipt (message_id);

-- +goose Down
DROP TABLE receipt;
DROP TABLE hand_over;
DROP TABLE letter_document;
DROP TABLE letter;
DROP TABLE data_key;
