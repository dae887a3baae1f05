-- The log's tables, format 2. STRICT: types are enforced. WITHOUT ROWID: incremental blob writes, which bypass triggers,
-- cannot open such a table. The triggers stop accidents; the authorizer in sqlite.py stops our own bugs; hashes detect
-- tampering; only a checkpoint kept elsewhere detects a rewritten or truncated file. Seals (seals.py) find damage in
-- what no hash of the tree covers; they are no proof against forgery.

CREATE TABLE IF NOT EXISTS meta (                                  -- facts about the log, each written once
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    seal  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS record (
    position  INTEGER PRIMARY KEY CHECK (position >= 1),
    header    TEXT NOT NULL,                                       -- canonical JSON, the Merkle leaf, verbatim
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    recorded_at TEXT AS (header ->> '$.recorded_at') VIRTUAL       -- derived: cannot diverge from the hashed bytes
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS part (                                  -- the only table with rows that may go: see erasure
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    salt     BLOB NOT NULL CHECK (length(salt) = 16),
    bytes    TEXT NOT NULL,                                        -- the exact text committed to
    PRIMARY KEY (position, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS erasure (                               -- derived from part.erased records: which parts went
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    record   INTEGER NOT NULL,                                     -- position of the first record that declares it
    PRIMARY KEY (position, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS erasure_record ON erasure (record);

CREATE TABLE IF NOT EXISTS tile_root (                             -- complete Merkle nodes at levels 8, 16, 24 ...
    level INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS stream_head (                           -- derived from headers; updated with each record
    stream   TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS receipt (                               -- idempotency: key -> what it was used for
    key    TEXT PRIMARY KEY,
    digest BLOB NOT NULL,                                          -- 32 zero bytes once some of that was erased
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    seal   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS checkpoint (                            -- signed notes that were handed out (C2SP)
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- INSERT OR REPLACE passes UPDATE and DELETE triggers: only a BEFORE INSERT trigger refuses it, and gaps with it.
CREATE TRIGGER record_next BEFORE INSERT ON record
    WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM record)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: gap or overwrite'); END;
CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER record_no_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER meta_once BEFORE INSERT ON meta
    WHEN EXISTS (SELECT 1 FROM meta WHERE name = NEW.name)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: it keeps its name'); END;
CREATE TRIGGER meta_no_update BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER meta_no_delete BEFORE DELETE ON meta BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- A part goes only once a record declares it erased, and does not come back.
CREATE TRIGGER part_once BEFORE INSERT ON part
    WHEN EXISTS (SELECT 1 FROM part WHERE position = NEW.position AND name = NEW.name)
    OR EXISTS (SELECT 1 FROM erasure WHERE position = NEW.position AND name = NEW.name)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: this part exists, or was erased'); END;
CREATE TRIGGER part_no_update BEFORE UPDATE ON part BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER part_no_delete BEFORE DELETE ON part
    WHEN NOT EXISTS (SELECT 1 FROM erasure WHERE position = OLD.position AND name = OLD.name)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: no record declares this part erased'); END;

CREATE TRIGGER erasure_once BEFORE INSERT ON erasure
    WHEN EXISTS (SELECT 1 FROM erasure WHERE position = NEW.position AND name = NEW.name)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: this part was erased'); END;
CREATE TRIGGER erasure_no_update BEFORE UPDATE ON erasure BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER erasure_no_delete BEFORE DELETE ON erasure BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER tile_once BEFORE INSERT ON tile_root
    WHEN EXISTS (SELECT 1 FROM tile_root WHERE level = NEW.level AND n = NEW.n)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: this tile exists'); END;
CREATE TRIGGER tile_no_update BEFORE UPDATE ON tile_root BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER tile_no_delete BEFORE DELETE ON tile_root BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- A receipt changes only with an erasure, which is then the newest record: its digest goes, its place stays.
CREATE TRIGGER receipt_once BEFORE INSERT ON receipt
    WHEN EXISTS (SELECT 1 FROM receipt WHERE key = NEW.key)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: this key was used'); END;
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt
    WHEN NEW.digest IS NOT zeroblob(32) OR NEW.first IS NOT OLD.first OR NEW.last IS NOT OLD.last
    OR NOT EXISTS (SELECT 1 FROM erasure WHERE record = (SELECT max(position) FROM record))
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER checkpoint_once BEFORE INSERT ON checkpoint
    WHEN EXISTS (SELECT 1 FROM checkpoint WHERE size = NEW.size)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only: this checkpoint exists'); END;
CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
