-- What replicas of the service share; one row each.

-- Who signs. The holder's number, the fence, is checked in every transaction that records something signed.
CREATE TABLE leases (
    lease  TEXT PRIMARY KEY,
    -- Name of a running replica; empty while nobody has the lease.
    holder TEXT NOT NULL,
    -- Grows each time the lease is taken.
    fence  INTEGER NOT NULL,
    -- Grows with each sign of life of the holder.
    beat   INTEGER NOT NULL,
    -- 1 while the metadata may not show yet what the tables hold.
    lags   INTEGER NOT NULL
) STRICT;

INSERT INTO leases (lease, holder, fence, beat, lags) VALUES ('signing', '', 0, 0, 1);

-- Grows with every change of what assignments are made of, in the transaction of the change.
CREATE TABLE changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO changes (one, number) VALUES (1, 0);
