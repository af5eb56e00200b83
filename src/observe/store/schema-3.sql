-- Schema 3.

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
    UNIQUE (event, task, rescored, position),
    FOREIGN KEY (task, generation) REFERENCES generations (task, number)
) STRICT;
INSERT INTO observations_of_several
    SELECT id, event, task, 0, 0, 1, position, generation, type, class, scientific_name, probability, hint, hint_scientific_name
    FROM observations;
DROP TABLE observations;
ALTER TABLE observations_of_several RENAME TO observations;
