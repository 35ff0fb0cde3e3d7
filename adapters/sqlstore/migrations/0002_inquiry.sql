-- +goose Up

-- One row per inquiry. Content is in the blob store; its age header is here, so
-- that deleting the row shreds every copy of the payload.
CREATE TABLE inquiry (
    id           TEXT   NOT NULL PRIMARY KEY,
    reference    TEXT   NOT NULL UNIQUE,
    tenant       TEXT   NOT NULL,
    inbox        TEXT   NOT NULL,
    road         TEXT   NOT NULL, -- dpo, digital-post
    kind         TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    version      BIGINT NOT NULL DEFAULT 1,
    accepted_at  BIGINT NOT NULL,
    due_at       BIGINT NOT NULL, -- GDPR art. 12(3), or art. 33 for a breach; 0 on the Digital Post road
    digest       BYTEA  NOT NULL, -- content digest, fixed at accept
    header       BYTEA  NOT NULL, -- age header of the sealed package
    blob         TEXT   NOT NULL,
    blob_sha256  BYTEA  NOT NULL,
    blob_size    BIGINT NOT NULL,
    attachments  BIGINT NOT NULL,
    person_index BYTEA  NOT NULL, -- HMAC per tenant of the person concerned
    person       BYTEA  NOT NULL, -- post.PersonRecord, sealed to the dispatcher
    statement    BYTEA  NOT NULL, -- the signed receipt as the person got it; no personal data
    lease_fence  BIGINT NOT NULL DEFAULT 0,
    lease_client TEXT   NOT NULL DEFAULT '',
    lease_until  BIGINT NOT NULL DEFAULT 0,
    settled_at   BIGINT NOT NULL DEFAULT 0, -- acknowledged or rejected
    reason       TEXT   NOT NULL DEFAULT '', -- of a rejection: a code from a closed list
    letter       TEXT   NOT NULL DEFAULT ''  -- the last reply, or the letter that carries it
);
CREATE INDEX inquiry_inbox ON inquiry (inbox, state, due_at);
CREATE INDEX inquiry_person ON inquiry (tenant, person_index);

-- +goose Down
DROP TABLE inquiry;
