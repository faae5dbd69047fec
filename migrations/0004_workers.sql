-- What each worker does, and the process it runs in, so that every screen can say why the queue stands still, and a dead
-- process's leases can be released before they expire.

CREATE TABLE worker_reports (
  owner        TEXT    NOT NULL PRIMARY KEY,
  device       TEXT    NOT NULL,
  host         TEXT    NOT NULL,
  pid          INTEGER NOT NULL,
  -- Tells the process from earlier ones with the same pid. Empty if the system does not say.
  process      TEXT    NOT NULL,
  started      INTEGER NOT NULL,
  activity     TEXT    NOT NULL
    CHECK (activity IN ('starting', 'waiting-for-device', 'idle', 'paused', 'working', 'restarting')),
  -- The run it works on. Not a foreign key: a report does not keep a run.
  run_id       INTEGER,
  -- Why it waits.
  detail       TEXT    NOT NULL,
  since        INTEGER NOT NULL,
  -- The last heartbeat, and how long a lease lasts after it.
  heartbeat    INTEGER NOT NULL,
  lease_length INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A lease that was renewed in the future is void: the clock was set back.
ALTER TABLE workers ADD COLUMN heartbeat INTEGER NOT NULL DEFAULT 0;
