-- Assignments that the director signed, one for each cohort: what is told to all terminals that are to be told the same.
CREATE TABLE assignments (
    cohort     TEXT PRIMARY KEY,
    -- Only grows, also where the row was forgotten meanwhile: it is never below the microseconds since 1970 when it was signed.
    number     INTEGER NOT NULL,
    -- The version of root whose director signed it.
    root       INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- {"payload","signatures"}: the document as it is sent.
    document   TEXT NOT NULL
) STRICT;

-- What a terminal said last of the values that each answer brings, and what it was told since; the next check-in must say one of the two.
ALTER TABLE terminals ADD COLUMN freshness TEXT NOT NULL DEFAULT '';
ALTER TABLE terminals ADD COLUMN freshness_before TEXT NOT NULL DEFAULT '';
-- When a check-in said neither: there are two copies of this terminal, or it was restored from one.
ALTER TABLE terminals ADD COLUMN cloned_at INTEGER;
-- From then on its calls are refused.
ALTER TABLE terminals ADD COLUMN revoked_at INTEGER;
-- Whether the operator has still to approve it: 0 or 1.
ALTER TABLE terminals ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
-- The group of the token that it enrolled with.
ALTER TABLE terminals ADD COLUMN enrolled_group TEXT;

ALTER TABLE enrolment_tokens ADD COLUMN uses_max INTEGER NOT NULL DEFAULT 1;
ALTER TABLE enrolment_tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE enrolment_tokens ADD COLUMN expires_at INTEGER;
ALTER TABLE enrolment_tokens ADD COLUMN token_group TEXT;
-- Whether terminals that enrol with it wait for the operator's approval: 0 or 1.
ALTER TABLE enrolment_tokens ADD COLUMN approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE enrolment_tokens ADD COLUMN revoked_at INTEGER;
UPDATE enrolment_tokens SET uses = 1 WHERE terminal IS NOT NULL;

-- Which terminal used which token. A terminal that asks once more with the same token and key uses it up once.
CREATE TABLE token_uses (
    sha256   TEXT NOT NULL,
    terminal TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (sha256, terminal)
) STRICT;
INSERT INTO token_uses (sha256, terminal, at)
    SELECT sha256, terminal, created_at FROM enrolment_tokens WHERE terminal IS NOT NULL;

-- The plan that a report is about, and the steps of it that were done, as JSON.
ALTER TABLE reports ADD COLUMN plan TEXT;
ALTER TABLE reports ADD COLUMN steps TEXT;
