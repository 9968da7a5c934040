-- What decisions are made of besides the countering table and the user table.

-- The operator's policies, as JSON; `default`, and one for each group that has its own.
CREATE TABLE policies (
    name   TEXT PRIMARY KEY,
    body   TEXT NOT NULL,
    -- Of `default`: releases published since then wait for their rollouts, if it has rings. Kept while the rings stay as they are.
    put_at INTEGER NOT NULL
) STRICT;

-- Releases that no terminal is assigned any more.
CREATE TABLE blocked (
    maker      TEXT NOT NULL,
    name       TEXT NOT NULL,
    release    INTEGER NOT NULL,
    words      TEXT NOT NULL,
    blocked_at INTEGER NOT NULL,
    PRIMARY KEY (maker, name, release)
) STRICT;

-- What a channel needs of a machine, as JSON.
CREATE TABLE needs (
    maker TEXT NOT NULL,
    name  TEXT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (maker, name)
) STRICT;

CREATE TABLE rollouts (
    maker        TEXT NOT NULL,
    name         TEXT NOT NULL,
    release      INTEGER NOT NULL,
    -- As JSON.
    rings        TEXT NOT NULL,
    gate         TEXT NOT NULL,
    urgent       INTEGER NOT NULL,
    state        TEXT NOT NULL,
    -- Index of the last ring that is open.
    ring         INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    counted_from INTEGER NOT NULL,
    words        TEXT NOT NULL,
    PRIMARY KEY (maker, name, release)
) STRICT;

-- Who was told of a release that is being rolled out, and when first.
CREATE TABLE offers (
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    release  INTEGER NOT NULL,
    terminal TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (maker, name, release, terminal)
) STRICT;

-- Who reported trouble with a release, and when last.
CREATE TABLE blamed (
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    release  INTEGER NOT NULL,
    terminal TEXT NOT NULL,
    code     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (maker, name, release, terminal, code)
) STRICT;

-- Since when a terminal runs a channel, at whatever release.
CREATE TABLE stays (
    terminal TEXT NOT NULL,
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    since    INTEGER NOT NULL,
    PRIMARY KEY (terminal, maker, name)
) STRICT;

INSERT INTO stays SELECT a.terminal, a.maker, a.name, COALESCE(t.last_contact, t.enrolled_at)
    FROM applied a JOIN terminals t ON t.terminal = a.terminal;

-- What terminals say of themselves since then.
ALTER TABLE terminals ADD COLUMN memory_bytes INTEGER;
-- A JSON array.
ALTER TABLE terminals ADD COLUMN features TEXT;
ALTER TABLE terminals ADD COLUMN wished_group TEXT;
-- The operator's word on the group; it goes before the terminal's.
ALTER TABLE terminals ADD COLUMN group_name TEXT;
-- The channels that it was last told to run, as JSON.
ALTER TABLE terminals ADD COLUMN told TEXT;
