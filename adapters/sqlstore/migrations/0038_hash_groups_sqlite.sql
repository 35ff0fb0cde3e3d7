-- +goose Up
INSERT INTO ledger_hash (n, hashes)
    WITH RECURSIVE g (n) AS (SELECT 0 WHERE EXISTS (SELECT 1 FROM ledger_hash_former) UNION ALL SELECT n + 1 FROM g WHERE n < (SELECT max(idx) / 32 FROM ledger_hash_former))
    SELECT n, (SELECT coalesce(unhex(group_concat(hex(hash), '' ORDER BY idx)), x'') FROM ledger_hash_former WHERE idx >= n * 32 AND idx < n * 32 + 32) FROM g;
DROP TABLE ledger_hash_former;

-- +goose Down
CREATE TABLE ledger_hash_former (
    idx  BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA  NOT NULL
);
INSERT INTO ledger_hash_former (idx, hash)
    WITH RECURSIVE g (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < 31)
    SELECT n * 32 + i, substr(hashes, i * 32 + 1, 32) FROM ledger_hash, g WHERE i * 32 < length(hashes);
