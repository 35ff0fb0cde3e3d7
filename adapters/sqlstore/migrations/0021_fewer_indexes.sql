-- +goose Up

-- Each move of a letter writes a new version of its row into every index, for its
-- state is in some. This one was there for whoever reads the letters of a batch in
-- the order of its lines; the batch's lines name them in that order.
DROP INDEX letter_batch;

-- +goose Down
CREATE INDEX letter_batch ON letter (batch, line);
