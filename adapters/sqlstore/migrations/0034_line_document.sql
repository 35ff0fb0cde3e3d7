-- +goose Up

-- The lines that name a document. What is asked as (batch || '') cannot be found in the
-- order of the lines, in which all of a batch would be read for each of its documents.
DROP INDEX batch_line_document;
CREATE INDEX batch_line_document ON batch_line ((batch || ''), document);

-- +goose Down
DROP INDEX batch_line_document;
CREATE INDEX batch_line_document ON batch_line (batch, document);
