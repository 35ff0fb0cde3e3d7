-- +goose Up

-- One row per log-in under way. It binds the provider's answer to the browser
-- that asked.
CREATE TABLE login_request (
    id         TEXT   NOT NULL PRIMARY KEY, -- ID of the AuthnRequest
    browser    BYTEA  NOT NULL UNIQUE,      -- SHA-256 of the cookie value
    tenant     TEXT   NOT NULL,
    level      BIGINT NOT NULL,
    kind       TEXT   NOT NULL,             -- citizen, professional
    return_to  TEXT   NOT NULL,             -- local path
    relay      TEXT   NOT NULL,
    force      BOOLEAN NOT NULL,
    tries      BIGINT NOT NULL DEFAULT 0,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX login_request_expires ON login_request (expires_at);

-- Who is logged in, readable by the portal alone.
CREATE TABLE login_session (
    id            TEXT   NOT NULL PRIMARY KEY,
    cookie        BYTEA  NOT NULL UNIQUE, -- SHA-256 of the cookie value
    tenant        TEXT   NOT NULL,
    name          BYTEA  NOT NULL,        -- SHA-256 of issuer, audience and NameID
    session_index BYTEA  NOT NULL,        -- SHA-256
    sealed        BYTEA  NOT NULL,
    seen_at       BIGINT NOT NULL,
    ends_at       BIGINT NOT NULL
);
CREATE INDEX login_session_name ON login_session (name);
CREATE INDEX login_session_ends ON login_session (ends_at);

-- Assertions and log-out messages that have had their effect.
CREATE TABLE login_used (
    key   BYTEA  NOT NULL PRIMARY KEY, -- SHA-256 of kind, issuer and id
    until BIGINT NOT NULL
);
CREATE INDEX login_used_until ON login_used (until);

-- +goose Down
DROP TABLE login_used;
DROP TABLE login_session;
DROP TABLE login_request;
