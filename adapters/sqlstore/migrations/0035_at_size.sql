-- +goose Up

-- Who names a document's bytes. Each purge asks it of one, the sweep of all that lie
-- there, and without these each question reads every document of the house.
CREATE INDEX letter_document_blob ON letter_document (blob);
CREATE INDEX batch_document_blob ON batch_document (blob);
CREATE INDEX inquiry_blob ON inquiry (blob);
CREATE INDEX mail_blob ON mail (blob);

-- What retention looks for: of each municipality what ended first. Neither tenant nor
-- state are asked for in this way anywhere else, so that no other index can stand in.
CREATE INDEX letter_over ON letter (('' || tenant), since, id)
    WHERE hold_at = 0 AND (state || '') IN ('delivered', 'delivered-proven', 'presumed-delivered', 'cancelled', 'recalled', 'closed');
CREATE INDEX mail_over ON mail (due_at) WHERE state = 'closed' AND blob <> '';
CREATE INDEX inquiry_over ON inquiry (accepted_at) WHERE state IN ('closed', 'forwarded');

-- Letters that have a day and are still on their road: those that have arrived are
-- nearly all.
DROP INDEX letter_arrive;
CREATE INDEX letter_timed ON letter (arrive)
    WHERE arrive <> '' AND (state || '') NOT IN ('delivered', 'delivered-proven', 'presumed-delivered', 'cancelled', 'recalled', 'closed', 'purged');

-- +goose Down
DROP INDEX letter_timed;
CREATE INDEX letter_arrive ON letter (arrive) WHERE arrive <> '';
DROP INDEX inquiry_over;
DROP INDEX mail_over;
DROP INDEX letter_over;
DROP INDEX mail_blob;
DROP INDEX inquiry_blob;
DROP INDEX batch_document_blob;
DROP INDEX letter_document_blob;
