-- Schema 7: what heads take for nothing is checked at random, too.

ALTER TABLE questions ADD COLUMN blank INTEGER NOT NULL DEFAULT 0;  -- 1: drawn at random of the events in which no head saw anything
ALTER TABLE fillings ADD COLUMN blanks INTEGER NOT NULL DEFAULT 0;  -- how many of these there were
