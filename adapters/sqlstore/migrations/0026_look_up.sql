-- +goose Up

-- Who of a batch could be reached at one moment, for whoever plans or approves it.
-- A dispatcher, which alone can ask, answers; all of it is gone an hour after it
-- was asked for.
CREATE TABLE look_up (
    batch    TEXT   NOT NULL PRIMARY KEY,
    tenant   TEXT   NOT NULL,
    actor    TEXT   NOT NULL,
    asked_at BIGINT NOT NULL,
    lines    BIGINT NOT NULL,
    done     BIGINT NOT NULL DEFAULT 0,  -- lines answered, from the first
    tries    BIGINT NOT NULL DEFAULT 0,  -- of the present lines, in vain
    due_at   BIGINT NOT NULL DEFAULT 0,  -- nobody else works on it before
    ended    TEXT   NOT NULL DEFAULT ''  -- why it went no further
);

-- The answers of lines that follow each other, a letter for each; nothing that
-- names anybody.
CREATE TABLE look_up_line (
    batch   TEXT   NOT NULL REFERENCES look_up (batch),
    first   BIGINT NOT NULL,
    answers TEXT   NOT NULL,
    PRIMARY KEY (batch, first)
);

-- +goose Down
DROP TABLE look_up_line;
DROP TABLE look_up;
