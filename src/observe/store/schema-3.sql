-- Schema 3.

-- People. `people` is what heads and looks say, and is never taken back; `people_said` is what persons say, in labels. The
-- latter goes before.
ALTER TABLE events ADD COLUMN people INTEGER NOT NULL DEFAULT 0;      -- 1: people may be in it
ALTER TABLE events ADD COLUMN people_said INTEGER;                    -- 1: they are; 0: they are not; null: nobody has said
CREATE INDEX events_people ON events (id) WHERE coalesce(people_said, people) = 1;
-- Of an event's answers that hold: any that says people or vehicles says 1, in whatever task and of whatever frame; one of the
-- whole event that says what else it is says 0.
CREATE VIEW people_said AS SELECT e.id AS event, (
    SELECT CASE
        WHEN max(l.class IN ('human', 'vehicle')) THEN 1
        WHEN max(a.captured_us IS NULL AND a.task IN ('species', 'content') AND l.class NOT IN ('unknown', 'unidentifiable'))
            THEN 0
        END
    FROM answers a JOIN labels l ON l.answer = a.id
    WHERE a.event = e.id AND a.withdrawn_us IS NULL AND NOT EXISTS (
        SELECT 1 FROM answers b WHERE b.event = a.event AND b.captured_us IS a.captured_us AND b.task = a.task
            AND b.withdrawn_us IS NULL AND b.id > a.id)
) AS said FROM events e;
CREATE TRIGGER people_labelled AFTER INSERT ON labels BEGIN
    UPDATE events SET people_said = (SELECT said FROM people_said p WHERE p.event = events.id)
    WHERE id = (SELECT event FROM answers WHERE id = NEW.answer);
END;
CREATE TRIGGER people_renamed AFTER UPDATE OF class ON labels BEGIN
    UPDATE events SET people_said = (SELECT said FROM people_said p WHERE p.event = events.id)
    WHERE id = (SELECT event FROM answers WHERE id = NEW.answer);
END;
CREATE TRIGGER people_unlabelled AFTER DELETE ON labels BEGIN
    UPDATE events SET people_said = (SELECT said FROM people_said p WHERE p.event = events.id)
    WHERE id = (SELECT event FROM answers WHERE id = OLD.answer);
END;
CREATE TRIGGER people_withdrawn AFTER UPDATE OF withdrawn_us ON answers BEGIN
    UPDATE events SET people_said = (SELECT said FROM people_said p WHERE p.event = events.id) WHERE id = NEW.event;
END;
-- What was seen and said before there was a mark.
UPDATE events SET people = 1 WHERE EXISTS (
    SELECT 1 FROM observations o WHERE o.event = events.id
        AND (o.type IN ('human', 'vehicle') OR o.class IN ('human', 'vehicle') OR o.hint IN ('human', 'vehicle')));
UPDATE events SET people_said = (SELECT said FROM people_said p WHERE p.event = events.id);

-- Observations of several heads an event: what was said as it happened stays, and what a later head says of the stored vectors
-- stands beside it. No table refers to this one.
CREATE TABLE observations_of_several (
    id                   INTEGER PRIMARY KEY,
    event                BLOB NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    task                 TEXT NOT NULL,
    task_position        INTEGER NOT NULL,      -- of the tasks that answered; 0: the first of the config
    rescored             INTEGER NOT NULL,      -- 0: said as it happened; 1: of the stored vectors, by a head that came later
    current              INTEGER NOT NULL,      -- 1: what holds; 0: what was said first, where another holds
    position             INTEGER NOT NULL,      -- within task and answer; 0: the likeliest
    generation           INTEGER NOT NULL,
    type                 TEXT NOT NULL,         -- animal, human, vehicle, blank, unknown, unclassified
    class                TEXT,
    scientific_name      TEXT,
    probability          REAL NOT NULL,         -- 0..1
    hint                 TEXT,                  -- for an unknown: the starter head's guess
    hint_scientific_name TEXT,
    rank                 TEXT,                  -- of a taxon above several taught classes: genus, family, order; null: a class as taught
    UNIQUE (event, task, rescored, position),
    FOREIGN KEY (task, generation) REFERENCES generations (task, number)
) STRICT;
INSERT INTO observations_of_several
    SELECT id, event, task, 0, 0, 1, position, generation, type, class, scientific_name, probability, hint, hint_scientific_name, NULL
    FROM observations;
DROP TABLE observations;
ALTER TABLE observations_of_several RENAME TO observations;
