-- +goose Up

-- 1: on paper the letter goes by registered post (rekommanderet).
ALTER TABLE letter ADD COLUMN registered BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE letter DROP COLUMN registered;
