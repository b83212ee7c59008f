-- The catalog: who made what from what, and by which decision it may leave.
--
-- Deviations and limits on them are integers in units of 0.0001, so that what the program computed and
-- what the schema compares is the same number. Digests are 32-byte blobs. Ids are ULIDs.
-- Needs the function sha256(blob) -> blob, which the program registers: another client can read
-- everything, and can append to nothing that the log guards.
-- Tables have no rowid where their key is not one: INSERT OR REPLACE with another row's rowid would
-- remove that row past every guard. Foreign keys and CHECKs can be switched off per connection, so
-- the triggers say again what the gate rests on.

CREATE TABLE asset (
  id                  TEXT PRIMARY KEY CHECK (length(id) = 26),
  role                TEXT NOT NULL CHECK (role IN ('reference', 'output')),
  sha256              BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
  pixels_sha256       BLOB NOT NULL CHECK (length(pixels_sha256) = 32),
  mime                TEXT NOT NULL,
  width               INTEGER NOT NULL CHECK (width > 0),
  height              INTEGER NOT NULL CHECK (height > 0),
  bytes               INTEGER NOT NULL CHECK (bytes > 0),
  fingerprint         BLOB NOT NULL CHECK (length(fingerprint) = 32),
  fingerprint_quality INTEGER NOT NULL CHECK (fingerprint_quality BETWEEN 0 AND 100),
  title               TEXT NOT NULL,
  copy_of             TEXT REFERENCES asset (id),  -- the output that this reference is a copy of
  created             TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_pixels ON asset (pixels_sha256);

CREATE TABLE policy (
  digest            BLOB PRIMARY KEY CHECK (length(digest) = 32),
  name              TEXT NOT NULL,
  text              TEXT NOT NULL,
  strength_min      REAL NOT NULL CHECK (strength_min BETWEEN 0 AND 1),
  strength_max      REAL NOT NULL CHECK (strength_max BETWEEN strength_min AND 1),
  min_deviation     INTEGER NOT NULL CHECK (min_deviation BETWEEN 3000 AND 10000),
  min_composition   INTEGER NOT NULL CHECK (min_composition BETWEEN 0 AND 10000),
  require_manifest  INTEGER NOT NULL CHECK (require_manifest IN (0, 1)),
  require_watermark INTEGER NOT NULL CHECK (require_watermark IN (0, 1)),
  min_psnr_db       REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
  id             TEXT PRIMARY KEY CHECK (length(id) = 26),
  engine         TEXT NOT NULL,
  engine_version TEXT NOT NULL,
  model_sha256   BLOB CHECK (length(model_sha256) = 32),
  strength       REAL NOT NULL CHECK (strength BETWEEN 0 AND 1),
  noise_level    REAL,                             -- none when nothing was generated
  steps          INTEGER,
  seed           TEXT NOT NULL,                    -- 64 bits, unsigned
  prompt         TEXT,
  prompt_used    INTEGER NOT NULL CHECK (prompt_used IN (0, 1)),
  purpose        TEXT,
  started        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE derivation (
  run        TEXT NOT NULL REFERENCES run (id),
  reference  TEXT NOT NULL REFERENCES asset (id),
  output     TEXT REFERENCES asset (id),           -- none when it was refused
  generation INTEGER NOT NULL CHECK (generation > 0),
  PRIMARY KEY (run, reference),
  CHECK (output IS NULL OR output <> reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX derivation_reference ON derivation (reference);
CREATE INDEX derivation_output ON derivation (output);

CREATE TABLE measurement (
  run          TEXT PRIMARY KEY REFERENCES run (id),
  reference    TEXT NOT NULL REFERENCES asset (id),
  draft_sha256 BLOB NOT NULL CHECK (length(draft_sha256) = 32),  -- of the draft's pixels
  measure      TEXT NOT NULL,
  detail       INTEGER NOT NULL CHECK (detail BETWEEN 0 AND 10000),
  copied       INTEGER NOT NULL CHECK (copied BETWEEN 0 AND 10000),
  deviation    INTEGER NOT NULL GENERATED ALWAYS AS (10000 - max(detail, copied)) STORED,
  composition  INTEGER NOT NULL CHECK (composition BETWEEN 0 AND 10000),
  copied_area  INTEGER NOT NULL CHECK (copied_area BETWEEN 0 AND 10000),
  ssim         REAL NOT NULL,
  psnr_db      REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
  run          TEXT PRIMARY KEY REFERENCES run (id),
  policy       BLOB NOT NULL REFERENCES policy (digest),
  verdict      TEXT NOT NULL CHECK (verdict IN ('cleared', 'refused')),
  draft_sha256 BLOB CHECK (length(draft_sha256) = 32),           -- none when nothing was generated
  reasons      TEXT NOT NULL CHECK (json_valid(reasons))
) STRICT, WITHOUT ROWID;

CREATE TABLE mark (
  output        TEXT NOT NULL REFERENCES asset (id),
  kind          TEXT NOT NULL CHECK (kind IN ('manifest', 'watermark')),
  algorithm     TEXT NOT NULL,
  value         TEXT NOT NULL,                     -- manifest label, or payload id
  source_prefix INTEGER,                           -- watermark: 48 bits of the source's digest
  nonce         INTEGER,                           -- watermark: 20 bits
  psnr_db       REAL,
  PRIMARY KEY (output, kind),
  UNIQUE (kind, value),
  CHECK ((kind = 'watermark') = (source_prefix IS NOT NULL AND nonce IS NOT NULL AND psnr_db IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX mark_payload ON mark (source_prefix, nonce);

CREATE TABLE manifest_store (
  label  TEXT PRIMARY KEY,
  output TEXT NOT NULL REFERENCES asset (id),
  bytes  BLOB NOT NULL CHECK (length(bytes) > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  seq       INTEGER PRIMARY KEY CHECK (seq > 0),
  at        TEXT NOT NULL,
  kind      TEXT NOT NULL CHECK (kind IN ('release', 'refusal')),
  body      TEXT NOT NULL CHECK (json_valid(body)),
  prev      BLOB NOT NULL CHECK (length(prev) = 32),
  hash      BLOB NOT NULL CHECK (length(hash) = 32),
  signer    BLOB NOT NULL CHECK (length(signer) = 32),     -- Ed25519 public key
  signature BLOB NOT NULL CHECK (length(signature) = 64)   -- over hash
) STRICT;

CREATE TABLE release (
  output TEXT PRIMARY KEY REFERENCES asset (id),
  run    TEXT NOT NULL UNIQUE REFERENCES run (id),
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  event  INTEGER NOT NULL UNIQUE REFERENCES event (seq)
) STRICT, WITHOUT ROWID;

-- The log: each entry names the one before.

CREATE TRIGGER event_chain BEFORE INSERT ON event BEGIN
  SELECT RAISE(ABORT, 'event refused: its number is not the next')
    WHERE NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event);
  SELECT RAISE(ABORT, 'event refused: it does not name the one before')
    WHERE NEW.prev IS NOT coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1), zeroblob(32));
  SELECT RAISE(ABORT, 'event refused: its hash is not that of its content')
    WHERE NEW.hash IS NOT sha256(NEW.prev || CAST(NEW.seq || char(10) || NEW.at || char(10) || NEW.kind || char(10) || NEW.body AS BLOB));
END;

-- What a policy says is what its text says: the text is what the digest is of. That the limits are those
-- of the text is for the program's audit to see: SQL does not read TOML.

CREATE TRIGGER policy_truth BEFORE INSERT ON policy BEGIN
  SELECT RAISE(ABORT, 'policy refused: the digest is not that of the text')
    WHERE NEW.digest IS NOT sha256(CAST(NEW.text AS BLOB));
  SELECT RAISE(ABORT, 'policy refused: it asks for less than any policy may')
    WHERE (NEW.min_deviation BETWEEN 3000 AND 10000 AND NEW.min_composition BETWEEN 0 AND 10000
           AND NEW.strength_min BETWEEN 0 AND 1 AND NEW.strength_max BETWEEN NEW.strength_min AND 1
           AND NEW.require_manifest IN (0, 1) AND NEW.require_watermark IN (0, 1)) IS NOT TRUE;
END;

-- What a picture is a copy of is an output on record.

CREATE TRIGGER asset_truth BEFORE INSERT ON asset WHEN NEW.copy_of IS NOT NULL BEGIN
  SELECT RAISE(ABORT, 'asset refused: what it is a copy of is no output on record')
    WHERE NEW.role IS NOT 'reference'
      OR NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.copy_of AND role = 'output');
END;

-- An output comes from one run, and is one generation after what its reference is or is a copy of.

CREATE TRIGGER derivation_truth BEFORE INSERT ON derivation BEGIN
  SELECT RAISE(ABORT, 'derivation refused: the run is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM run WHERE id = NEW.run);
  SELECT RAISE(ABORT, 'derivation refused: the reference is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.reference);
  SELECT RAISE(ABORT, 'derivation refused: the output is not on record')
    WHERE NEW.output IS NOT NULL
      AND (NEW.output = NEW.reference OR NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.output AND role = 'output'));
  SELECT RAISE(ABORT, 'derivation refused: another run made this output')
    WHERE EXISTS (SELECT 1 FROM derivation WHERE output = NEW.output AND run <> NEW.run);
  SELECT RAISE(ABORT, 'derivation refused: the generation is another')
    WHERE NEW.generation IS NOT 1 + coalesce(
      (SELECT max(d.generation) FROM asset a JOIN derivation d ON d.output IN (a.id, a.copy_of) WHERE a.id = NEW.reference), 0);
END;

-- A run is measured once, against what it was made from, before it is decided.

CREATE TRIGGER measurement_truth BEFORE INSERT ON measurement BEGIN
  SELECT RAISE(ABORT, 'measurement refused: the run has another reference')
    WHERE NOT EXISTS (SELECT 1 FROM derivation WHERE run = NEW.run AND reference = NEW.reference);
  SELECT RAISE(ABORT, 'measurement refused: a figure is outside 0 to 1')
    WHERE (NEW.detail BETWEEN 0 AND 10000 AND NEW.copied BETWEEN 0 AND 10000
           AND NEW.composition BETWEEN 0 AND 10000 AND NEW.copied_area BETWEEN 0 AND 10000) IS NOT TRUE;
  SELECT RAISE(ABORT, 'measurement refused: the run is decided already')
    WHERE EXISTS (SELECT 1 FROM decision WHERE run = NEW.run);
END;

-- A decision tells the truth about its measurement and its policy.

CREATE TRIGGER decision_truth BEFORE INSERT ON decision BEGIN
  SELECT RAISE(ABORT, 'decision refused: nothing was measured in this run')
    WHERE NEW.verdict IS NOT 'refused' AND NOT EXISTS (SELECT 1 FROM measurement WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'decision refused: other pixels were measured')
    WHERE NEW.draft_sha256 IS NOT (SELECT draft_sha256 FROM measurement WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'decision refused: the run has a reference that was not measured')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (
      SELECT 1 FROM derivation WHERE run = NEW.run
      AND reference IS NOT (SELECT reference FROM measurement WHERE run = NEW.run));
  SELECT RAISE(ABORT, 'decision refused: the policy is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy);
  SELECT RAISE(ABORT, 'decision refused: the run was made from nothing on record')
    WHERE NOT EXISTS (SELECT 1 FROM run r JOIN derivation d ON d.run = r.id WHERE r.id = NEW.run);
  SELECT RAISE(ABORT, 'decision refused: deviation below the policy''s limit')
    WHERE NEW.verdict IS NOT 'refused' AND (
      SELECT m.deviation >= p.min_deviation FROM measurement m, policy p
      WHERE m.run = NEW.run AND p.digest = NEW.policy) IS NOT TRUE;
  SELECT RAISE(ABORT, 'decision refused: arrangement below the policy''s limit')
    WHERE NEW.verdict IS NOT 'refused' AND (
      SELECT m.composition >= p.min_composition FROM measurement m, policy p
      WHERE m.run = NEW.run AND p.digest = NEW.policy) IS NOT TRUE;
  SELECT RAISE(ABORT, 'decision refused: strength outside the policy''s limits')
    WHERE NEW.verdict IS NOT 'refused' AND (
      SELECT r.strength BETWEEN p.strength_min AND p.strength_max FROM run r, policy p
      WHERE r.id = NEW.run AND p.digest = NEW.policy) IS NOT TRUE;
END;

-- Marks come before the release that needs them, and a manifest store belongs to a mark.

CREATE TRIGGER mark_truth BEFORE INSERT ON mark BEGIN
  SELECT RAISE(ABORT, 'mark refused: the output is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.output AND role = 'output');
  SELECT RAISE(ABORT, 'mark refused: the output is released already')
    WHERE EXISTS (SELECT 1 FROM release WHERE output = NEW.output);
  SELECT RAISE(ABORT, 'mark refused: a watermark without its payload')
    WHERE NEW.kind IS NOT 'manifest' AND (NEW.source_prefix IS NULL OR NEW.nonce IS NULL OR NEW.psnr_db IS NULL);
END;
CREATE TRIGGER manifest_store_truth BEFORE INSERT ON manifest_store BEGIN
  SELECT RAISE(ABORT, 'manifest store refused: it is not that of a mark')
    WHERE NOT EXISTS (SELECT 1 FROM mark WHERE output = NEW.output AND kind = 'manifest' AND value = NEW.label);
  SELECT RAISE(ABORT, 'manifest store refused: it is empty')
    WHERE length(NEW.bytes) IS 0;
END;

-- The gate. Whoever writes: no release without a clearing decision, its marks and its entry in the log.
-- The numbers are compared once more, in case the decision came in by another way.

CREATE TRIGGER release_gate BEFORE INSERT ON release BEGIN
  SELECT RAISE(ABORT, 'release refused: no clearing decision')
    WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared');
  SELECT RAISE(ABORT, 'release refused: the measurement is below the policy''s limits')
    WHERE NOT EXISTS (
      SELECT 1 FROM decision d
      JOIN policy p ON p.digest = d.policy
      JOIN measurement m ON m.run = d.run AND m.draft_sha256 = d.draft_sha256
      JOIN run r ON r.id = d.run
      WHERE d.run = NEW.run AND m.deviation >= p.min_deviation AND m.composition >= p.min_composition
        AND r.strength BETWEEN p.strength_min AND p.strength_max);
  SELECT RAISE(ABORT, 'release refused: the run did not make this output')
    WHERE NOT EXISTS (SELECT 1 FROM derivation WHERE run = NEW.run AND output = NEW.output);
  SELECT RAISE(ABORT, 'release refused: the run has a reference that was not measured')
    WHERE EXISTS (SELECT 1 FROM derivation WHERE run = NEW.run
      AND reference IS NOT (SELECT a.id FROM measurement m JOIN asset a ON a.id = m.reference WHERE m.run = NEW.run));
  SELECT RAISE(ABORT, 'release refused: not the output''s bytes')
    WHERE NEW.sha256 IS NOT (SELECT sha256 FROM asset WHERE id = NEW.output AND role = 'output');
  SELECT RAISE(ABORT, 'release refused: the manifest is missing')
    WHERE (SELECT require_manifest FROM policy p JOIN decision d ON d.policy = p.digest WHERE d.run = NEW.run)
      AND NOT EXISTS (SELECT 1 FROM mark k JOIN manifest_store s ON s.label = k.value AND s.output = k.output
                      WHERE k.output = NEW.output AND k.kind = 'manifest');
  SELECT RAISE(ABORT, 'release refused: the watermark is missing')
    WHERE (SELECT require_watermark FROM policy p JOIN decision d ON d.policy = p.digest WHERE d.run = NEW.run)
      AND NOT EXISTS (SELECT 1 FROM mark WHERE output = NEW.output AND kind = 'watermark');
  SELECT RAISE(ABORT, 'release refused: the watermark is stronger than the policy allows')
    WHERE EXISTS (SELECT 1 FROM mark k, policy p JOIN decision d ON d.policy = p.digest
                  WHERE d.run = NEW.run AND k.output = NEW.output AND k.kind = 'watermark'
                    AND (k.psnr_db >= p.min_psnr_db - 0.05) IS NOT TRUE);
  SELECT RAISE(ABORT, 'release refused: it is not in the log')
    WHERE NOT EXISTS (SELECT 1 FROM event WHERE seq = NEW.event AND kind = 'release'
                      AND json_extract(body, '$.output') = NEW.output
                      AND json_extract(body, '$.run') = NEW.run
                      AND json_extract(body, '$.sha256') = lower(hex(NEW.sha256)));
  SELECT RAISE(ABORT, 'release refused: the log tells of other figures')
    WHERE NOT EXISTS (SELECT 1 FROM event e, measurement m JOIN decision d ON d.run = m.run
                      WHERE e.seq = NEW.event AND m.run = NEW.run
                      AND json_extract(e.body, '$.deviation') = m.deviation
                      AND json_extract(e.body, '$.composition') = m.composition
                      AND json_extract(e.body, '$.policy') = lower(hex(d.policy)));
END;

-- Rows are written once. INSERT OR REPLACE would delete without a trigger, hence the guards before INSERT.

CREATE TRIGGER asset_once BEFORE INSERT ON asset WHEN EXISTS (SELECT 1 FROM asset WHERE id = NEW.id OR sha256 = NEW.sha256) BEGIN SELECT RAISE(ABORT, 'asset is append-only'); END;
CREATE TRIGGER asset_update BEFORE UPDATE ON asset BEGIN SELECT RAISE(ABORT, 'asset is append-only'); END;
CREATE TRIGGER asset_delete BEFORE DELETE ON asset BEGIN SELECT RAISE(ABORT, 'asset is append-only'); END;
CREATE TRIGGER policy_once BEFORE INSERT ON policy WHEN EXISTS (SELECT 1 FROM policy WHERE digest = NEW.digest) BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
CREATE TRIGGER policy_update BEFORE UPDATE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
CREATE TRIGGER policy_delete BEFORE DELETE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
CREATE TRIGGER run_once BEFORE INSERT ON run WHEN EXISTS (SELECT 1 FROM run WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'run is append-only'); END;
CREATE TRIGGER run_update BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'run is append-only'); END;
CREATE TRIGGER run_delete BEFORE DELETE ON run BEGIN SELECT RAISE(ABORT, 'run is append-only'); END;
CREATE TRIGGER derivation_once BEFORE INSERT ON derivation WHEN EXISTS (SELECT 1 FROM derivation WHERE run = NEW.run AND reference = NEW.reference) OR EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'derivation is append-only'); END;
CREATE TRIGGER derivation_update BEFORE UPDATE ON derivation BEGIN SELECT RAISE(ABORT, 'derivation is append-only'); END;
CREATE TRIGGER derivation_delete BEFORE DELETE ON derivation BEGIN SELECT RAISE(ABORT, 'derivation is append-only'); END;
CREATE TRIGGER measurement_once BEFORE INSERT ON measurement WHEN EXISTS (SELECT 1 FROM measurement WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'measurement is append-only'); END;
CREATE TRIGGER measurement_update BEFORE UPDATE ON measurement BEGIN SELECT RAISE(ABORT, 'measurement is append-only'); END;
CREATE TRIGGER measurement_delete BEFORE DELETE ON measurement BEGIN SELECT RAISE(ABORT, 'measurement is append-only'); END;
CREATE TRIGGER decision_once BEFORE INSERT ON decision WHEN EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER decision_update BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER decision_delete BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER mark_once BEFORE INSERT ON mark WHEN EXISTS (SELECT 1 FROM mark WHERE (output = NEW.output AND kind = NEW.kind) OR (kind = NEW.kind AND value = NEW.value) OR (source_prefix = NEW.source_prefix AND nonce = NEW.nonce)) BEGIN SELECT RAISE(ABORT, 'mark is append-only'); END;
CREATE TRIGGER mark_update BEFORE UPDATE ON mark BEGIN SELECT RAISE(ABORT, 'mark is append-only'); END;
CREATE TRIGGER mark_delete BEFORE DELETE ON mark BEGIN SELECT RAISE(ABORT, 'mark is append-only'); END;
CREATE TRIGGER manifest_store_once BEFORE INSERT ON manifest_store WHEN EXISTS (SELECT 1 FROM manifest_store WHERE label = NEW.label) BEGIN SELECT RAISE(ABORT, 'manifest_store is append-only'); END;
CREATE TRIGGER manifest_store_update BEFORE UPDATE ON manifest_store BEGIN SELECT RAISE(ABORT, 'manifest_store is append-only'); END;
CREATE TRIGGER manifest_store_delete BEFORE DELETE ON manifest_store BEGIN SELECT RAISE(ABORT, 'manifest_store is append-only'); END;
CREATE TRIGGER event_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END;
CREATE TRIGGER event_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END;
CREATE TRIGGER release_once BEFORE INSERT ON release WHEN EXISTS (SELECT 1 FROM release WHERE output = NEW.output OR run = NEW.run OR event = NEW.event) BEGIN SELECT RAISE(ABORT, 'release is append-only'); END;
CREATE TRIGGER release_update BEFORE UPDATE ON release BEGIN SELECT RAISE(ABORT, 'release is append-only'); END;
CREATE TRIGGER release_delete BEFORE DELETE ON release BEGIN SELECT RAISE(ABORT, 'release is append-only'); END;
