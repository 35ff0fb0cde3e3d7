-- +goose Up
INSERT INTO ledger_hash (n, hashes)
    SELECT g.n, (SELECT coalesce(string_agg(f.hash, CAST('' AS BYTEA) ORDER BY f.idx), '') FROM ledger_hash_former f
        WHERE f.idx >= g.n * 32 AND f.idx < g.n * 32 + 32)
    FROM generate_series(CAST(0 AS BIGINT), (SELECT max(idx) / 32 FROM ledger_hash_former)) AS g (n);
DROP TABLE ledger_hash_former;

-- What waits is found behind what waited: it is cleared soon.
ALTER TABLE ledger_waiting SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- +goose Down
ALTER TABLE ledger_waiting RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
CREATE TABLE ledger_hash_former (
    idx  BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA  NOT NULL
);
INSERT INTO ledger_hash_former (idx, hash)
    SELECT n * 32 + i, substr(hashes, CAST(i * 32 + 1 AS INTEGER), 32) FROM ledger_hash, generate_series(CAST(0 AS BIGINT), 31) AS g (i) WHERE i * 32 < length(hashes);
