-- +goose Up

-- One open draft per person and authority acted for, at most 24 hours. body is
-- sealed under a key that lives only in the portal's memory; blobs names the
-- sealed attachments for whoever cleans up.
CREATE TABLE draft (
    id         TEXT   NOT NULL PRIMARY KEY, -- becomes the inquiry's id
    owner      BYTEA  NOT NULL UNIQUE,      -- HMAC of the person
    version    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    body       BYTEA  NOT NULL,
    blobs      TEXT   NOT NULL              -- one a line
);
CREATE INDEX draft_expires ON draft (expires_at);

-- What the person may see of the content for some minutes after acceptance;
-- sealed like a draft.
CREATE TABLE inquiry_copy (
    inquiry    TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    body       BYTEA  NOT NULL
);
CREATE INDEX inquiry_copy_expires ON inquiry_copy (expires_at);

-- +goose Down
DROP TABLE inquiry_copy;
DROP TABLE draft;
