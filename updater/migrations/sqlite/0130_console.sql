-- What the operator's pages ask for, in their order, so that a page costs the same however long the table is.

CREATE INDEX audit_by_who ON audit (who, n);
-- By operators, makers, terminals or the service: the first four letters tell them apart.
CREATE INDEX audit_by_kind ON audit (substr(who, 1, 4), n);
CREATE INDEX audit_by_what ON audit (what, n);
CREATE INDEX audit_by_time ON audit (at, n);
CREATE INDEX rollouts_by_state ON rollouts (state, opened_at DESC, maker, name, release);
CREATE INDEX reports_of_a_kind ON reports (COALESCE(code, ''), COALESCE(step, ''), id) WHERE outcome = 'trouble';
CREATE INDEX terminals_pending ON terminals (terminal) WHERE pending = 1;
CREATE INDEX terminals_cloned ON terminals (terminal) WHERE cloned_at IS NOT NULL;
CREATE INDEX terminals_revoked ON terminals (terminal) WHERE revoked_at IS NOT NULL;
-- With the time, so that counting reports of a threat reads the index alone.
CREATE INDEX threat_reports_by_threat_and_time ON threat_reports (threat, at);
DROP INDEX threat_reports_by_threat;
