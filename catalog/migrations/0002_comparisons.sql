-- What every draft is held against besides its own reference: all that ever served as one here.
--
-- `known` numbers, in order, what can be looked for by its looks: references, and outputs that were released.
-- `search` says how far a run looked, `comparison` what it was measured against and what came of it. The schema
-- refuses a run that passed over what was nearest or is newer, or that is too close to any of them.

CREATE TABLE known (
  role                TEXT NOT NULL CHECK (role IN ('reference', 'output')),
  number              INTEGER NOT NULL CHECK (number > 0),     -- within its role, without gaps
  asset               TEXT NOT NULL REFERENCES asset (id),
  fingerprint         BLOB NOT NULL CHECK (length(fingerprint) = 32),
  fingerprint_quality INTEGER NOT NULL CHECK (fingerprint_quality BETWEEN 0 AND 100),
  PRIMARY KEY (role, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX known_asset ON known (asset, role);

INSERT INTO known
  SELECT 'reference', row_number() OVER (ORDER BY min(d.run), a.id), a.id, a.fingerprint, a.fingerprint_quality
  FROM derivation d JOIN asset a ON a.id = d.reference GROUP BY a.id;
INSERT INTO known
  SELECT 'output', row_number() OVER (ORDER BY l.event), a.id, a.fingerprint, a.fingerprint_quality
  FROM release l JOIN asset a ON a.id = l.output;

CREATE TABLE search (
  run     TEXT PRIMARY KEY REFERENCES run (id),
  through INTEGER NOT NULL CHECK (through >= 0)                -- number of the newest reference that was looked at
) STRICT, WITHOUT ROWID;

CREATE TABLE comparison (
  run       TEXT NOT NULL REFERENCES run (id),
  reference TEXT NOT NULL REFERENCES asset (id),
  distance  INTEGER NOT NULL CHECK (distance BETWEEN 0 AND 256),  -- of the fingerprints
  measure   TEXT NOT NULL,
  detail    INTEGER CHECK (detail BETWEEN 0 AND 10000),           -- none when its picture is lost
  copied    INTEGER CHECK (copied BETWEEN 0 AND 10000),
  deviation INTEGER GENERATED ALWAYS AS (10000 - max(detail, copied)) STORED,
  PRIMARY KEY (run, reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_copy ON asset (copy_of) WHERE copy_of IS NOT NULL;

-- Whoever writes a derivation or a release makes a picture known.

CREATE TRIGGER derivation_known AFTER INSERT ON derivation
WHEN NOT EXISTS (SELECT 1 FROM known WHERE asset = NEW.reference AND role = 'reference') BEGIN
  INSERT INTO known
    SELECT 'reference', 1 + coalesce((SELECT max(number) FROM known WHERE role = 'reference'), 0), id, fingerprint,
           fingerprint_quality FROM asset WHERE id = NEW.reference;
END;
CREATE TRIGGER release_output_known AFTER INSERT ON release BEGIN
  INSERT INTO known
    SELECT 'output', 1 + coalesce((SELECT max(number) FROM known WHERE role = 'output'), 0), id, fingerprint,
           fingerprint_quality FROM asset WHERE id = NEW.output;
END;
CREATE TRIGGER known_truth BEFORE INSERT ON known BEGIN
  SELECT RAISE(ABORT, 'known refused: its number is not the next')
    WHERE NEW.number IS NOT 1 + coalesce((SELECT max(number) FROM known WHERE role = NEW.role), 0);
  SELECT RAISE(ABORT, 'known refused: it served as no reference and was not released')
    WHERE NOT CASE NEW.role WHEN 'reference' THEN EXISTS (SELECT 1 FROM derivation WHERE reference = NEW.asset)
                            WHEN 'output' THEN EXISTS (SELECT 1 FROM release WHERE output = NEW.asset)
                            ELSE 0 END;
  SELECT RAISE(ABORT, 'known refused: its fingerprint is another')
    WHERE NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.asset AND fingerprint IS NEW.fingerprint
                      AND fingerprint_quality IS NEW.fingerprint_quality);
END;

-- A run looks once, after it was measured and before it is decided.

CREATE TRIGGER search_truth BEFORE INSERT ON search BEGIN
  SELECT RAISE(ABORT, 'search refused: nothing was measured in this run')
    WHERE NOT EXISTS (SELECT 1 FROM measurement WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'search refused: the run is decided already')
    WHERE EXISTS (SELECT 1 FROM decision WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'search refused: there is no reference of that number')
    WHERE (NEW.through BETWEEN 0 AND coalesce((SELECT max(number) FROM known WHERE role = 'reference'), 0)) IS NOT TRUE;
END;
CREATE TRIGGER comparison_truth BEFORE INSERT ON comparison BEGIN
  SELECT RAISE(ABORT, 'comparison refused: nothing was measured in this run')
    WHERE NOT EXISTS (SELECT 1 FROM measurement WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'comparison refused: the run is decided already')
    WHERE EXISTS (SELECT 1 FROM decision WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'comparison refused: it is the reference of the run itself')
    WHERE EXISTS (SELECT 1 FROM derivation WHERE run = NEW.run AND reference = NEW.reference);
  SELECT RAISE(ABORT, 'comparison refused: the picture is not known')
    WHERE NOT EXISTS (SELECT 1 FROM known WHERE asset = NEW.reference);
  SELECT RAISE(ABORT, 'comparison refused: a figure is outside its range')
    WHERE (NEW.distance BETWEEN 0 AND 256 AND (NEW.detail IS NULL) = (NEW.copied IS NULL)
           AND coalesce(NEW.detail, 0) BETWEEN 0 AND 10000 AND coalesce(NEW.copied, 0) BETWEEN 0 AND 10000) IS NOT TRUE;
END;

-- What a run is held against: the eight references nearest to it, everything that its own reference comes from, and
-- nothing newer left out. That none of them is too close for any policy that applies is asked in 0003.

CREATE TRIGGER decision_known BEFORE INSERT ON decision
WHEN NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM measurement WHERE run = NEW.run)
  AND NOT EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'decision refused: the draft was not held against the known references')
    WHERE NOT EXISTS (SELECT 1 FROM search WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'decision refused: a reference was added since the search')
    WHERE EXISTS (SELECT 1 FROM known WHERE role = 'reference'
      AND number > (SELECT through FROM search WHERE run = NEW.run)
      AND asset NOT IN (SELECT reference FROM derivation WHERE run = NEW.run));
  SELECT RAISE(ABORT, 'decision refused: fewer references were compared than there are')
    WHERE (SELECT count(*) FROM comparison WHERE run = NEW.run) < min(8,
      coalesce((SELECT max(number) FROM known WHERE role = 'reference'), 0)
      - (SELECT count(*) FROM derivation d CROSS JOIN known k ON k.asset = d.reference AND k.role = 'reference'
         WHERE d.run = NEW.run));
  SELECT RAISE(ABORT, 'decision refused: what the reference comes from was not compared')
    WHERE EXISTS (
      WITH RECURSIVE above (id) AS (
        SELECT reference FROM derivation WHERE run = NEW.run
        UNION SELECT d.reference FROM above u JOIN derivation d ON d.output = u.id
        UNION SELECT a.copy_of FROM above u JOIN asset a ON a.id = u.id WHERE a.copy_of IS NOT NULL)
      SELECT 1 FROM above u WHERE u.id NOT IN (SELECT reference FROM derivation WHERE run = NEW.run)
        AND u.id NOT IN (SELECT reference FROM comparison WHERE run = NEW.run));
END;

-- Rows are written once.

CREATE TRIGGER known_once BEFORE INSERT ON known WHEN EXISTS (SELECT 1 FROM known WHERE role = NEW.role AND (number = NEW.number OR asset = NEW.asset)) BEGIN SELECT RAISE(ABORT, 'known is append-only'); END;
CREATE TRIGGER known_update BEFORE UPDATE ON known BEGIN SELECT RAISE(ABORT, 'known is append-only'); END;
CREATE TRIGGER known_delete BEFORE DELETE ON known BEGIN SELECT RAISE(ABORT, 'known is append-only'); END;
CREATE TRIGGER search_once BEFORE INSERT ON search WHEN EXISTS (SELECT 1 FROM search WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'search is append-only'); END;
CREATE TRIGGER search_update BEFORE UPDATE ON search BEGIN SELECT RAISE(ABORT, 'search is append-only'); END;
CREATE TRIGGER search_delete BEFORE DELETE ON search BEGIN SELECT RAISE(ABORT, 'search is append-only'); END;
CREATE TRIGGER comparison_once BEFORE INSERT ON comparison WHEN EXISTS (SELECT 1 FROM comparison WHERE run = NEW.run AND reference = NEW.reference) BEGIN SELECT RAISE(ABORT, 'comparison is append-only'); END;
CREATE TRIGGER comparison_update BEFORE UPDATE ON comparison BEGIN SELECT RAISE(ABORT, 'comparison is append-only'); END;
CREATE TRIGGER comparison_delete BEFORE DELETE ON comparison BEGIN SELECT RAISE(ABORT, 'comparison is append-only'); END;
