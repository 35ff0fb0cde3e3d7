-- +goose Up

-- What a lease token must hash to (hex SHA-256); the token itself is not kept here.
ALTER TABLE inquiry ADD COLUMN lease_secret TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE inquiry DROP COLUMN lease_secret;
