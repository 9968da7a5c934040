-- What terminals are for coverage: a fleet has few configurations, however many terminals (docs/coverage.md).

CREATE TABLE configurations (
    -- Never used twice, as the census names them.
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Of the body.
    sha256 TEXT NOT NULL UNIQUE,
    -- {"designation","subscribed","applied"}, normalised.
    body   TEXT NOT NULL
) STRICT;

-- 0: not heard of since it was enrolled.
ALTER TABLE terminals ADD COLUMN configuration INTEGER NOT NULL DEFAULT 0;

CREATE INDEX terminals_by_configuration ON terminals (configuration, terminal);
CREATE INDEX terminals_by_enrolment ON terminals (enrolled_at, terminal);
CREATE INDEX terminals_by_contact ON terminals (COALESCE(last_contact, 0), terminal);
CREATE INDEX threats_by_threat_and_maker ON threats (threat, maker);
CREATE INDEX reports_by_outcome ON reports (outcome, at);

-- How many terminals have each, kept by the triggers below, so that nobody need count a million rows.
CREATE TABLE configuration_counts (
    configuration INTEGER NOT NULL,
    -- Always 0 here, as there is one writer; PostgreSQL spreads a count over several rows.
    shard         INTEGER NOT NULL,
    terminals     INTEGER NOT NULL,
    PRIMARY KEY (configuration, shard)
) STRICT;

INSERT INTO configuration_counts SELECT 0, 0, COUNT(*) FROM terminals;

CREATE TRIGGER terminals_counted_in AFTER INSERT ON terminals BEGIN
    INSERT INTO configuration_counts (configuration, shard, terminals) VALUES (NEW.configuration, 0, 1)
        ON CONFLICT (configuration, shard) DO UPDATE SET terminals = terminals + 1;
END;

CREATE TRIGGER terminals_counted_out AFTER DELETE ON terminals BEGIN
    UPDATE configuration_counts SET terminals = terminals - 1 WHERE configuration = OLD.configuration AND shard = 0;
END;

CREATE TRIGGER terminals_counted_over AFTER UPDATE OF configuration ON terminals
WHEN OLD.configuration <> NEW.configuration BEGIN
    UPDATE configuration_counts SET terminals = terminals - 1 WHERE configuration = OLD.configuration AND shard = 0;
    INSERT INTO configuration_counts (configuration, shard, terminals) VALUES (NEW.configuration, 0, 1)
        ON CONFLICT (configuration, shard) DO UPDATE SET terminals = terminals + 1;
END;

-- The counts as they were, every now and then: [[configuration, terminals], …].
CREATE TABLE census (
    at     INTEGER PRIMARY KEY,
    counts TEXT NOT NULL
) STRICT;
