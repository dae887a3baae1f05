-- Views: folded from records, disposable, always rebuildable. Every row version is valid for positions
-- since <= p < until; an open end is 2^63-1, never NULL, so that any past state is one indexed query.

CREATE TABLE state (                              -- one row: how far the fold has come, and of which log
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    origin   TEXT NOT NULL,
    position INTEGER NOT NULL,                    -- last record folded
    header   BLOB NOT NULL,                       -- digest of its header: tells a replaced or truncated log
    events   INTEGER NOT NULL,                    -- position of the last record about an event
    actors   INTEGER NOT NULL,
    sources  INTEGER NOT NULL,
    snapshots INTEGER NOT NULL,
    erasures INTEGER NOT NULL
) STRICT;

CREATE TABLE moment (                             -- the recorded clock: last position recorded at each time
    recorded_at TEXT PRIMARY KEY,
    position    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (                              -- one row for each version of each event; n grows with since
    n        INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    revision INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    first    INTEGER NOT NULL,                    -- position of the event's first record: the last tie-break of order
    class    INTEGER NOT NULL,                    -- duration class, see classes.py
    earliest INTEGER NOT NULL,
    latest   INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    status   TEXT NOT NULL,
    hidden   INTEGER NOT NULL,                    -- 0 shown, 1 retracted, 2 merged into another, 3 erased
    body     TEXT NOT NULL                        -- JSON as the API gives it
) STRICT;
CREATE INDEX event_id ON event (id, since);
CREATE INDEX event_order ON event (class, earliest, latest, sequence, first, n, since, until, hidden);

CREATE TABLE facet (                              -- actor/..., topic/..., place/..., source/..., related/..., about
    facet INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    last  INTEGER NOT NULL                        -- position of the last record that could change what stands here
) STRICT;

CREATE TABLE lane (                               -- an event version under a facet
    n        INTEGER NOT NULL,
    facet    INTEGER NOT NULL,
    class    INTEGER NOT NULL,
    earliest INTEGER NOT NULL,
    latest   INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    hidden   INTEGER NOT NULL,
    roles    TEXT NOT NULL,                       -- |speaker|relayer|
    PRIMARY KEY (n, facet)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_order ON lane (facet, class, earliest, latest, sequence, first, n, since, until, hidden);

CREATE TABLE class (class INTEGER NOT NULL, about INTEGER NOT NULL, PRIMARY KEY (class, about)) STRICT, WITHOUT ROWID;

CREATE TABLE thing (                              -- versions of actors and sources
    n        INTEGER PRIMARY KEY,
    type     TEXT NOT NULL,                       -- actor or source
    id       TEXT NOT NULL,
    revision INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    words    TEXT NOT NULL,                       -- names and aliases, folded, for search
    body     TEXT NOT NULL,
    text     TEXT,                                -- a source's own text, never part of an answer
    published INTEGER                             -- a source's latest possible publication time
) STRICT;
CREATE INDEX thing_id ON thing (type, id, since);

CREATE TABLE member (                             -- who belongs to which group, by the actors' own descriptions
    actor  TEXT NOT NULL,
    of     TEXT NOT NULL,
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (of, actor, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_actor ON member (actor, until);

CREATE TABLE snapshot (                           -- what was published; the manifest is in the record at `position`
    id       TEXT PRIMARY KEY,
    position INTEGER NOT NULL,                    -- of the record that published it
    body     TEXT NOT NULL                        -- JSON as lists of snapshots give it
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_position ON snapshot (position);

CREATE VIRTUAL TABLE words USING fts5 (           -- rowid = event.n; contentless: the text is in the body already
    text, content = '', tokenize = "unicode61 remove_diacritics 2"
);
