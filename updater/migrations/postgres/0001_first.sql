-- Times are seconds since 1970, digests and keys lower-case hexadecimal, dates YYYY-MM-DD.

CREATE TABLE makers (
    maker         TEXT PRIMARY KEY,
    -- {"version","threshold","keys"}: who speaks for the maker.
    keys          TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    -- Last counter of a request signed by the maker; it only grows.
    counter       BIGINT NOT NULL DEFAULT 0,
    -- The maker's signed role as received; version 0 until the first publication.
    role_version  BIGINT NOT NULL DEFAULT 0,
    role_body     BYTEA
);

CREATE TABLE releases (
    maker        TEXT NOT NULL REFERENCES makers (maker),
    name         TEXT NOT NULL,
    release      BIGINT NOT NULL,
    sha256       TEXT NOT NULL,
    root         TEXT NOT NULL,
    length       BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    -- Whether the maker's newest role still lists it.
    listed       BIGINT NOT NULL,
    PRIMARY KEY (maker, name, release)
);

-- Releases that the maker's newest role withdraws. Without a number to go back to, terminals that run one wait for a newer one.
CREATE TABLE withdrawn (
    maker   TEXT NOT NULL REFERENCES makers (maker),
    name    TEXT NOT NULL,
    release BIGINT NOT NULL,
    back_to BIGINT,
    PRIMARY KEY (maker, name, release)
);

CREATE TABLE deltas (
    from_sha256 TEXT NOT NULL,
    to_sha256   TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    length      BIGINT NOT NULL,
    PRIMARY KEY (to_sha256, from_sha256)
);

-- Every version of a role that this service signed. The row is committed before the file can be seen, so no version is ever
-- signed twice with different content.
CREATE TABLE metadata (
    role    TEXT NOT NULL,
    version BIGINT NOT NULL,
    body    BYTEA NOT NULL,
    PRIMARY KEY (role, version)
);

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
    vaccine_release BIGINT,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (maker, threat)
);

CREATE TABLE enrolment_tokens (
    sha256     TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    -- The terminal that used it up.
    terminal   TEXT
);

-- The user table.
CREATE TABLE terminals (
    terminal       TEXT PRIMARY KEY,
    public_key     TEXT NOT NULL UNIQUE,
    -- Last counter of a request signed by the terminal; it only grows.
    counter        BIGINT NOT NULL,
    hardware       TEXT NOT NULL,
    os             TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    designation    TEXT NOT NULL,
    subscribed     TEXT NOT NULL,
    enrolled_at    BIGINT NOT NULL,
    last_contact   BIGINT,
    reason         TEXT,
    words          TEXT
);

CREATE TABLE applied (
    terminal TEXT NOT NULL REFERENCES terminals (terminal),
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    release  BIGINT NOT NULL,
    PRIMARY KEY (terminal, maker, name)
);

-- What terminals answered after they tried.
CREATE TABLE reports (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal   TEXT NOT NULL REFERENCES terminals (terminal),
    at         BIGINT NOT NULL,
    outcome    TEXT NOT NULL,
    generation BIGINT,
    step       TEXT,
    code       TEXT,
    words      TEXT
);

CREATE INDEX reports_by_terminal ON reports (terminal, id);
