-- +goose Up

-- Whose work a job is, and what it was last kept back by ('' is nothing): claims
-- go through the tenants in turn, and leave what cannot go for last.
ALTER TABLE job ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN road TEXT NOT NULL DEFAULT '';
UPDATE job SET tenant = COALESCE((SELECT tenant FROM letter WHERE letter.id = job.id), (SELECT tenant FROM inquiry WHERE inquiry.id = job.id), '');
CREATE INDEX job_share ON job (kind, lane, road, tenant, due_at);
DROP INDEX job_claim;

-- How often the directory was unsure, since the state that was entered then.
ALTER TABLE letter ADD COLUMN looks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE letter ADD COLUMN looks_since BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE letter DROP COLUMN looks_since;
ALTER TABLE letter DROP COLUMN looks;
CREATE INDEX job_claim ON job (kind, lane, due_at);
DROP INDEX job_share;
ALTER TABLE job DROP COLUMN road;
ALTER TABLE job DROP COLUMN tenant;
