-- +goose Up

-- 1: the line asks for registered post; its letter will.
ALTER TABLE batch_line ADD COLUMN registered BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE batch_line DROP COLUMN registered;
