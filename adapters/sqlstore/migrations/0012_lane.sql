-- +goose Up

-- Whatever is in lane 0 overtakes what is in lane 1.
ALTER TABLE job ADD COLUMN lane BIGINT NOT NULL DEFAULT 1;

-- What is due, lane by lane, oldest first: what a claim reads, and nothing else.
CREATE INDEX job_claim ON job (kind, lane, due_at);
DROP INDEX job_due;

-- Receipts are matched in the order in which the carrier says that things happened.
DROP INDEX receipt_waiting;
CREATE INDEX receipt_waiting ON receipt (at) WHERE verdict = 'waiting';

-- +goose Down
DROP INDEX receipt_waiting;
CREATE INDEX receipt_waiting ON receipt (received_at) WHERE verdict = 'waiting';
CREATE INDEX job_due ON job (due_at);
DROP INDEX job_claim;
ALTER TABLE job DROP COLUMN lane;
