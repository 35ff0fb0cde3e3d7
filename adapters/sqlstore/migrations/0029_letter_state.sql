-- +goose Up

-- Letters of one state, for lists. What is asked as (tenant || '') cannot stand in for
-- the caller's key, with which a letter is found among all of its tenant's.
DROP INDEX letter_state;
CREATE INDEX letter_state ON letter ((tenant || ''), state, id);

-- +goose Down
DROP INDEX letter_state;
CREATE INDEX letter_state ON letter (tenant, state, id);
