-- Times are seconds since 1970, digests and keys lower-case hexadecimal, dates YYYY-MM-DD.

CREATE TABLE makers (
    maker         TEXT PRIMARY KEY,
    -- {"version","threshold","keys"}: who speaks for the maker.
    keys          TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    -- Last counter of a request signed by the maker; it only grows.
    counter       INTEGER NOT NULL DEFAULT 0,
    -- The maker's signed role as received; version 0 until the first publication.
    role_version  INTEGER NOT NULL DEFAULT 0,
    role_body     BLOB
) STRICT;

CREATE TABLE releases (
    maker        TEXT NOT NULL REFERENCES makers (maker),
    name         TEXT NOT NULL,
    release      INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    root         TEXT NOT NULL,
    length       INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    -- Whether the maker's newest role still lists it.
    listed       INTEGER NOT NULL,
    PRIMARY KEY (maker, name, release)
) STRICT;

-- Releases that the maker's newest role withdraws. Without a number to go back to, terminals that run one wait for a newer one.
CREATE TABLE withdrawn (
    maker   TEXT NOT NULL REFERENCES makers (maker),
    name    TEXT NOT NULL,
    release INTEGER NOT NULL,
    back_to INTEGER,
    PRIMARY KEY (maker, name, release)
) STRICT;

CREATE TABLE deltas (
    from_sha256 TEXT NOT NULL,
    to_sha256   TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    length      INTEGER NOT NULL,
    PRIMARY KEY (to_sha256, from_sha256)
) STRICT;

-- Every version of a role that this service signed. The row is committed before the file can be seen, so no version is ever
-- signed twice with different content.
CREATE TABLE metadata (
    role    TEXT NOT NULL,
    version INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (role, version)
) STRICT;

-- The countering table.
CREATE TABLE threats (
    maker           TEXT NOT NULL REFERENCES makers (maker),
    threat          TEXT NOT NULL,
    danger          TEXT NOT NULL,
    discovered      TEXT NOT NULL,
    expected        TEXT,
    -- All three or none: a maker who knows the threat and has no cure leaves them empty.
    vaccine_date    TEXT,
    vaccine_name    TEXT,
    vaccine_release INTEGER,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (maker, threat)
) STRICT;

CREATE TABLE enrolment_tokens (
    sha256     TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    -- The terminal that used it up.
    terminal   TEXT
) STRICT;

-- The user table.
CREATE TABLE terminals (
    terminal       TEXT PRIMARY KEY,
    public_key     TEXT NOT NULL UNIQUE,
    -- Last counter of a request signed by the terminal; it only grows.
    counter        INTEGER NOT NULL,
    hardware       TEXT NOT NULL,
    os             TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    designation    TEXT NOT NULL,
    subscribed     TEXT NOT NULL,
    enrolled_at    INTEGER NOT NULL,
    last_contact   INTEGER,
    reason         TEXT,
    words          TEXT
) STRICT;

CREATE TABLE applied (
    terminal TEXT NOT NULL REFERENCES terminals (terminal),
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    release  INTEGER NOT NULL,
    PRIMARY KEY (terminal, maker, name)
) STRICT;

-- What terminals answered after they tried.
CREATE TABLE reports (
    id         INTEGER PRIMARY KEY,
    terminal   TEXT NOT NULL REFERENCES terminals (terminal),
    at         INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    generation INTEGER,
    step       TEXT,
    code       TEXT,
    words      TEXT
) STRICT;

CREATE INDEX reports_by_terminal ON reports (terminal, id);
