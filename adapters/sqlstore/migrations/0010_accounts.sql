-- +goose Up

-- What an event says happened, beside its body, so that events can be counted
-- without reading them all. '' marks a row of an earlier version: its body is
-- read.
ALTER TABLE ledger_event ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger_event ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
CREATE INDEX ledger_event_accepted ON ledger_event (tenant) WHERE kind = 'letter.accepted';
CREATE INDEX ledger_event_unnamed ON ledger_event (id) WHERE kind = '';

-- Kept answers are dropped by age.
CREATE INDEX idempotency_at ON idempotency (at);

-- What a person has halted: hand-overs of one municipality on one channel; ''
-- stands for every one.
CREATE TABLE pause (
    tenant  TEXT   NOT NULL,
    channel TEXT   NOT NULL,
    actor   TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (tenant, channel)
);

-- +goose Down
DROP TABLE pause;
DROP INDEX idempotency_at;
DROP INDEX ledger_event_unnamed;
DROP INDEX ledger_event_accepted;
ALTER TABLE ledger_event DROP COLUMN tenant;
ALTER TABLE ledger_event DROP COLUMN kind;
