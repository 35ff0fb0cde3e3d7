-- +goose Up

-- Where a letter on paper goes when it does not say so itself, or came back: found
-- in a register before the first attempt, sealed, and repeated by every retry.
ALTER TABLE hand_over ADD COLUMN address BYTEA;

-- +goose Down
ALTER TABLE hand_over DROP COLUMN address;
