-- Marks that a policy can require beside manifest, watermark and XMP label, and what an output carries of them.

CREATE TABLE policy_mark (                       -- closed with the policy's rules
  policy BLOB NOT NULL REFERENCES policy (digest),
  mark   TEXT NOT NULL CHECK (mark IN ('prompt', 'disclosure', 'tc260', 'label', 'caption')),
  PRIMARY KEY (policy, mark)
) STRICT, WITHOUT ROWID;

CREATE TABLE carried (                           -- as it was read back from the finished file
  output TEXT NOT NULL REFERENCES asset (id),
  mark   TEXT NOT NULL CHECK (mark IN ('prompt', 'disclosure', 'tc260', 'label', 'caption')),
  value  TEXT NOT NULL,                          -- the words that can be seen; who is named; empty for a prompt
  PRIMARY KEY (output, mark)
) STRICT, WITHOUT ROWID;

-- Every mark that a run's output lacks. Said once, for the trigger and for the audit. What had no prompt states none.

CREATE VIEW lacking (run, output, policy, mark) AS
  SELECT a.run, d.output, a.policy, m.mark FROM applied a JOIN policy_mark m ON m.policy = a.policy
    JOIN derivation d ON d.run = a.run AND d.output IS NOT NULL JOIN run r ON r.id = a.run
    WHERE (m.mark IS NOT 'prompt' OR r.prompt IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM carried c WHERE c.output = d.output AND c.mark = m.mark);

CREATE TRIGGER policy_mark_truth BEFORE INSERT ON policy_mark BEGIN
  SELECT RAISE(ABORT, 'policy mark refused: the policy is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy);
  SELECT RAISE(ABORT, 'policy mark refused: there is no such mark')
    WHERE (NEW.mark IN ('prompt', 'disclosure', 'tc260', 'label', 'caption')) IS NOT TRUE;
END;

CREATE TRIGGER carried_truth BEFORE INSERT ON carried BEGIN
  SELECT RAISE(ABORT, 'mark refused: the output is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM asset WHERE id = NEW.output AND role = 'output');
  SELECT RAISE(ABORT, 'mark refused: the output is released already')
    WHERE EXISTS (SELECT 1 FROM release WHERE output = NEW.output);
  SELECT RAISE(ABORT, 'mark refused: there is no such mark')
    WHERE (NEW.mark IN ('prompt', 'disclosure', 'tc260', 'label', 'caption')) IS NOT TRUE;
END;

CREATE TRIGGER release_marks BEFORE INSERT ON release
WHEN EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared')
  OR EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'release refused: the prompt is not stated')
    WHERE EXISTS (SELECT 1 FROM lacking WHERE run = NEW.run AND mark = 'prompt');
  SELECT RAISE(ABORT, 'release refused: the latent disclosure is missing')
    WHERE EXISTS (SELECT 1 FROM lacking WHERE run = NEW.run AND mark = 'disclosure');
  SELECT RAISE(ABORT, 'release refused: the TC260 label is missing')
    WHERE EXISTS (SELECT 1 FROM lacking WHERE run = NEW.run AND mark = 'tc260');
  SELECT RAISE(ABORT, 'release refused: the visible label is missing')
    WHERE EXISTS (SELECT 1 FROM lacking WHERE run = NEW.run AND mark = 'label');
  SELECT RAISE(ABORT, 'release refused: the caption is missing')
    WHERE EXISTS (SELECT 1 FROM lacking WHERE run = NEW.run AND mark = 'caption');
END;

CREATE TRIGGER policy_mark_once BEFORE INSERT ON policy_mark WHEN EXISTS (SELECT 1 FROM policy_mark WHERE policy = NEW.policy AND mark = NEW.mark) OR EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_mark is append-only'); END;
CREATE TRIGGER policy_mark_update BEFORE UPDATE ON policy_mark BEGIN SELECT RAISE(ABORT, 'policy_mark is append-only'); END;
CREATE TRIGGER policy_mark_delete BEFORE DELETE ON policy_mark BEGIN SELECT RAISE(ABORT, 'policy_mark is append-only'); END;
CREATE TRIGGER carried_once BEFORE INSERT ON carried WHEN EXISTS (SELECT 1 FROM carried WHERE output = NEW.output AND mark = NEW.mark) BEGIN SELECT RAISE(ABORT, 'carried is append-only'); END;
CREATE TRIGGER carried_update BEFORE UPDATE ON carried BEGIN SELECT RAISE(ABORT, 'carried is append-only'); END;
CREATE TRIGGER carried_delete BEFORE DELETE ON carried BEGIN SELECT RAISE(ABORT, 'carried is append-only'); END;
