-- +goose Up

-- Receipts that wait for a person are counted again and again.
CREATE INDEX receipt_parked ON receipt (received_at) WHERE verdict = 'parked';

-- +goose Down
DROP INDEX receipt_parked;
