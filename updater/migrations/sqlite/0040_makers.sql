-- Where makers' releases come from, and what their news and records say of threats.

-- Counter of the news that wrote the row: news that is older changes nothing, from wherever it comes.
ALTER TABLE threats ADD COLUMN counter INTEGER NOT NULL DEFAULT 0;
-- The maker took the row back. It stays, so that older news cannot bring it again.
ALTER TABLE threats ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
-- When it was noticed that the promised day had passed without a cure; said once for each promise.
ALTER TABLE threats ADD COLUMN missed_at INTEGER;

-- What a maker says is another maker's name for the same threat.
CREATE TABLE aliases (
    maker        TEXT NOT NULL,
    threat       TEXT NOT NULL,
    other_maker  TEXT NOT NULL,
    other_threat TEXT NOT NULL,
    PRIMARY KEY (maker, threat, other_maker, other_threat)
) STRICT;

-- Files in which a maker finds the threat, by SHA-256.
CREATE TABLE samples (
    maker  TEXT NOT NULL,
    threat TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (maker, threat, sha256)
) STRICT;

-- Names of the records in a channel's releases. `last_release` is empty while the newest release that was looked at has the name.
CREATE TABLE names (
    maker         TEXT NOT NULL,
    threat        TEXT NOT NULL,
    name          TEXT NOT NULL,
    first_release INTEGER NOT NULL,
    last_release  INTEGER,
    PRIMARY KEY (maker, threat, name)
) STRICT, WITHOUT ROWID;

-- Releases whose names are to be taken over, or were.
CREATE TABLE named_releases (
    maker   TEXT NOT NULL,
    name    TEXT NOT NULL,
    release INTEGER NOT NULL,
    done    INTEGER NOT NULL,
    PRIMARY KEY (maker, name, release)
) STRICT;

-- Web sites and other services that a maker's releases are fetched from.
CREATE TABLE sources (
    id            TEXT PRIMARY KEY,
    maker         TEXT NOT NULL REFERENCES makers (maker),
    url           TEXT NOT NULL,
    every_seconds INTEGER NOT NULL,
    -- Where the maker answers questions about a threat.
    ask           TEXT,
    allow_plain   INTEGER NOT NULL,
    -- Of the role and of the news that were last taken from there.
    etag          TEXT,
    modified      TEXT,
    news_etag     TEXT,
    news_modified TEXT,
    -- Not asked before, seconds since 1970.
    next_at       INTEGER NOT NULL,
    failures      INTEGER NOT NULL DEFAULT 0,
    last_tried    INTEGER,
    last_success  INTEGER,
    last_code     TEXT,
    last_words    TEXT
) STRICT;

-- What terminals reported, once for each terminal and name.
CREATE TABLE threat_reports (
    terminal TEXT NOT NULL REFERENCES terminals (terminal),
    threat   TEXT NOT NULL,
    sha256   TEXT,
    at       INTEGER NOT NULL,
    PRIMARY KEY (terminal, threat)
) STRICT;

CREATE INDEX threat_reports_by_threat ON threat_reports (threat);

-- When makers were last asked about a threat.
CREATE TABLE asked (
    threat TEXT PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT;

