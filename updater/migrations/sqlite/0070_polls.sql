-- Grows with every change that an operator makes to rows of terminals, in the transaction of the change: replicas keep rows in memory for
-- idle polls, and read them again then.
CREATE TABLE row_changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO row_changes (one, number) VALUES (1, 0);
