-- Schema 5: what is found, and counted, as fast among a million events as among a thousand.

-- Events that are called so now, the latest last.
CREATE INDEX observations_called ON observations (coalesce(class, type), event) WHERE current = 1;
-- Those of a camera.
CREATE INDEX events_camera ON events (camera, id);

-- How often each class of a task was said, kept by the triggers below: every page offers the names, and counting all labels takes the
-- longer the more there are.
CREATE TABLE label_totals (
    id        INTEGER PRIMARY KEY,              -- their order is that in which they were first said
    task      TEXT NOT NULL,
    class     TEXT NOT NULL,
    given     INTEGER NOT NULL,                 -- labels, withdrawn ones too
    withdrawn INTEGER NOT NULL,                 -- of these
    UNIQUE (task, class)
) STRICT;
INSERT INTO label_totals (task, class, given, withdrawn)
    SELECT a.task, l.class, count(*), count(a.withdrawn_us) FROM labels l JOIN answers a ON a.id = l.answer
    GROUP BY a.task, l.class ORDER BY min(a.id), l.class;
CREATE TRIGGER label_totals_more AFTER INSERT ON labels BEGIN
    INSERT INTO label_totals (task, class, given, withdrawn)
        SELECT a.task, NEW.class, 1, a.withdrawn_us IS NOT NULL FROM answers a WHERE a.id = NEW.answer
        ON CONFLICT (task, class) DO UPDATE SET given = given + 1, withdrawn = withdrawn + excluded.withdrawn;
END;
CREATE TRIGGER label_totals_renamed AFTER UPDATE OF class ON labels WHEN NEW.class <> OLD.class BEGIN
    UPDATE label_totals SET given = given - 1,
        withdrawn = withdrawn - (SELECT a.withdrawn_us IS NOT NULL FROM answers a WHERE a.id = NEW.answer)
    WHERE class = OLD.class AND task = (SELECT a.task FROM answers a WHERE a.id = NEW.answer);
    INSERT INTO label_totals (task, class, given, withdrawn)
        SELECT a.task, NEW.class, 1, a.withdrawn_us IS NOT NULL FROM answers a WHERE a.id = NEW.answer
        ON CONFLICT (task, class) DO UPDATE SET given = given + 1, withdrawn = withdrawn + excluded.withdrawn;
    DELETE FROM label_totals WHERE given = 0;
END;
-- Of a label alone; where its answer goes that is gone already, and the next trigger has counted.
CREATE TRIGGER label_totals_less AFTER DELETE ON labels BEGIN
    UPDATE label_totals SET given = given - 1,
        withdrawn = withdrawn - (SELECT a.withdrawn_us IS NOT NULL FROM answers a WHERE a.id = OLD.answer)
    WHERE class = OLD.class AND task = (SELECT a.task FROM answers a WHERE a.id = OLD.answer);
    DELETE FROM label_totals WHERE given = 0;
END;
CREATE TRIGGER label_totals_gone BEFORE DELETE ON answers BEGIN
    UPDATE label_totals SET
        given = given - (SELECT count(*) FROM labels l WHERE l.answer = OLD.id AND l.class = label_totals.class),
        withdrawn = withdrawn
            - (OLD.withdrawn_us IS NOT NULL) * (SELECT count(*) FROM labels l WHERE l.answer = OLD.id AND l.class = label_totals.class)
    WHERE task = OLD.task AND class IN (SELECT l.class FROM labels l WHERE l.answer = OLD.id);
    DELETE FROM label_totals WHERE given = 0;
END;
CREATE TRIGGER label_totals_withdrawn AFTER UPDATE OF withdrawn_us ON answers
WHEN (NEW.withdrawn_us IS NULL) <> (OLD.withdrawn_us IS NULL) BEGIN
    UPDATE label_totals SET withdrawn = withdrawn + iif(NEW.withdrawn_us IS NULL, -1, 1)
        * (SELECT count(*) FROM labels l WHERE l.answer = NEW.id AND l.class = label_totals.class)
    WHERE task = NEW.task AND class IN (SELECT l.class FROM labels l WHERE l.answer = NEW.id);
END;

-- Events that look like the one that a question is about, the likeliest first: one answer may name them all.
CREATE TABLE question_alike (
    question BLOB NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    event    BLOB NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    PRIMARY KEY (question, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX question_alike_event ON question_alike (event);
