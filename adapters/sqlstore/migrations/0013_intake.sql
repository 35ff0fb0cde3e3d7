-- +goose Up

-- Lines become letters in their order, so how far that has come is a number of
-- the batch, and no line is written twice.
ALTER TABLE batch ADD COLUMN made BIGINT NOT NULL DEFAULT 0; -- lines 1 to made are letters
UPDATE batch SET made = (SELECT count(*) FROM batch_line WHERE batch_line.batch = batch.id AND batch_line.made = 1);

-- A line need not be checked against its batch one by one: whoever writes lines
-- changes the row of their batch in the same transaction, or fails.
CREATE TABLE batch_line_next (
    batch     TEXT   NOT NULL,
    n         BIGINT NOT NULL,
    letter    TEXT   NOT NULL,
    reference TEXT   NOT NULL,
    business  BYTEA  NOT NULL,
    digest    BYTEA  NOT NULL,
    document  TEXT   NOT NULL,
    recipient BYTEA  NOT NULL,
    content   BYTEA  NOT NULL,
    PRIMARY KEY (batch, n)
);
INSERT INTO batch_line_next (batch, n, letter, reference, business, digest, document, recipient, content)
    SELECT batch, n, letter, reference, business, digest, document, recipient, content FROM batch_line;
DROP TABLE batch_line;
ALTER TABLE batch_line_next RENAME TO batch_line;
CREATE INDEX batch_line_document ON batch_line (batch, document);
CREATE UNIQUE INDEX batch_line_key ON batch_line (batch, business);

-- +goose Down
ALTER TABLE batch_line ADD COLUMN made BIGINT NOT NULL DEFAULT 0;
UPDATE batch_line SET made = 1 WHERE n <= (SELECT made FROM batch WHERE batch.id = batch_line.batch);
CREATE INDEX batch_line_unmade ON batch_line (batch, n) WHERE made = 0;
ALTER TABLE batch DROP COLUMN made;
