-- +goose Up

ALTER TABLE batch ADD COLUMN policy TEXT NOT NULL DEFAULT 'letter'; -- who is signed: each letter, or the batch
ALTER TABLE batch ADD COLUMN urgent BIGINT NOT NULL DEFAULT 0;      -- 1: the lane of breach notifications
ALTER TABLE batch ADD COLUMN canary BIGINT NOT NULL DEFAULT 0;      -- letters that go first; 0: all at once
ALTER TABLE batch ADD COLUMN allowed BIGINT NOT NULL DEFAULT 0;     -- lines that may be released; rises, never falls
ALTER TABLE batch ADD COLUMN paused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN received BIGINT NOT NULL DEFAULT 0;    -- lines here
ALTER TABLE batch ADD COLUMN sign_at BIGINT NOT NULL DEFAULT 0;     -- fixed before the first leaf
ALTER TABLE batch ADD COLUMN root BYTEA;                            -- signed; kept before any letter uses it

-- A batch of one piece was received whole; its letters may all go.
UPDATE batch SET received = lines, allowed = lines;

-- A part of the lines, so that the same part again changes nothing.
CREATE TABLE batch_part (
    batch  TEXT   NOT NULL REFERENCES batch (id),
    part   BIGINT NOT NULL, -- from 1
    digest BYTEA  NOT NULL, -- keyed, of its lines
    lines  BIGINT NOT NULL,
    PRIMARY KEY (batch, part)
);

-- The Merkle leaf of each line, under policy "batch". Public: it commits to the
-- manifest of a letter.
CREATE TABLE batch_leaf (
    batch TEXT   NOT NULL REFERENCES batch (id),
    n     BIGINT NOT NULL,
    leaf  BYTEA  NOT NULL,
    PRIMARY KEY (batch, n)
);

CREATE UNIQUE INDEX batch_line_key ON batch_line (batch, business);
CREATE INDEX batch_open_end ON batch (state) WHERE state IN ('approved', 'stopping');
DROP INDEX batch_approved;
CREATE INDEX letter_batch_state ON letter (batch, state, line) WHERE batch <> '';

-- +goose Down
DROP INDEX letter_batch_state;
CREATE INDEX batch_approved ON batch (state) WHERE state = 'approved';
DROP INDEX batch_open_end;
DROP INDEX batch_line_key;
DROP TABLE batch_leaf;
DROP TABLE batch_part;
ALTER TABLE batch DROP COLUMN root;
ALTER TABLE batch DROP COLUMN sign_at;
ALTER TABLE batch DROP COLUMN received;
ALTER TABLE batch DROP COLUMN paused;
ALTER TABLE batch DROP COLUMN allowed;
ALTER TABLE batch DROP COLUMN canary;
ALTER TABLE batch DROP COLUMN urgent;
ALTER TABLE batch DROP COLUMN policy;
