-- Time stamps (RFC 3161) in manifests, and policies that release nothing without one.

CREATE TABLE policy_time_stamp (                 -- policies that ask for one; closed with the policy's rules
  policy BLOB PRIMARY KEY REFERENCES policy (digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE time_stamp (
  output    TEXT PRIMARY KEY REFERENCES asset (id),
  at        TEXT NOT NULL,                       -- as the authority says
  authority TEXT,                                -- common name in its certificate
  trusted   INTEGER NOT NULL CHECK (trusted IN (0, 1))  -- whether a root of this workspace vouched for it then
) STRICT, WITHOUT ROWID;

CREATE TRIGGER policy_time_stamp_truth BEFORE INSERT ON policy_time_stamp BEGIN
  SELECT RAISE(ABORT, 'policy rule refused: the policy is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy);
END;

CREATE TRIGGER time_stamp_truth BEFORE INSERT ON time_stamp BEGIN
  SELECT RAISE(ABORT, 'time stamp refused: the output carries no manifest on record')
    WHERE NOT EXISTS (SELECT 1 FROM mark WHERE output = NEW.output AND kind = 'manifest');
  SELECT RAISE(ABORT, 'time stamp refused: the output is released already')
    WHERE EXISTS (SELECT 1 FROM release WHERE output = NEW.output);
  SELECT RAISE(ABORT, 'time stamp refused: it means nothing')
    WHERE (NEW.trusted IN (0, 1) AND datetime(NEW.at) IS NOT NULL) IS NOT TRUE;
END;

-- Beside the gate of 0004: whoever writes.

CREATE TRIGGER release_time_stamp BEFORE INSERT ON release
WHEN EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared')
  OR EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'release refused: the time stamp is missing')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy_time_stamp q ON q.policy = a.policy WHERE a.run = NEW.run)
      AND NOT EXISTS (SELECT 1 FROM time_stamp WHERE output = NEW.output);
  SELECT RAISE(ABORT, 'release refused: the time stamp is of an authority that nobody vouched for')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy_time_stamp q ON q.policy = a.policy WHERE a.run = NEW.run)
      AND NOT EXISTS (SELECT 1 FROM time_stamp WHERE output = NEW.output AND trusted);
END;

-- Rows are written once, as in 0001.

CREATE TRIGGER policy_time_stamp_once BEFORE INSERT ON policy_time_stamp WHEN EXISTS (SELECT 1 FROM policy_time_stamp WHERE policy = NEW.policy) OR EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_time_stamp is append-only'); END;
CREATE TRIGGER policy_time_stamp_update BEFORE UPDATE ON policy_time_stamp BEGIN SELECT RAISE(ABORT, 'policy_time_stamp is append-only'); END;
CREATE TRIGGER policy_time_stamp_delete BEFORE DELETE ON policy_time_stamp BEGIN SELECT RAISE(ABORT, 'policy_time_stamp is append-only'); END;
CREATE TRIGGER time_stamp_once BEFORE INSERT ON time_stamp WHEN EXISTS (SELECT 1 FROM time_stamp WHERE output = NEW.output) BEGIN SELECT RAISE(ABORT, 'time_stamp is append-only'); END;
CREATE TRIGGER time_stamp_update BEFORE UPDATE ON time_stamp BEGIN SELECT RAISE(ABORT, 'time_stamp is append-only'); END;
CREATE TRIGGER time_stamp_delete BEFORE DELETE ON time_stamp BEGIN SELECT RAISE(ABORT, 'time_stamp is append-only'); END;
