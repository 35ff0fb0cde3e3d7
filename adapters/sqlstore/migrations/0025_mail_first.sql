-- +goose Up

-- Of all messages under one id one is the first; the others are parked, for a
-- person to compare.
CREATE UNIQUE INDEX mail_first ON mail (carrier, tenant, message_id) WHERE code <> 'other-content';

-- +goose Down
DROP INDEX mail_first;
