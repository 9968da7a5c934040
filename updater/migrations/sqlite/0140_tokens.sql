-- Tokens are listed by pages, the newest first: there may be one for each terminal.
CREATE INDEX enrolment_tokens_by_time ON enrolment_tokens (created_at, sha256);
