-- Files that releases have besides their blobs. A release's own list can change after it was published; rows of what it had before stay, with
-- `listed` 0, so that everything that was ever offered can be had again.
CREATE TABLE modules (
    maker        TEXT NOT NULL REFERENCES makers (maker),
    -- Of the channel.
    name         TEXT NOT NULL,
    release      BIGINT NOT NULL,
    kind         TEXT NOT NULL,
    module       TEXT NOT NULL,
    sha256       TEXT NOT NULL,
    -- Empty for what runs nowhere.
    platform     TEXT NOT NULL,
    length       BIGINT NOT NULL,
    -- Seconds since 1970 when the maker last began to offer it.
    published_at BIGINT NOT NULL,
    -- Whether the maker's newest role lists it.
    listed       BIGINT NOT NULL,
    -- Version of the maker's role that last listed it.
    role_version BIGINT NOT NULL,
    PRIMARY KEY (maker, name, release, kind, module, sha256)
);

CREATE INDEX modules_by_content ON modules (sha256);
