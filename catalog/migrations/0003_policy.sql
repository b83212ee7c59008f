-- What the second schema of policies can ask, several policies for one run, and what a reference was said to be.
--
-- Rules of a policy are closed by its row in policy_rule; what applies to a run is closed by its decision.
-- Triggers stand beside those of 0001 and use the same words for the same thing: which of them speaks first is
-- for SQLite to choose.

CREATE TABLE policy_engine (                     -- engines that may draw
  policy BLOB NOT NULL REFERENCES policy (digest),
  engine TEXT NOT NULL,
  PRIMARY KEY (policy, engine)
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_purpose (                    -- what a picture may be for
  policy  BLOB NOT NULL REFERENCES policy (digest),
  purpose TEXT NOT NULL,
  PRIMARY KEY (policy, purpose)
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_rule (
  policy          BLOB PRIMARY KEY REFERENCES policy (digest),
  min_detail      INTEGER NOT NULL,              -- what detail alone has to leave
  min_copied      INTEGER NOT NULL,              -- what copied area alone has to leave
  any_engine      INTEGER NOT NULL CHECK (any_engine IN (0, 1)),
  any_purpose     INTEGER NOT NULL CHECK (any_purpose IN (0, 1)),
  max_generations INTEGER CHECK (max_generations > 0),
  require_xmp     INTEGER NOT NULL CHECK (require_xmp IN (0, 1)),
  expires         TEXT                           -- the last day, in UTC
) STRICT, WITHOUT ROWID;

CREATE TABLE run_class (                         -- what the reference was said to be when this run was asked for
  run   TEXT NOT NULL REFERENCES run (id),
  class TEXT NOT NULL CHECK (class IN ('micrograph', 'clinical', 'photo', 'figure')),
  PRIMARY KEY (run, class)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_tag (
  run TEXT NOT NULL REFERENCES run (id),
  tag TEXT NOT NULL,
  PRIMARY KEY (run, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE applied (                           -- every policy that judged a run, that of its decision among them
  run    TEXT NOT NULL REFERENCES run (id),
  policy BLOB NOT NULL REFERENCES policy (digest),
  why    TEXT NOT NULL,
  PRIMARY KEY (run, policy)
) STRICT, WITHOUT ROWID;
CREATE INDEX applied_policy ON applied (policy);

CREATE TABLE xmp_label (                         -- outputs that carry the unsigned label
  output TEXT PRIMARY KEY REFERENCES asset (id)
) STRICT, WITHOUT ROWID;

-- What was decided before: by one policy each, whose text could ask for nothing more.

INSERT INTO policy_rule SELECT digest, min_deviation, min_deviation, 1, 1, NULL, 0, NULL FROM policy;
INSERT INTO applied SELECT run, policy, 'named' FROM decision;

-- Every rule that a run breaks, whatever was decided. Said once, for the triggers and for the audit. Another picture on
-- record whose file is lost counts as too close if its fingerprint is near (64 of 256 bits).

CREATE VIEW breach (run, policy, rule) AS
  SELECT a.run, a.policy, 'deviation.min' FROM applied a JOIN policy p ON p.digest = a.policy
    JOIN measurement m ON m.run = a.run WHERE (m.deviation >= p.min_deviation) IS NOT TRUE
  UNION ALL
  SELECT a.run, a.policy, 'deviation.composition' FROM applied a JOIN policy p ON p.digest = a.policy
    JOIN measurement m ON m.run = a.run WHERE (m.composition >= p.min_composition) IS NOT TRUE
  UNION ALL
  SELECT a.run, a.policy, 'deviation.detail' FROM applied a JOIN policy_rule q ON q.policy = a.policy
    JOIN measurement m ON m.run = a.run WHERE (10000 - m.detail >= q.min_detail) IS NOT TRUE
  UNION ALL
  SELECT a.run, a.policy, 'deviation.copied' FROM applied a JOIN policy_rule q ON q.policy = a.policy
    JOIN measurement m ON m.run = a.run WHERE (10000 - m.copied >= q.min_copied) IS NOT TRUE
  UNION ALL
  SELECT a.run, a.policy, 'strength' FROM applied a JOIN policy p ON p.digest = a.policy
    JOIN run r ON r.id = a.run WHERE (r.strength BETWEEN p.strength_min AND p.strength_max) IS NOT TRUE
  UNION ALL
  SELECT a.run, a.policy, 'generation.engines' FROM applied a JOIN policy_rule q ON q.policy = a.policy
    JOIN run r ON r.id = a.run WHERE q.any_engine IS NOT 1
      AND NOT EXISTS (SELECT 1 FROM policy_engine e WHERE e.policy = a.policy AND e.engine = r.engine)
  UNION ALL
  SELECT a.run, a.policy, 'purpose.allowed' FROM applied a JOIN policy_rule q ON q.policy = a.policy
    JOIN run r ON r.id = a.run WHERE q.any_purpose IS NOT 1
      AND NOT EXISTS (SELECT 1 FROM policy_purpose u WHERE u.policy = a.policy AND u.purpose = r.purpose)
  UNION ALL
  SELECT a.run, a.policy, 'generation.max' FROM applied a JOIN policy_rule q ON q.policy = a.policy
    JOIN derivation d ON d.run = a.run WHERE d.generation > q.max_generations
  UNION ALL
  SELECT a.run, a.policy, 'expires' FROM applied a JOIN policy_rule q ON q.policy = a.policy
    JOIN run r ON r.id = a.run WHERE q.expires IS NOT NULL AND (date(substr(r.started, 1, 10)) <= q.expires) IS NOT TRUE
  UNION ALL
  SELECT a.run, a.policy, 'known' FROM applied a JOIN policy p ON p.digest = a.policy JOIN comparison c ON c.run = a.run
    WHERE CASE WHEN c.deviation IS NULL THEN c.distance > 64 ELSE c.deviation >= p.min_deviation END IS NOT TRUE;

-- Rules come with their policy and are closed by one row.

CREATE TRIGGER policy_rule_truth BEFORE INSERT ON policy_rule BEGIN
  SELECT RAISE(ABORT, 'policy rule refused: the policy is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy);
  SELECT RAISE(ABORT, 'policy rule refused: it asks for less than its policy')
    WHERE (SELECT NEW.min_detail BETWEEN p.min_deviation AND 10000 AND NEW.min_copied BETWEEN p.min_deviation AND 10000
           FROM policy p WHERE p.digest = NEW.policy) IS NOT TRUE;
  SELECT RAISE(ABORT, 'policy rule refused: it means nothing')
    WHERE (NEW.any_engine IN (0, 1) AND NEW.any_purpose IN (0, 1) AND NEW.require_xmp IN (0, 1)
           AND coalesce(NEW.max_generations, 1) > 0 AND date(NEW.expires) IS NEW.expires) IS NOT TRUE;
END;

-- Who applies is on record before anything is decided.

CREATE TRIGGER applied_truth BEFORE INSERT ON applied BEGIN
  SELECT RAISE(ABORT, 'applied refused: the run is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM run WHERE id = NEW.run);
  SELECT RAISE(ABORT, 'applied refused: the rules of the policy are not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy);
END;

CREATE TRIGGER decision_rules BEFORE INSERT ON decision
WHEN EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy) AND EXISTS (SELECT 1 FROM derivation WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'decision refused: its policy is not among those that apply')
    WHERE NOT EXISTS (SELECT 1 FROM applied WHERE run = NEW.run AND policy = NEW.policy);
  SELECT RAISE(ABORT, 'decision refused: deviation below the policy''s limit')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'deviation.min');
  SELECT RAISE(ABORT, 'decision refused: arrangement below the policy''s limit')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'deviation.composition');
  SELECT RAISE(ABORT, 'decision refused: deviation by detail below the policy''s limit')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'deviation.detail');
  SELECT RAISE(ABORT, 'decision refused: deviation by copied area below the policy''s limit')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'deviation.copied');
  SELECT RAISE(ABORT, 'decision refused: strength outside the policy''s limits')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'strength');
  SELECT RAISE(ABORT, 'decision refused: the policy does not allow the engine')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'generation.engines');
  SELECT RAISE(ABORT, 'decision refused: the policy does not allow the purpose')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'purpose.allowed');
  SELECT RAISE(ABORT, 'decision refused: too many generations for the policy')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'generation.max');
  SELECT RAISE(ABORT, 'decision refused: the policy expired')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'expires');
  SELECT RAISE(ABORT, 'decision refused: too close to another reference on record')
    WHERE NEW.verdict IS NOT 'refused' AND EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'known');
END;

CREATE TRIGGER xmp_label_truth BEFORE INSERT ON xmp_label BEGIN
  SELECT RAISE(ABORT, 'label refused: the output is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.output AND role = 'output');
  SELECT RAISE(ABORT, 'label refused: the output is released already')
    WHERE EXISTS (SELECT 1 FROM release WHERE output = NEW.output);
END;

-- Rows are written once, as in 0001.

CREATE TRIGGER policy_engine_once BEFORE INSERT ON policy_engine WHEN EXISTS (SELECT 1 FROM policy_engine WHERE policy = NEW.policy AND engine = NEW.engine) OR EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_engine is append-only'); END;
CREATE TRIGGER policy_engine_update BEFORE UPDATE ON policy_engine BEGIN SELECT RAISE(ABORT, 'policy_engine is append-only'); END;
CREATE TRIGGER policy_engine_delete BEFORE DELETE ON policy_engine BEGIN SELECT RAISE(ABORT, 'policy_engine is append-only'); END;
CREATE TRIGGER policy_purpose_once BEFORE INSERT ON policy_purpose WHEN EXISTS (SELECT 1 FROM policy_purpose WHERE policy = NEW.policy AND purpose = NEW.purpose) OR EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_purpose is append-only'); END;
CREATE TRIGGER policy_purpose_update BEFORE UPDATE ON policy_purpose BEGIN SELECT RAISE(ABORT, 'policy_purpose is append-only'); END;
CREATE TRIGGER policy_purpose_delete BEFORE DELETE ON policy_purpose BEGIN SELECT RAISE(ABORT, 'policy_purpose is append-only'); END;
CREATE TRIGGER policy_rule_once BEFORE INSERT ON policy_rule WHEN EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_rule is append-only'); END;
CREATE TRIGGER policy_rule_update BEFORE UPDATE ON policy_rule BEGIN SELECT RAISE(ABORT, 'policy_rule is append-only'); END;
CREATE TRIGGER policy_rule_delete BEFORE DELETE ON policy_rule BEGIN SELECT RAISE(ABORT, 'policy_rule is append-only'); END;
CREATE TRIGGER run_class_once BEFORE INSERT ON run_class WHEN EXISTS (SELECT 1 FROM run_class WHERE run = NEW.run AND class = NEW.class) OR EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'run_class is append-only'); END;
CREATE TRIGGER run_class_update BEFORE UPDATE ON run_class BEGIN SELECT RAISE(ABORT, 'run_class is append-only'); END;
CREATE TRIGGER run_class_delete BEFORE DELETE ON run_class BEGIN SELECT RAISE(ABORT, 'run_class is append-only'); END;
CREATE TRIGGER run_tag_once BEFORE INSERT ON run_tag WHEN EXISTS (SELECT 1 FROM run_tag WHERE run = NEW.run AND tag = NEW.tag) OR EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'run_tag is append-only'); END;
CREATE TRIGGER run_tag_update BEFORE UPDATE ON run_tag BEGIN SELECT RAISE(ABORT, 'run_tag is append-only'); END;
CREATE TRIGGER run_tag_delete BEFORE DELETE ON run_tag BEGIN SELECT RAISE(ABORT, 'run_tag is append-only'); END;
CREATE TRIGGER applied_once BEFORE INSERT ON applied WHEN EXISTS (SELECT 1 FROM applied WHERE run = NEW.run AND policy = NEW.policy) OR EXISTS (SELECT 1 FROM decision WHERE run = NEW.run) BEGIN SELECT RAISE(ABORT, 'applied is append-only'); END;
CREATE TRIGGER applied_update BEFORE UPDATE ON applied BEGIN SELECT RAISE(ABORT, 'applied is append-only'); END;
CREATE TRIGGER applied_delete BEFORE DELETE ON applied BEGIN SELECT RAISE(ABORT, 'applied is append-only'); END;
CREATE TRIGGER xmp_label_once BEFORE INSERT ON xmp_label WHEN EXISTS (SELECT 1 FROM xmp_label WHERE output = NEW.output) BEGIN SELECT RAISE(ABORT, 'xmp_label is append-only'); END;
CREATE TRIGGER xmp_label_update BEFORE UPDATE ON xmp_label BEGIN SELECT RAISE(ABORT, 'xmp_label is append-only'); END;
CREATE TRIGGER xmp_label_delete BEFORE DELETE ON xmp_label BEGIN SELECT RAISE(ABORT, 'xmp_label is append-only'); END;
