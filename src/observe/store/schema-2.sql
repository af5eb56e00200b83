-- Schema 2: what people say. An answer is never changed: a later one of the same event (or frame) and task supersedes it, and
-- one that is taken back is marked so.
CREATE TABLE answers (
    id           BLOB PRIMARY KEY,              -- UUID v7: their order is that of time
    event        BLOB NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    captured_us  INTEGER,                       -- the frame of that moment; null: the whole event
    task         TEXT NOT NULL,
    labeller     TEXT NOT NULL,
    given_us     INTEGER NOT NULL,
    generation   INTEGER,                       -- the head whose guess the person saw; null: none was shown
    guess        TEXT,
    verified     INTEGER NOT NULL DEFAULT 0,    -- 1: a second person agrees
    withdrawn_us INTEGER                        -- when it was taken back; null: it holds
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_event ON answers (event, task);
CREATE INDEX answers_labeller ON answers (labeller);

-- One species of an answer: a fox and a deer are two.
CREATE TABLE labels (
    answer     BLOB NOT NULL REFERENCES answers (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    class      TEXT NOT NULL,
    count      INTEGER,
    sex        TEXT,                            -- female, male
    life_stage TEXT,                            -- adult, subadult, juvenile
    PRIMARY KEY (answer, position)
) STRICT, WITHOUT ROWID;

-- Where an event came from a table of labelled pictures: what it is called there, so that the same table adds nothing twice.
ALTER TABLE events ADD COLUMN imported_as TEXT;
ALTER TABLE events ADD COLUMN time_known INTEGER NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX events_imported ON events (imported_as) WHERE imported_as IS NOT NULL;
-- Of the file that a whole picture was imported from.
ALTER TABLE media ADD COLUMN sha256 BLOB;
CREATE UNIQUE INDEX media_imported ON media (sha256) WHERE sha256 IS NOT NULL;
