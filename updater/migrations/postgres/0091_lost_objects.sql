-- Objects that other tables name and that the object store does not have as they were. Whoever has one may send it again.
CREATE TABLE lost_objects (
    sha256     TEXT PRIMARY KEY,
    -- Whether only reading it showed that: what does not read it leaves the row.
    damaged    BIGINT NOT NULL,
    -- Seconds since 1970.
    noticed_at BIGINT NOT NULL
);
