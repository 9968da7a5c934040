-- Channels that one terminal alone is given for a time.
CREATE TABLE one_offs (
    terminal TEXT NOT NULL REFERENCES terminals (terminal),
    maker    TEXT NOT NULL,
    name     TEXT NOT NULL,
    -- None: the newest.
    release  BIGINT,
    -- Seconds since 1970. Rows that are over are removed when another is put.
    until_at BIGINT NOT NULL,
    why      TEXT NOT NULL,
    who      TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (terminal, maker, name)
);
