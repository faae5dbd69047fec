-- A project: subjects, consents, references, runs, outputs, reviews, baselines, presets, and the queue.
--
-- Times are milliseconds since 1970 (UTC). Hashes are BLAKE3, 32 bytes. UUIDs are version 7, 16 bytes; they identify
-- rows in bundles. Integer keys are valid in this project only.

CREATE TABLE project (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A file under blobs/. A blob that a row refers to cannot be deleted (RESTRICT); the store deletes unused ones.
CREATE TABLE blobs (
  hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
  size       INTEGER NOT NULL CHECK (size >= 0),
  media_type TEXT    NOT NULL,
  created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Deleted blobs whose files must still be deleted. After a crash, that happens on the next opening.
CREATE TABLE blob_removals (
  hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE subjects (
  id             INTEGER PRIMARY KEY,
  uuid           BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  handle         TEXT    NOT NULL UNIQUE CHECK (handle GLOB '[a-z]*'),
  name           TEXT    NOT NULL CHECK (name <> ''),
  note           TEXT    NOT NULL DEFAULT '',
  created        INTEGER NOT NULL,
  -- The last numbers used for a run and a reference. Numbers of deleted rows are not used again.
  last_run       INTEGER NOT NULL DEFAULT 0,
  last_reference INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE consents (
  id         INTEGER PRIMARY KEY,
  uuid       BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  subject_id INTEGER NOT NULL REFERENCES subjects ON DELETE CASCADE,
  kind       TEXT    NOT NULL CHECK (kind IN ('own', 'consent', 'licence', 'public-domain', 'synthetic')),
  statement  TEXT    NOT NULL CHECK (statement <> ''),
  granted    INTEGER NOT NULL,
  expires    INTEGER CHECK (expires > granted),
  withdrawn  INTEGER
) STRICT;
CREATE INDEX consents_of_subject ON consents (subject_id);

-- "references" is an SQL keyword.
CREATE TABLE refs (
  id           INTEGER PRIMARY KEY,
  uuid         BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  subject_id   INTEGER NOT NULL REFERENCES subjects ON DELETE CASCADE,
  number       INTEGER NOT NULL CHECK (number > 0),
  -- An image cannot outlive its consent.
  consent_id   INTEGER NOT NULL REFERENCES consents ON DELETE CASCADE,
  label        TEXT    NOT NULL DEFAULT '',
  state        TEXT    NOT NULL CHECK (state IN ('candidate', 'approved', 'rejected', 'retired', 'withdrawn')),
  picture      BLOB    REFERENCES blobs ON DELETE RESTRICT,
  thumbnail    BLOB    REFERENCES blobs ON DELETE RESTRICT,
  width        INTEGER CHECK (width > 0),
  height       INTEGER CHECK (height > 0),
  gate         TEXT    NOT NULL CHECK (gate IN ('unmeasured', 'pass', 'warn', 'reject')),
  report       TEXT    CHECK (json_valid(report)),
  overruled    TEXT    CHECK (overruled <> ''),
  note         TEXT    NOT NULL DEFAULT '',
  reviewer     TEXT,
  added        INTEGER NOT NULL,
  reviewed     INTEGER,
  UNIQUE (subject_id, number),
  CHECK ((state = 'withdrawn') = (picture IS NULL)),
  CHECK ((picture IS NULL) = (width IS NULL) AND (picture IS NULL) = (height IS NULL)),
  CHECK (picture IS NOT NULL OR (thumbnail IS NULL AND report IS NULL AND overruled IS NULL AND note = '' AND label = '')),
  -- Overruling the quality gate needs a reason.
  CHECK (state <> 'approved' OR gate <> 'reject' OR overruled IS NOT NULL)
) STRICT;
CREATE INDEX refs_of_consent ON refs (consent_id);
CREATE INDEX refs_by_picture ON refs (picture);
CREATE INDEX refs_by_thumbnail ON refs (thumbnail);

CREATE TABLE runs (
  id                 INTEGER PRIMARY KEY,
  uuid               BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  subject_id         INTEGER NOT NULL REFERENCES subjects ON DELETE CASCADE,
  number             INTEGER NOT NULL CHECK (number > 0),
  -- NO ACTION: a reference with runs cannot be deleted, except together with its subject.
  ref_id             INTEGER REFERENCES refs ON DELETE NO ACTION,
  -- The delta stays if the parent is deleted.
  parent_id          INTEGER REFERENCES runs ON DELETE SET NULL,
  prompt_subject     TEXT    NOT NULL,
  prompt_camera      TEXT    NOT NULL,
  prompt_lighting    TEXT    NOT NULL,
  prompt_style       TEXT    NOT NULL,
  prompt_constraints TEXT    NOT NULL,
  negative           TEXT    NOT NULL,
  -- A list of unsigned 64-bit numbers.
  seeds              TEXT    NOT NULL CHECK (json_type(seeds) = 'array' AND json_array_length(seeds) > 0),
  steps              INTEGER NOT NULL CHECK (steps > 0),
  guidance           REAL    NOT NULL,
  -- A number, or an object with a scale for each block.
  adapter_scale      TEXT    NOT NULL CHECK (json_valid(adapter_scale)),
  adapter_start      REAL    NOT NULL CHECK (adapter_start BETWEEN 0 AND 1),
  adapter_end        REAL    NOT NULL CHECK (adapter_end BETWEEN 0 AND 1),
  sampler            TEXT,
  karras_sigmas      INTEGER CHECK (karras_sigmas IN (0, 1)),
  width              INTEGER CHECK (width > 0),
  height             INTEGER CHECK (height > 0),
  long_prompt        TEXT    NOT NULL CHECK (long_prompt IN ('truncate', 'chunk')),
  checkpoint         TEXT    NOT NULL CHECK (checkpoint <> ''),
  adapter            TEXT,
  image_encoder      TEXT,
  checkpoint_hash    BLOB    CHECK (length(checkpoint_hash) = 32),
  adapter_hash       BLOB    CHECK (length(adapter_hash) = 32),
  image_encoder_hash BLOB    CHECK (length(image_encoder_hash) = 32),
  delta              TEXT    CHECK (json_type(delta) = 'array'),
  -- Required if several variables differ from the parent.
  debug_reason       TEXT    CHECK (debug_reason <> ''),
  profile            TEXT,
  diagnosis          TEXT    NOT NULL DEFAULT '',
  state              TEXT    NOT NULL
                     CHECK (state IN ('draft', 'queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
  -- 0 low, 1 normal, 2 high. Runs of the same priority are ordered by place.
  priority           INTEGER NOT NULL CHECK (priority IN (0, 1, 2)),
  place              INTEGER NOT NULL,
  -- How often the run was started. A worker may write only with the current owner and attempt.
  attempt            INTEGER NOT NULL DEFAULT 0,
  -- How many starts without progress are allowed, and how many are left.
  attempts_allowed   INTEGER NOT NULL CHECK (attempts_allowed > 0),
  attempts_left      INTEGER NOT NULL,
  owner              TEXT,
  lease              INTEGER,
  heartbeat          INTEGER,
  step               INTEGER NOT NULL DEFAULT 0,
  steps_in_all       INTEGER NOT NULL DEFAULT 0,
  cancel_requested   INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  error              TEXT,
  timings            TEXT    CHECK (json_valid(timings)),
  peak_memory        INTEGER,
  created            INTEGER NOT NULL,
  started            INTEGER,
  finished           INTEGER,
  UNIQUE (subject_id, number),
  CHECK (delta IS NULL OR json_array_length(delta) < 2 OR debug_reason IS NOT NULL),
  CHECK ((state IN ('running', 'interrupted')) = (lease IS NOT NULL)),
  CHECK ((state = 'running') = (owner IS NOT NULL))
) STRICT;
CREATE INDEX runs_waiting ON runs (priority DESC, place, id) WHERE state = 'queued';
CREATE INDEX runs_leased ON runs (lease) WHERE lease IS NOT NULL;
CREATE INDEX runs_of_reference ON runs (ref_id) WHERE ref_id IS NOT NULL;
CREATE INDEX runs_of_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE outputs (
  id        INTEGER PRIMARY KEY,
  uuid      BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  run_id    INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  -- The 64 bits of the seed, as a signed number.
  seed      INTEGER NOT NULL,
  -- Hash of everything that determines the output, to reuse an output instead of making it again.
  key       BLOB    NOT NULL CHECK (length(key) = 32),
  picture   BLOB    NOT NULL REFERENCES blobs ON DELETE RESTRICT,
  thumbnail BLOB    REFERENCES blobs ON DELETE RESTRICT,
  -- The final latents, if they were kept.
  latents   BLOB    REFERENCES blobs ON DELETE RESTRICT,
  width     INTEGER NOT NULL CHECK (width > 0),
  height    INTEGER NOT NULL CHECK (height > 0),
  measures  TEXT    CHECK (json_valid(measures)),
  verdict   TEXT    NOT NULL DEFAULT 'open' CHECK (verdict IN ('open', 'accepted', 'rejected')),
  created   INTEGER NOT NULL,
  UNIQUE (run_id, seed)
) STRICT;
CREATE INDEX outputs_by_key ON outputs (key);
CREATE INDEX outputs_by_picture ON outputs (picture);
CREATE INDEX outputs_by_thumbnail ON outputs (thumbnail) WHERE thumbnail IS NOT NULL;
CREATE INDEX outputs_by_latents ON outputs (latents) WHERE latents IS NOT NULL;

-- Where an interrupted run continues: the state in the middle of denoising, in the worker's own format.
CREATE TABLE resume_points (
  run_id  INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  step    INTEGER NOT NULL CHECK (step >= 0),
  data    BLOB    NOT NULL,
  written INTEGER NOT NULL
) STRICT;

-- A small preview of a running run.
CREATE TABLE previews (
  run_id  INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  step    INTEGER NOT NULL CHECK (step >= 0),
  picture BLOB    NOT NULL,
  written INTEGER NOT NULL
) STRICT;

CREATE TABLE reviews (
  id        INTEGER PRIMARY KEY,
  uuid      BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  output_id INTEGER NOT NULL REFERENCES outputs ON DELETE CASCADE,
  reviewer  TEXT    NOT NULL,
  note      TEXT    NOT NULL DEFAULT '',
  verdict   TEXT    NOT NULL CHECK (verdict IN ('open', 'accepted', 'rejected')),
  created   INTEGER NOT NULL
) STRICT;
CREATE INDEX reviews_of_output ON reviews (output_id);

CREATE TABLE review_failures (
  review_id INTEGER NOT NULL REFERENCES reviews ON DELETE CASCADE,
  failure   TEXT    NOT NULL CHECK (failure <> ''),
  PRIMARY KEY (review_id, failure)
) STRICT, WITHOUT ROWID;

CREATE TABLE rubric_scores (
  review_id INTEGER NOT NULL REFERENCES reviews ON DELETE CASCADE,
  criterion TEXT    NOT NULL CHECK (criterion <> ''),
  score     INTEGER NOT NULL CHECK (score BETWEEN 0 AND 4),
  PRIMARY KEY (review_id, criterion)
) STRICT, WITHOUT ROWID;

-- The output that a subject's runs are compared with. Earlier baselines are kept; `until` is when they ended.
CREATE TABLE baselines (
  id         INTEGER PRIMARY KEY,
  uuid       BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  subject_id INTEGER NOT NULL REFERENCES subjects ON DELETE CASCADE,
  output_id  INTEGER NOT NULL REFERENCES outputs ON DELETE CASCADE,
  set_by     TEXT    NOT NULL,
  note       TEXT    NOT NULL DEFAULT '',
  since      INTEGER NOT NULL,
  until      INTEGER
) STRICT;
CREATE UNIQUE INDEX baseline_in_force ON baselines (subject_id) WHERE until IS NULL;
CREATE INDEX baselines_of_output ON baselines (output_id);

-- Named settings, without prompt and reference.
CREATE TABLE presets (
  id            INTEGER PRIMARY KEY,
  uuid          BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
  name          TEXT    NOT NULL UNIQUE CHECK (name <> ''),
  note          TEXT    NOT NULL DEFAULT '',
  -- The run that the settings come from. The preset stays if that run is deleted.
  run_id        INTEGER REFERENCES runs ON DELETE SET NULL,
  steps         INTEGER NOT NULL CHECK (steps > 0),
  guidance      REAL    NOT NULL,
  adapter_scale TEXT    NOT NULL CHECK (json_valid(adapter_scale)),
  adapter_start REAL    NOT NULL,
  adapter_end   REAL    NOT NULL,
  sampler       TEXT,
  karras_sigmas INTEGER CHECK (karras_sigmas IN (0, 1)),
  width         INTEGER,
  height        INTEGER,
  long_prompt   TEXT    NOT NULL CHECK (long_prompt IN ('truncate', 'chunk')),
  created       INTEGER NOT NULL,
  promoted      INTEGER
) STRICT;
CREATE INDEX presets_of_run ON presets (run_id) WHERE run_id IS NOT NULL;

-- One row: whether the queue is paused, and the next place in it.
CREATE TABLE queue (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  paused       INTEGER,
  pause_reason TEXT,
  next_place   INTEGER NOT NULL
) STRICT;
INSERT INTO queue (id, next_place) VALUES (1, 1);

-- One worker per device.
CREATE TABLE workers (
  device TEXT    NOT NULL PRIMARY KEY,
  owner  TEXT    NOT NULL,
  lease  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Full-text search. The indexes read their texts from the tables (external content). 'secure-delete' removes the words
-- of a deleted row from the index at once.
CREATE VIRTUAL TABLE runs_text USING fts5 (
  prompt_subject, prompt_camera, prompt_lighting, prompt_style, prompt_constraints, negative, diagnosis,
  content = 'runs', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3'
);
INSERT INTO runs_text (runs_text, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER runs_text_new AFTER INSERT ON runs BEGIN
  INSERT INTO runs_text (rowid, prompt_subject, prompt_camera, prompt_lighting, prompt_style, prompt_constraints,
                         negative, diagnosis)
  VALUES (new.id, new.prompt_subject, new.prompt_camera, new.prompt_lighting, new.prompt_style, new.prompt_constraints,
          new.negative, new.diagnosis);
END;
CREATE TRIGGER runs_text_gone AFTER DELETE ON runs BEGIN
  INSERT INTO runs_text (runs_text, rowid, prompt_subject, prompt_camera, prompt_lighting, prompt_style,
                         prompt_constraints, negative, diagnosis)
  VALUES ('delete', old.id, old.prompt_subject, old.prompt_camera, old.prompt_lighting, old.prompt_style,
          old.prompt_constraints, old.negative, old.diagnosis);
END;
CREATE TRIGGER runs_text_changed
AFTER UPDATE OF prompt_subject, prompt_camera, prompt_lighting, prompt_style, prompt_constraints, negative, diagnosis
ON runs BEGIN
  INSERT INTO runs_text (runs_text, rowid, prompt_subject, prompt_camera, prompt_lighting, prompt_style,
                         prompt_constraints, negative, diagnosis)
  VALUES ('delete', old.id, old.prompt_subject, old.prompt_camera, old.prompt_lighting, old.prompt_style,
          old.prompt_constraints, old.negative, old.diagnosis);
  INSERT INTO runs_text (rowid, prompt_subject, prompt_camera, prompt_lighting, prompt_style, prompt_constraints,
                         negative, diagnosis)
  VALUES (new.id, new.prompt_subject, new.prompt_camera, new.prompt_lighting, new.prompt_style, new.prompt_constraints,
          new.negative, new.diagnosis);
END;

CREATE VIRTUAL TABLE reviews_text USING fts5 (
  note, content = 'reviews', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3'
);
INSERT INTO reviews_text (reviews_text, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER reviews_text_new AFTER INSERT ON reviews BEGIN
  INSERT INTO reviews_text (rowid, note) VALUES (new.id, new.note);
END;
CREATE TRIGGER reviews_text_gone AFTER DELETE ON reviews BEGIN
  INSERT INTO reviews_text (reviews_text, rowid, note) VALUES ('delete', old.id, old.note);
END;
CREATE TRIGGER reviews_text_changed AFTER UPDATE OF note ON reviews BEGIN
  INSERT INTO reviews_text (reviews_text, rowid, note) VALUES ('delete', old.id, old.note);
  INSERT INTO reviews_text (rowid, note) VALUES (new.id, new.note);
END;

CREATE VIRTUAL TABLE refs_text USING fts5 (
  label, note, content = 'refs', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3'
);
INSERT INTO refs_text (refs_text, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER refs_text_new AFTER INSERT ON refs BEGIN
  INSERT INTO refs_text (rowid, label, note) VALUES (new.id, new.label, new.note);
END;
CREATE TRIGGER refs_text_gone AFTER DELETE ON refs BEGIN
  INSERT INTO refs_text (refs_text, rowid, label, note) VALUES ('delete', old.id, old.label, old.note);
END;
CREATE TRIGGER refs_text_changed AFTER UPDATE OF label, note ON refs BEGIN
  INSERT INTO refs_text (refs_text, rowid, label, note) VALUES ('delete', old.id, old.label, old.note);
  INSERT INTO refs_text (rowid, label, note) VALUES (new.id, new.label, new.note);
END;
