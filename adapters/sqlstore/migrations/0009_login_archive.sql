-- +goose Up

-- What NemLog-in and we said to each other, sealed to keys that no program of
-- ours holds, for 180 days.
CREATE TABLE login_message (
    id         TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    at         BIGINT  NOT NULL,
    out        BOOLEAN NOT NULL,             -- from us
    kind       TEXT    NOT NULL,             -- AuthnRequest, Response, LogoutRequest, LogoutResponse, ""
    request    TEXT    NOT NULL,             -- id of the log-in it belongs to, or ""
    outcome    TEXT    NOT NULL,             -- sent, accepted, or a reason code
    sealed     BYTEA   NOT NULL,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX login_message_expires ON login_message (expires_at);

-- +goose Down
DROP TABLE login_message;
