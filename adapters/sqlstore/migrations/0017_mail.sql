-- +goose Up

-- What came in by Digital Post, sealed as it came. A row stays when its message
-- has become an inquiry (of the same id): the carrier may deliver again. header
-- and blob are then empty, so that nobody can open the raw message any more.
CREATE TABLE mail (
    id          TEXT   NOT NULL PRIMARY KEY, -- UUIDv7; becomes the inquiry's id
    carrier     TEXT   NOT NULL,
    tenant      TEXT   NOT NULL, -- of the system that received it
    message_id  TEXT   NOT NULL,
    digest      BYTEA  NOT NULL, -- keyed, of the bytes
    received_at BIGINT NOT NULL,
    header      BYTEA  NOT NULL, -- age header; the dispatcher's seal
    blob        TEXT   NOT NULL,
    blob_sha256 BYTEA  NOT NULL,
    blob_size   BIGINT NOT NULL,
    state       TEXT   NOT NULL, -- kept, taken, parked
    code        TEXT   NOT NULL DEFAULT '', -- why it is parked or late; a closed list
    due_at      BIGINT NOT NULL, -- next attempt to read it
    attempts    BIGINT NOT NULL DEFAULT 0,
    cut         BIGINT NOT NULL DEFAULT 0, -- 1: beyond the limit; only its beginning is kept, and the carrier keeps it
    answered    BIGINT NOT NULL DEFAULT 0, -- 1: the carrier knows that we have it
    answer_at   BIGINT NOT NULL DEFAULT 0, -- next attempt to tell it
    letter      TEXT   NOT NULL DEFAULT '', -- of ours that it answers
    thread      BYTEA,                      -- what a reply gives back, sealed to the dispatcher
    UNIQUE (carrier, tenant, message_id, digest)
);
CREATE INDEX mail_kept ON mail (due_at) WHERE state = 'kept';
CREATE INDEX mail_parked ON mail (received_at) WHERE state = 'parked';
CREATE INDEX mail_unanswered ON mail (answer_at) WHERE answered = 0;
CREATE INDEX mail_letter ON mail (letter) WHERE letter <> '';

-- When a tenant's recipient system last answered: after seven days without,
-- Digital Post deactivates it.
CREATE TABLE mail_contact (
    carrier TEXT   NOT NULL,
    tenant  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (carrier, tenant)
);

-- +goose Down
DROP TABLE mail_contact;
DROP TABLE mail;
