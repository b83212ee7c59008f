-- Pictures that were made elsewhere and brought here: what is said of them is somebody's word.
--
-- Their run has the tool's name as its engine. A strength that nobody knows is NULL here and 0 in `run`, which has no NULL:
-- it is no strength, and no policy that bounds strengths clears it. A seed that nobody knows is an empty text in `run`.

CREATE TABLE adoption (
  run          TEXT PRIMARY KEY REFERENCES run (id),
  image_sha256 BLOB NOT NULL CHECK (length(image_sha256) = 32),  -- of the file as it was brought
  strength     REAL CHECK (strength BETWEEN 0 AND 1),
  declared     TEXT NOT NULL CHECK (json_valid(declared))        -- all that was said, by whom, and where it stands
) STRICT, WITHOUT ROWID;
CREATE INDEX adoption_image ON adoption (image_sha256);

-- Policies that a run of unknown strength breaks: those that bound strengths at all.

CREATE VIEW unbounded (run, policy) AS
  SELECT a.run, a.policy FROM applied a JOIN policy p ON p.digest = a.policy
    JOIN adoption d ON d.run = a.run WHERE d.strength IS NULL AND (p.strength_min > 0 OR p.strength_max < 1);

CREATE TRIGGER adoption_truth BEFORE INSERT ON adoption BEGIN
  SELECT RAISE(ABORT, 'adoption refused: the run is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM run WHERE id = NEW.run);
  SELECT RAISE(ABORT, 'adoption refused: the run is of another strength')
    WHERE coalesce(NEW.strength, 0) IS NOT (SELECT strength FROM run WHERE id = NEW.run);
  SELECT RAISE(ABORT, 'adoption refused: an engine of this program draws here')
    WHERE EXISTS (SELECT 1 FROM run WHERE id = NEW.run AND engine IN ('patch', 'stable-diffusion', 'flux'));
  SELECT RAISE(ABORT, 'adoption refused: the file is not named')
    WHERE length(NEW.image_sha256) IS NOT 32 OR json_valid(NEW.declared) IS NOT 1;
END;

CREATE TRIGGER decision_adoption BEFORE INSERT ON decision WHEN NEW.verdict IS NOT 'refused' BEGIN
  SELECT RAISE(ABORT, 'decision refused: the policy bounds the strength, which nobody knows')
    WHERE EXISTS (SELECT 1 FROM unbounded WHERE run = NEW.run);
END;
CREATE TRIGGER release_adoption BEFORE INSERT ON release BEGIN
  SELECT RAISE(ABORT, 'release refused: a policy bounds the strength, which nobody knows')
    WHERE EXISTS (SELECT 1 FROM unbounded WHERE run = NEW.run);
END;

-- Rows are written once, as in 0001.

CREATE TRIGGER adoption_once BEFORE INSERT ON adoption WHEN EXISTS (SELECT 1 FROM adoption WHERE run = NEW.run) OR EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'adoption is append-only'); END;
CREATE TRIGGER adoption_update BEFORE UPDATE ON adoption BEGIN SELECT RAISE(ABORT, 'adoption is append-only'); END;
CREATE TRIGGER adoption_delete BEFORE DELETE ON adoption BEGIN SELECT RAISE(ABORT, 'adoption is append-only'); END;
