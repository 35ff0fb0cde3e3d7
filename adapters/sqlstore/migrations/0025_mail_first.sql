-- +goose Up

-- Two messages under one id that came at the same moment could both be the first.
-- The one that became an inquiry stays it, else the one that came first; the
-- others are as if they had come later: what nobody has read yet is parked.
UPDATE mail SET state = CASE WHEN state = 'kept' THEN 'parked' ELSE state END, code = 'other-content'
 WHERE code <> 'other-content' AND id <> (
     SELECT m.id FROM mail m
      WHERE m.carrier = mail.carrier AND m.tenant = mail.tenant AND m.message_id = mail.message_id AND m.code <> 'other-content'
      ORDER BY CASE WHEN m.state = 'taken' THEN 0 ELSE 1 END, m.id LIMIT 1);

-- Of all messages under one id one is the first; the others are parked, for a
-- person to compare.
CREATE UNIQUE INDEX mail_first ON mail (carrier, tenant, message_id) WHERE code <> 'other-content';

-- +goose Down
DROP INDEX mail_first;
