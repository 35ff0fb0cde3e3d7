-- +goose Up

-- Who was to carry a hand-over. A retry goes to nobody else; before there was a
-- choice, each channel had one carrier.
ALTER TABLE hand_over ADD COLUMN carrier TEXT NOT NULL DEFAULT '';
UPDATE hand_over SET carrier = CASE channel WHEN 'physical' THEN 'printhouse' ELSE 'digitalpost' END;

-- +goose Down
ALTER TABLE hand_over DROP COLUMN carrier;
