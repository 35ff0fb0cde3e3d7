-- +goose Up

-- Checkpoints signed by the integrator, the newest of which it extends even
-- when the published files are lost.
CREATE TABLE ledger_checkpoint (
    size BIGINT NOT NULL PRIMARY KEY,
    note BYTEA  NOT NULL,
    at   BIGINT NOT NULL
);

-- +goose Down
DROP TABLE ledger_checkpoint;
