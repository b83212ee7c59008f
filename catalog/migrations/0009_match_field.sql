-- What an engine knows of its own copying, and policies that limit it: a second witness beside what was measured.
--
-- The embedded engine draws every pixel from a place of the reference, and keeps the map. A piece of one place is a copy
-- however it was turned or bent, which a comparison of two pictures may not see.

CREATE TABLE policy_copy (                       -- closed with the policy's rules
  policy   BLOB PRIMARY KEY REFERENCES policy (digest),
  max_copy INTEGER NOT NULL CHECK (max_copy BETWEEN 0 AND 10000)
) STRICT, WITHOUT ROWID;

CREATE TABLE match_field (                       -- none for an engine that keeps no such map
  run          TEXT PRIMARY KEY REFERENCES run (id),
  largest_copy INTEGER NOT NULL CHECK (largest_copy BETWEEN 0 AND 10000)  -- share of the picture, in one piece
) STRICT, WITHOUT ROWID;

-- Every run whose engine took more in one piece than a policy that applied allows. Said once, for the triggers and for the
-- audit. The embedded engine always knows, so that its silence says yes.

CREATE VIEW overdrawn (run, policy) AS
  SELECT a.run, a.policy FROM applied a JOIN policy_copy q ON q.policy = a.policy JOIN run r ON r.id = a.run
    LEFT JOIN match_field f ON f.run = a.run
    WHERE CASE WHEN f.run IS NULL THEN r.engine IS NOT 'patch' ELSE f.largest_copy <= q.max_copy END IS NOT TRUE;

CREATE TRIGGER policy_copy_truth BEFORE INSERT ON policy_copy BEGIN
  SELECT RAISE(ABORT, 'policy rule refused: the policy is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy);
  SELECT RAISE(ABORT, 'policy rule refused: it means nothing')
    WHERE (NEW.max_copy BETWEEN 0 AND 10000) IS NOT TRUE;
END;

CREATE TRIGGER match_field_truth BEFORE INSERT ON match_field BEGIN
  SELECT RAISE(ABORT, 'match field refused: the run is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM run WHERE id = NEW.run);
  SELECT RAISE(ABORT, 'match field refused: the run is decided already')
    WHERE EXISTS (SELECT 1 FROM decision WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'match field refused: a figure is outside 0 to 1')
    WHERE (NEW.largest_copy BETWEEN 0 AND 10000) IS NOT TRUE;
END;

-- Beside those of 0003 and 0004: whoever writes. Two people do not lift it.

CREATE TRIGGER decision_copy BEFORE INSERT ON decision WHEN NEW.verdict IS NOT 'refused' BEGIN
  SELECT RAISE(ABORT, 'decision refused: the engine took more in one piece than the policy allows')
    WHERE EXISTS (SELECT 1 FROM overdrawn WHERE run = NEW.run);
END;

CREATE TRIGGER release_copy BEFORE INSERT ON release
WHEN EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared')
  OR EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'release refused: the engine took more in one piece than the policy allows')
    WHERE EXISTS (SELECT 1 FROM overdrawn WHERE run = NEW.run);
END;

-- Rows are written once, as in 0001.

CREATE TRIGGER policy_copy_once BEFORE INSERT ON policy_copy WHEN EXISTS (SELECT 1 FROM policy_copy WHERE policy = NEW.policy) OR EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_copy is append-only'); END;
CREATE TRIGGER policy_copy_update BEFORE UPDATE ON policy_copy BEGIN SELECT RAISE(ABORT, 'policy_copy is append-only'); END;
CREATE TRIGGER policy_copy_delete BEFORE DELETE ON policy_copy BEGIN SELECT RAISE(ABORT, 'policy_copy is append-only'); END;
CREATE TRIGGER match_field_once BEFORE INSERT ON match_field WHEN EXISTS (SELECT 1 FROM match_field WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'match_field is append-only'); END;
CREATE TRIGGER match_field_update BEFORE UPDATE ON match_field BEGIN SELECT RAISE(ABORT, 'match_field is append-only'); END;
CREATE TRIGGER match_field_delete BEFORE DELETE ON match_field BEGIN SELECT RAISE(ABORT, 'match_field is append-only'); END;
