-- Schema 4: what people are asked, and how often what they say is the same thing said again.

-- An answer's own key, chosen by the client that sends it: sent twice it is one answer. And the question that it answers.
ALTER TABLE answers ADD COLUMN client_key TEXT;
ALTER TABLE answers ADD COLUMN question BLOB;     -- of `questions`; that one may be gone
CREATE UNIQUE INDEX answers_key ON answers (labeller, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX answers_asked ON answers (labeller, given_us) WHERE question IS NOT NULL;
CREATE INDEX answers_question ON answers (question) WHERE question IS NOT NULL;

-- A frame in which the gate saw nothing, drawn at random: by these it is known what the gate misses.
CREATE TABLE moments (
    id          BLOB PRIMARY KEY,               -- UUID v7: their order is that of time
    deployment  TEXT NOT NULL REFERENCES deployments (id),
    camera      TEXT NOT NULL,
    captured_us INTEGER NOT NULL,
    modality    TEXT NOT NULL,                  -- colour, infrared
    file        TEXT,                           -- below the state folder; null: no picture kept any longer
    bytes       INTEGER NOT NULL DEFAULT 0,     -- of the file
    probability REAL NOT NULL,                  -- 0..1: with which this frame was drawn, had it been still or not
    stands_secs REAL NOT NULL,                  -- how much still time it stands for: moments are drawn of time, not of frames
    people_said INTEGER                         -- 1: people are in it; 0: they are not; null: nobody has said
) STRICT, WITHOUT ROWID;
CREATE INDEX moments_camera ON moments (camera, captured_us);
CREATE INDEX moments_deployment ON moments (deployment);
CREATE INDEX moments_pictures ON moments (captured_us) WHERE file IS NOT NULL;

-- What people say of a moment; the latest that was not taken back holds. No head is taught by it.
CREATE TABLE moment_answers (
    id           BLOB PRIMARY KEY,              -- UUID v7
    moment       BLOB NOT NULL REFERENCES moments (id) ON DELETE CASCADE,
    task         TEXT NOT NULL,
    labeller     TEXT NOT NULL,
    given_us     INTEGER NOT NULL,
    client_key   TEXT,
    question     BLOB NOT NULL,
    withdrawn_us INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX moment_answers_moment ON moment_answers (moment, task);
CREATE INDEX moment_answers_asked ON moment_answers (labeller, given_us);
CREATE INDEX moment_answers_question ON moment_answers (question);
CREATE UNIQUE INDEX moment_answers_key ON moment_answers (labeller, client_key) WHERE client_key IS NOT NULL;
CREATE TABLE moment_labels (
    answer     BLOB NOT NULL REFERENCES moment_answers (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    class      TEXT NOT NULL,
    count      INTEGER,
    sex        TEXT,                            -- female, male
    life_stage TEXT,                            -- adult, subadult, juvenile
    PRIMARY KEY (answer, position)
) STRICT, WITHOUT ROWID;

-- What is asked: of an event, or of a moment.
CREATE TABLE questions (
    id              BLOB PRIMARY KEY,           -- UUID v7
    task            TEXT NOT NULL,
    position        INTEGER NOT NULL,           -- the order in which they are asked
    why             TEXT NOT NULL,              -- unsure, cover, strange, protected, suspect, random, still
    reason          TEXT NOT NULL,              -- a sentence for people
    blind           INTEGER NOT NULL,           -- 1: the guess is not shown
    event           BLOB REFERENCES events (id) ON DELETE CASCADE,
    moment          BLOB REFERENCES moments (id) ON DELETE CASCADE,
    media           BLOB,                       -- the picture to show first; it may be gone
    probability     REAL,                       -- 0..1: with which it was drawn at random; null: it was chosen
    asked_us        INTEGER NOT NULL,
    state           TEXT NOT NULL,              -- open, answered, elsewhere (its event was answered unasked), expired
    leased_to       TEXT,
    leased_until_us INTEGER,
    settled_us      INTEGER,                    -- when it ceased to be open
    CHECK ((event IS NULL) <> (moment IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX questions_open ON questions (task, position) WHERE state = 'open';
CREATE INDEX questions_event ON questions (event) WHERE event IS NOT NULL;
CREATE INDEX questions_moment ON questions (moment) WHERE moment IS NOT NULL;
CREATE INDEX questions_settled ON questions (task, settled_us) WHERE state = 'answered';
CREATE INDEX questions_drawn ON questions (task, asked_us) WHERE probability IS NOT NULL;
CREATE UNIQUE INDEX questions_once ON questions (task, event) WHERE state = 'open' AND event IS NOT NULL;
CREATE UNIQUE INDEX questions_moment_once ON questions (task, moment) WHERE state = 'open' AND moment IS NOT NULL;

-- Who will not answer it.
CREATE TABLE skips (
    question   BLOB NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
    labeller   TEXT NOT NULL,
    skipped_us INTEGER NOT NULL,
    PRIMARY KEY (question, labeller)
) STRICT, WITHOUT ROWID;
CREATE INDEX skips_labeller ON skips (labeller, skipped_us);

-- When a task's questions were chosen, and what the random ones among them were drawn of: one row a time, whose `filled_us` is
-- their `asked_us`.
CREATE TABLE fillings (
    task      TEXT NOT NULL,
    filled_us INTEGER NOT NULL,
    day_us    INTEGER NOT NULL,                 -- when that day began, where the first camera hangs
    upto_us   INTEGER NOT NULL,                 -- events and moments that began before this one were drawn of; earlier ones by earlier fillings
    events    INTEGER NOT NULL,                 -- how many those were
    moments   REAL NOT NULL,                    -- how many still moments there were, kept or not
    PRIMARY KEY (task, filled_us)
) STRICT, WITHOUT ROWID;

-- Whatever way an event is answered, it is not asked about any more; and again where that answer is taken back, if it was asked for.
CREATE TRIGGER questions_answered AFTER INSERT ON answers BEGIN
    UPDATE questions SET settled_us = NEW.given_us, leased_to = NULL, leased_until_us = NULL,
        state = CASE WHEN id IS NEW.question THEN 'answered' ELSE 'elsewhere' END
    WHERE event = NEW.event AND task = NEW.task AND state = 'open';
END;
CREATE TRIGGER questions_again AFTER UPDATE OF withdrawn_us ON answers
WHEN NEW.withdrawn_us IS NOT NULL AND NEW.question IS NOT NULL BEGIN
    UPDATE OR IGNORE questions SET state = 'open', settled_us = NULL
    WHERE id = NEW.question AND state = 'answered'
        AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.question = NEW.question AND a.withdrawn_us IS NULL);
END;
CREATE TRIGGER questions_moment_answered AFTER INSERT ON moment_answers BEGIN
    UPDATE questions SET settled_us = NEW.given_us, leased_to = NULL, leased_until_us = NULL,
        state = CASE WHEN id IS NEW.question THEN 'answered' ELSE 'elsewhere' END
    WHERE moment = NEW.moment AND task = NEW.task AND state = 'open';
END;
CREATE TRIGGER questions_moment_again AFTER UPDATE OF withdrawn_us ON moment_answers
WHEN NEW.withdrawn_us IS NOT NULL BEGIN
    UPDATE OR IGNORE questions SET state = 'open', settled_us = NULL
    WHERE id = NEW.question AND state = 'answered'
        AND NOT EXISTS (SELECT 1 FROM moment_answers a WHERE a.question = NEW.question AND a.withdrawn_us IS NULL);
END;

-- Of a moment as of an event: any answer that holds and says people or vehicles says 1, one that says what else it is says 0.
CREATE VIEW moment_people_said AS SELECT m.id AS moment, (
    SELECT CASE
        WHEN max(l.class IN ('human', 'vehicle')) THEN 1
        WHEN max(a.task IN ('species', 'content') AND l.class NOT IN ('unknown', 'unidentifiable')) THEN 0
        END
    FROM moment_answers a JOIN moment_labels l ON l.answer = a.id
    WHERE a.moment = m.id AND a.withdrawn_us IS NULL AND NOT EXISTS (
        SELECT 1 FROM moment_answers b WHERE b.moment = a.moment AND b.task = a.task
            AND b.withdrawn_us IS NULL AND b.id > a.id)
) AS said FROM moments m;
CREATE TRIGGER moment_people_labelled AFTER INSERT ON moment_labels BEGIN
    UPDATE moments SET people_said = (SELECT said FROM moment_people_said p WHERE p.moment = moments.id)
    WHERE id = (SELECT moment FROM moment_answers WHERE id = NEW.answer);
END;
CREATE TRIGGER moment_people_renamed AFTER UPDATE OF class ON moment_labels BEGIN
    UPDATE moments SET people_said = (SELECT said FROM moment_people_said p WHERE p.moment = moments.id)
    WHERE id = (SELECT moment FROM moment_answers WHERE id = NEW.answer);
END;
CREATE TRIGGER moment_people_unlabelled AFTER DELETE ON moment_labels BEGIN
    UPDATE moments SET people_said = (SELECT said FROM moment_people_said p WHERE p.moment = moments.id)
    WHERE id = (SELECT moment FROM moment_answers WHERE id = OLD.answer);
END;
CREATE TRIGGER moment_people_withdrawn AFTER UPDATE OF withdrawn_us ON moment_answers BEGIN
    UPDATE moments SET people_said = (SELECT said FROM moment_people_said p WHERE p.moment = moments.id)
    WHERE id = NEW.moment;
END;

-- Their pictures count as all others do.
CREATE TRIGGER moments_more AFTER INSERT ON moments WHEN NEW.file IS NOT NULL BEGIN
    UPDATE totals SET pictures = pictures + 1, picture_bytes = picture_bytes + NEW.bytes;
END;
CREATE TRIGGER moments_forgotten AFTER UPDATE OF file ON moments WHEN NEW.file IS NULL AND OLD.file IS NOT NULL BEGIN
    UPDATE totals SET pictures = pictures - 1, picture_bytes = picture_bytes - OLD.bytes;
END;
CREATE TRIGGER moments_less AFTER DELETE ON moments WHEN OLD.file IS NOT NULL BEGIN
    UPDATE totals SET pictures = pictures - 1, picture_bytes = picture_bytes - OLD.bytes;
END;
