-- +goose Up

-- To whose system a receipt came, where the carrier tells: however often it is
-- tried, it moves nobody else's letter. '' is not told, or from an earlier version.
ALTER TABLE receipt ADD COLUMN tenant TEXT NOT NULL DEFAULT '';

-- Receipts that a person lets be read again from their own form.
CREATE INDEX receipt_again ON receipt (received_at) WHERE verdict = 'again';

-- Receipts that a person has dealt with.
CREATE INDEX receipt_closed ON receipt (received_at) WHERE verdict = 'closed';

-- Scanned codes and doubled numbers are looked up by tracking number.
CREATE INDEX hand_over_tracking ON hand_over (tracking) WHERE tracking <> '';

-- What operators ask of carriers about one letter. The dispatcher, which alone can
-- speak with them, answers; a row is gone a day later.
CREATE TABLE trace (
    id          TEXT   NOT NULL PRIMARY KEY,
    letter      TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    asked_at    BIGINT NOT NULL,
    answered_at BIGINT NOT NULL DEFAULT 0,
    answer      TEXT   NOT NULL DEFAULT '' -- JSON: carriers' events and words; no personal data
);
CREATE INDEX trace_open ON trace (asked_at) WHERE answered_at = 0;
CREATE INDEX trace_age ON trace (asked_at);

-- +goose Down
DROP TABLE trace;
DROP INDEX hand_over_tracking;
DROP INDEX receipt_closed;
DROP INDEX receipt_again;
ALTER TABLE receipt DROP COLUMN tenant;
