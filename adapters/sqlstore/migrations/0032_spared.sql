-- +goose Up

-- How many attempts of a hand-over are not counted as repetitions: those that our
-- own shutdown broke off, and those that were not taken before there was any doubt.
ALTER TABLE hand_over ADD COLUMN spared BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE hand_over DROP COLUMN spared;
