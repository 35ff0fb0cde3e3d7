-- +goose Up

-- What is sealed or signed grows by being compressed, which PostgreSQL would try
-- with every version of a row that is longer than 2 KB.
ALTER TABLE letter ALTER COLUMN recipient SET STORAGE EXTERNAL, ALTER COLUMN content SET STORAGE EXTERNAL, ALTER COLUMN manifest SET STORAGE EXTERNAL;
ALTER TABLE batch_line ALTER COLUMN recipient SET STORAGE EXTERNAL, ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE receipt ALTER COLUMN raw SET STORAGE EXTERNAL;

-- Rows that change in columns of no index stay on their page while it has room, and
-- then no index is written.
ALTER TABLE job SET (fillfactor = 60);
ALTER TABLE hand_over SET (fillfactor = 80);

-- A queue that a batch has filled and emptied is cleared soon, however large the
-- share of it is.
ALTER TABLE job SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE ledger_waiting SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE letter SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE receipt SET (autovacuum_vacuum_scale_factor = 0.05);

-- +goose Down
ALTER TABLE receipt RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE letter RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE ledger_waiting RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE job RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE hand_over RESET (fillfactor);
ALTER TABLE receipt ALTER COLUMN raw SET STORAGE EXTENDED;
ALTER TABLE batch_line ALTER COLUMN recipient SET STORAGE EXTENDED, ALTER COLUMN content SET STORAGE EXTENDED;
ALTER TABLE letter ALTER COLUMN recipient SET STORAGE EXTENDED, ALTER COLUMN content SET STORAGE EXTENDED, ALTER COLUMN manifest SET STORAGE EXTENDED;
