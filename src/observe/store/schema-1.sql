-- Schema 1. Times: whole microseconds since 1970, UTC. Identities of events and media: the 16 bytes of a UUID v7.

-- A camera at a place from a day to a day; moved or refocused means a new row.
CREATE TABLE deployments (
    id          TEXT PRIMARY KEY,               -- <camera>_<start>
    camera      TEXT NOT NULL,
    place       TEXT NOT NULL,
    latitude    REAL,                           -- degrees, WGS 84
    longitude   REAL,
    time_zone   TEXT NOT NULL,                  -- IANA name
    start_us    INTEGER NOT NULL,
    start_given INTEGER NOT NULL,               -- 0: nobody said since when, so it is the first time we saw it
    end_us      INTEGER                         -- null: it still hangs there
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX deployments_current ON deployments (camera) WHERE end_us IS NULL;

-- Heads that have answered. The truth about them is the folder heads/; this is what observations refer to.
CREATE TABLE generations (
    task        TEXT NOT NULL,
    number      INTEGER NOT NULL,               -- 0: the starter head
    created_us  INTEGER NOT NULL,               -- first answer seen
    featurizer  TEXT NOT NULL,                  -- identity of the featurizer it answers for
    note        TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id            BLOB PRIMARY KEY,
    deployment    TEXT NOT NULL REFERENCES deployments (id),
    camera        TEXT NOT NULL,
    start_us      INTEGER NOT NULL,
    end_us        INTEGER NOT NULL,             -- of an open event: its last look so far
    duration_secs REAL NOT NULL,                -- stream time, which no clock step touches
    state         TEXT NOT NULL,                -- open, ended
    modality      TEXT NOT NULL,                -- colour, infrared
    looks         INTEGER NOT NULL,             -- frames looked at
    blank         INTEGER NOT NULL              -- 1: nothing was there
) STRICT, WITHOUT ROWID;
CREATE INDEX events_open ON events (id) WHERE state = 'open';
CREATE INDEX events_shown ON events (blank, id);
CREATE INDEX events_blank ON events (camera, start_us) WHERE blank = 1;
CREATE INDEX events_deployment ON events (deployment);

-- One species in one event.
CREATE TABLE observations (
    id                   INTEGER PRIMARY KEY,
    event                BLOB NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    position             INTEGER NOT NULL,      -- 0: the likeliest
    task                 TEXT NOT NULL,
    generation           INTEGER NOT NULL,
    type                 TEXT NOT NULL,         -- animal, human, vehicle, blank, unknown, unclassified
    class                TEXT,
    scientific_name      TEXT,
    probability          REAL NOT NULL,         -- 0..1
    hint                 TEXT,                  -- for an unknown: the starter head's guess
    hint_scientific_name TEXT,
    UNIQUE (event, position),
    FOREIGN KEY (task, generation) REFERENCES generations (task, number)
) STRICT;

-- A candidate worth keeping: its picture, its vectors, or both.
CREATE TABLE media (
    id          BLOB PRIMARY KEY,
    event       BLOB NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    deployment  TEXT NOT NULL REFERENCES deployments (id),
    captured_us INTEGER NOT NULL,
    file        TEXT,                           -- below the state folder; null: no picture kept, or no longer
    mediatype   TEXT,                           -- image/jpeg
    bytes       INTEGER NOT NULL DEFAULT 0,     -- of the file
    method      TEXT NOT NULL,                  -- activityDetection, timeLapse
    modality    TEXT NOT NULL,                  -- colour, infrared
    view        TEXT NOT NULL,                  -- whole, crop, empty
    x           REAL NOT NULL,                  -- area, in full-resolution px
    y           REAL NOT NULL,
    width       REAL NOT NULL,
    height      REAL NOT NULL,
    score       REAL NOT NULL                   -- 0..1: how much it says
) STRICT, WITHOUT ROWID;
CREATE INDEX media_event ON media (event);
CREATE INDEX media_deployment ON media (deployment);
CREATE INDEX media_pictures ON media (captured_us, bytes) WHERE file IS NOT NULL;

-- What a featurizer says of a media's area.
CREATE TABLE embeddings (
    media      BLOB NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    featurizer TEXT NOT NULL,                   -- identity: a vector of another featurizer is another vector
    vector     BLOB NOT NULL,                   -- f16, little endian
    PRIMARY KEY (media, featurizer)
) STRICT;

-- One row: how much there is, kept by the triggers below, because counting takes the longer the more there is.
CREATE TABLE totals (
    events        INTEGER NOT NULL,
    blanks        INTEGER NOT NULL,             -- of these
    pictures      INTEGER NOT NULL,             -- media with a file
    picture_bytes INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0, 0, 0, 0);
CREATE TRIGGER events_more AFTER INSERT ON events BEGIN
    UPDATE totals SET events = events + 1, blanks = blanks + NEW.blank;
END;
CREATE TRIGGER events_other AFTER UPDATE OF blank ON events WHEN NEW.blank <> OLD.blank BEGIN
    UPDATE totals SET blanks = blanks + NEW.blank - OLD.blank;
END;
CREATE TRIGGER events_less AFTER DELETE ON events BEGIN
    UPDATE totals SET events = events - 1, blanks = blanks - OLD.blank;
END;
CREATE TRIGGER pictures_more AFTER INSERT ON media WHEN NEW.file IS NOT NULL BEGIN
    UPDATE totals SET pictures = pictures + 1, picture_bytes = picture_bytes + NEW.bytes;
END;
CREATE TRIGGER pictures_forgotten AFTER UPDATE OF file ON media WHEN NEW.file IS NULL AND OLD.file IS NOT NULL BEGIN
    UPDATE totals SET pictures = pictures - 1, picture_bytes = picture_bytes - OLD.bytes;
END;
CREATE TRIGGER pictures_less AFTER DELETE ON media WHEN OLD.file IS NOT NULL BEGIN
    UPDATE totals SET pictures = pictures - 1, picture_bytes = picture_bytes - OLD.bytes;
END;
