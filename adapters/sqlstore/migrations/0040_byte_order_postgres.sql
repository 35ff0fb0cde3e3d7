-- +goose Up

-- Ids are put in order here and in the database, which must agree. A Danish database puts
-- aa behind b, so there each text has the order of its bytes; elsewhere ids have it anyway.
-- +goose StatementBegin
DO $$
DECLARE
    t record;
BEGIN
    IF '0aa' < '0b' THEN
        RETURN;
    END IF;
    FOR t IN SELECT c.relname, string_agg(format('ALTER COLUMN %I TYPE TEXT COLLATE "C"', a.attname), ', ' ORDER BY a.attnum) AS changes
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND c.relkind = 'r'
          AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = CAST('text' AS regtype) AND a.attcollation <> CAST('"C"' AS regcollation)
        GROUP BY c.relname ORDER BY c.relname
    LOOP
        EXECUTE format('ALTER TABLE %I ', t.relname) || t.changes;
    END LOOP;
    FOR t IN SELECT c.relname, a.attnum FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class l ON l.oid = i.indrelid
          JOIN pg_attribute a ON a.attrelid = c.oid AND i.indkey[a.attnum - 1] = 0
        WHERE l.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND EXISTS ( -- as 0039 has it: the index is a new one
            SELECT 1 FROM pg_attribute f WHERE f.attrelid = l.oid AND f.attstattarget = 10)
    LOOP
        EXECUTE format('ALTER INDEX %I ALTER COLUMN %s SET STATISTICS 10', t.relname, t.attnum);
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
SELECT 1; -- the former version works with this order too
