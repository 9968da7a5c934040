-- Channels that one terminal alone is given for a time.
CREATE TABLE one_offs (
    terminal TEXT NOT NULL REFERENCES terminals (terminal),
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    -- None: the newest.
    release  INTEGER,
    -- Seconds since 1970. Rows that are over are removed when another is put.
    until_at INTEGER NOT NULL,
    why      TEXT NOT NULL,
    who      TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (terminal, maker, name)
) STRICT;
