-- Who may call what the operator calls, besides the holder of the file `operator-token`. A row is never removed, so that the audit log goes
-- on naming one person by one name.
CREATE TABLE operators (
    name       TEXT PRIMARY KEY,
    -- viewer, operator or key-holder.
    role       TEXT NOT NULL,
    -- Digest of the token, which is nowhere else.
    sha256     TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    last_used  INTEGER,
    revoked_at INTEGER
) STRICT;

-- What was done, by whom. Each row's hash covers the row before it, so that none can be changed, taken out or put in unseen.
CREATE TABLE audit (
    n        INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;

-- The last row's number and hash: appended to under this row's lock, and missed when the last rows are cut off.
CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    n    INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

INSERT INTO audit_head (one, n, hash) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
