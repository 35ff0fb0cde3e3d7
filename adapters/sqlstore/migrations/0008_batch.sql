-- +goose Up

CREATE TABLE batch (
    id          TEXT   NOT NULL PRIMARY KEY,
    tenant      TEXT   NOT NULL,
    client      TEXT   NOT NULL,
    business    BYTEA  NOT NULL, -- keyed index of the caller's key
    digest      BYTEA  NOT NULL, -- keyed, of all lines
    state       TEXT   NOT NULL,
    lines       BIGINT NOT NULL,
    approver    TEXT   NOT NULL DEFAULT '',
    opened_at   BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    approved_at BIGINT NOT NULL DEFAULT 0,
    UNIQUE (tenant, business)
);
CREATE INDEX batch_approved ON batch (state) WHERE state = 'approved';

-- A line waits here, sealed, until closing makes a letter of it.
CREATE TABLE batch_line (
    batch     TEXT   NOT NULL REFERENCES batch (id),
    n         BIGINT NOT NULL,
    letter    TEXT   NOT NULL,
    reference TEXT   NOT NULL,
    business  BYTEA  NOT NULL,
    digest    BYTEA  NOT NULL,
    document  TEXT   NOT NULL,
    recipient BYTEA  NOT NULL,
    content   BYTEA  NOT NULL,
    made      BIGINT NOT NULL DEFAULT 0, -- 1: the letter exists
    PRIMARY KEY (batch, n)
);
CREATE INDEX batch_line_document ON batch_line (batch, document);
CREATE INDEX batch_line_unmade ON batch_line (batch, n) WHERE made = 0;

CREATE TABLE batch_document (
    batch       TEXT   NOT NULL REFERENCES batch (id),
    sha256      TEXT   NOT NULL,
    header      BYTEA  NOT NULL,
    blob        TEXT   NOT NULL,
    blob_sha256 BYTEA  NOT NULL,
    blob_size   BIGINT NOT NULL,
    clear_size  BIGINT NOT NULL,
    PRIMARY KEY (batch, sha256)
);

-- +goose Down
DROP TABLE batch_document;
DROP TABLE batch_line;
DROP TABLE batch;
