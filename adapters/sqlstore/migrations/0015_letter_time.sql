-- +goose Up

-- The latest day of arrival (Danish time, 2026-12-28; '' is none), the lane of
-- breach notifications, and since when nothing of the letter may be purged
-- (legal hold; 0 is no hold).
ALTER TABLE letter ADD COLUMN arrive TEXT NOT NULL DEFAULT '';
ALTER TABLE letter ADD COLUMN urgent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE letter ADD COLUMN hold_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE letter ADD COLUMN hold_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE batch_line ADD COLUMN arrive TEXT NOT NULL DEFAULT '';

-- What people and watchdogs look for is rare among letters.
CREATE INDEX letter_person ON letter (since) WHERE state IN ('needs-person', 'returned');
CREATE INDEX letter_arrive ON letter (arrive) WHERE arrive <> '';
CREATE INDEX letter_urgent ON letter (id) WHERE urgent = 1;
CREATE INDEX letter_hold ON letter (inquiry) WHERE hold_at > 0;
CREATE INDEX receipt_of_letter ON receipt (letter) WHERE letter <> '';

-- +goose Down
DROP INDEX receipt_of_letter;
DROP INDEX letter_hold;
DROP INDEX letter_urgent;
DROP INDEX letter_arrive;
DROP INDEX letter_person;
ALTER TABLE batch_line DROP COLUMN arrive;
ALTER TABLE letter DROP COLUMN hold_reason;
ALTER TABLE letter DROP COLUMN hold_at;
ALTER TABLE letter DROP COLUMN urgent;
ALTER TABLE letter DROP COLUMN arrive;
