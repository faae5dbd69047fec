-- The reason for a pause becomes a name from a list; the text beside it stays as a message.

CREATE TABLE new_queue (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  -- Since when the queue is paused; NULL if it is not.
  paused        INTEGER,
  pause_reason  TEXT    CHECK (pause_reason IN ('user', 'disk-full')),
  pause_message TEXT    NOT NULL DEFAULT '',
  next_place    INTEGER NOT NULL,
  CHECK ((paused IS NULL) = (pause_reason IS NULL))
) STRICT;

INSERT INTO new_queue (id, paused, pause_reason, pause_message, next_place)
SELECT id, paused,
       CASE WHEN paused IS NULL THEN NULL
            -- How the reason began when a worker had paused the queue.
            WHEN pause_reason GLOB 'there is no room left on the disk*' THEN 'disk-full'
            ELSE 'user' END,
       CASE WHEN paused IS NULL THEN ''
            -- What the program wrote when nobody gave a reason.
            WHEN pause_reason IN ('somebody paused it', 'paused at the screen') THEN ''
            ELSE coalesce(pause_reason, '') END,
       next_place
FROM queue;

DROP TABLE queue;
ALTER TABLE new_queue RENAME TO queue;
