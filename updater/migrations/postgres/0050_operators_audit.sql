-- Who may call what the operator calls, besides the holder of the file `operator-token`. A row is never removed, so that the audit log goes
-- on naming one person by one name.
CREATE TABLE operators (
    name       TEXT PRIMARY KEY,
    -- viewer, operator or key-holder.
    role       TEXT NOT NULL,
    -- Digest of the token, which is nowhere else.
    sha256     TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    last_used  BIGINT,
    revoked_at BIGINT
);

-- What was done, by whom. Each row's hash covers the row before it, so that none can be changed, taken out or put in unseen.
CREATE TABLE audit (
    n        BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
);

-- The last row's number and hash: appended to under this row's lock, and missed when the last rows are cut off.
CREATE TABLE audit_head (
    one  BIGINT PRIMARY KEY CHECK (one = 1),
    n    BIGINT NOT NULL,
    hash TEXT NOT NULL
);

INSERT INTO audit_head (one, n, hash) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
