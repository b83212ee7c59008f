-- Release below a limit by two persons, where every policy that is broken allows it and names who may approve.

CREATE TABLE policy_approver (                   -- Ed25519 public keys; closed with the policy's rules
  policy BLOB NOT NULL REFERENCES policy (digest),
  key    BLOB NOT NULL CHECK (length(key) = 32),
  PRIMARY KEY (policy, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE approval (                          -- of the draft of a run that was refused
  run       TEXT NOT NULL REFERENCES run (id),
  key       BLOB NOT NULL CHECK (length(key) = 32),
  reason    TEXT NOT NULL CHECK (length(trim(reason)) >= 20),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  at        TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE override (                          -- the run that releases what was approved
  run      TEXT PRIMARY KEY REFERENCES run (id),
  approved TEXT NOT NULL UNIQUE REFERENCES run (id)
) STRICT, WITHOUT ROWID;

-- Runs whose refusal is lifted: the same draft of the same reference under the same policies as was approved, not below
-- the floor of all policies, broken in measured limits alone, and each of these approved by two of its policy's people.

CREATE VIEW lifted (run) AS
  SELECT o.run FROM override o
    JOIN measurement m ON m.run = o.run
    JOIN measurement w ON w.run = o.approved AND w.draft_sha256 = m.draft_sha256 AND w.reference = m.reference
      AND w.deviation = m.deviation
    JOIN decision d ON d.run = o.approved AND d.verdict = 'refused'
    WHERE m.deviation >= 3000
      AND NOT EXISTS (SELECT policy FROM applied WHERE run = o.run EXCEPT SELECT policy FROM applied WHERE run = o.approved)
      AND NOT EXISTS (SELECT policy FROM applied WHERE run = o.approved EXCEPT SELECT policy FROM applied WHERE run = o.run)
      AND NOT EXISTS (SELECT 1 FROM breach b WHERE b.run = o.run AND (b.rule NOT GLOB 'deviation.*' OR
        (SELECT count(*) FROM approval p JOIN policy_approver a ON a.key = p.key
         WHERE p.run = o.approved AND a.policy = b.policy AND NOT EXISTS
           (SELECT 1 FROM event e WHERE e.signer = p.key AND json_extract(e.body, '$.run') = o.approved)) < 2));

CREATE TRIGGER policy_approver_truth BEFORE INSERT ON policy_approver BEGIN
  SELECT RAISE(ABORT, 'approver refused: the policy is not on record')
    WHERE NOT EXISTS (SELECT 1 FROM policy WHERE digest = NEW.policy);
  SELECT RAISE(ABORT, 'approver refused: it is no key') WHERE length(NEW.key) IS NOT 32;
END;

CREATE TRIGGER approval_truth BEFORE INSERT ON approval BEGIN
  SELECT RAISE(ABORT, 'approval refused: no draft of this run was refused')
    WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'refused' AND draft_sha256 IS NOT NULL);
  SELECT RAISE(ABORT, 'approval refused: the key is not among the policy''s approvers')
    WHERE NOT EXISTS (SELECT 1 FROM applied a JOIN policy_approver p ON p.policy = a.policy WHERE a.run = NEW.run AND p.key = NEW.key);
  SELECT RAISE(ABORT, 'approval refused: whoever asked for a release does not approve it')
    WHERE EXISTS (SELECT 1 FROM event WHERE json_extract(body, '$.run') = NEW.run AND signer = NEW.key);
  SELECT RAISE(ABORT, 'approval refused: the run has released its draft')
    WHERE EXISTS (SELECT 1 FROM override WHERE run = NEW.run) OR EXISTS (SELECT 1 FROM release WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'approval refused: a reason of at least 20 characters is needed')
    WHERE (length(trim(NEW.reason)) >= 20) IS NOT TRUE;
  SELECT RAISE(ABORT, 'approval refused: it is not signed') WHERE length(NEW.signature) IS NOT 64;
END;

CREATE TRIGGER override_truth BEFORE INSERT ON override BEGIN
  SELECT RAISE(ABORT, 'override refused: two approvers are needed')
    WHERE (SELECT count(DISTINCT key) FROM approval WHERE run = NEW.approved) < 2;
  SELECT RAISE(ABORT, 'override refused: the run was not refused')
    WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'refused');
  SELECT RAISE(ABORT, 'override refused: the draft was released before')
    WHERE EXISTS (SELECT 1 FROM override o JOIN measurement a ON a.run = o.run
      JOIN measurement b ON b.run = NEW.run AND b.draft_sha256 = a.draft_sha256 AND b.reference = a.reference
      WHERE o.run <> NEW.run AND o.approved <> NEW.approved);
END;

-- The gate of 0001, which knows clearing decisions alone, with one way more; and what every policy that applies asks.

DROP TRIGGER release_gate;
CREATE TRIGGER release_gate BEFORE INSERT ON release BEGIN
  SELECT RAISE(ABORT, 'release refused: no clearing decision')
    WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared')
      AND NOT EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'release refused: the measurement is below the policy''s limits')
    WHERE NOT EXISTS (
      SELECT 1 FROM decision d
      JOIN policy p ON p.digest = d.policy
      JOIN measurement m ON m.run = d.run AND m.draft_sha256 = d.draft_sha256
      JOIN run r ON r.id = d.run
      WHERE d.run = NEW.run AND m.deviation >= p.min_deviation AND m.composition >= p.min_composition
        AND r.strength BETWEEN p.strength_min AND p.strength_max)
      AND NOT EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run);
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

CREATE TRIGGER release_rules BEFORE INSERT ON release
WHEN EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared')
  OR EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'release refused: the measurement is below the policy''s limits')
    WHERE EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND (rule GLOB 'deviation.*' OR rule = 'strength'))
      AND NOT EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'release refused: a policy that applies does not allow it')
    WHERE EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule <> 'known')
      AND NOT EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'release refused: the manifest is missing')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy p ON p.digest = a.policy WHERE a.run = NEW.run AND p.require_manifest)
      AND NOT EXISTS (SELECT 1 FROM mark k JOIN manifest_store s ON s.label = k.value AND s.output = k.output
                      WHERE k.output = NEW.output AND k.kind = 'manifest');
  SELECT RAISE(ABORT, 'release refused: the watermark is missing')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy p ON p.digest = a.policy WHERE a.run = NEW.run AND p.require_watermark)
      AND NOT EXISTS (SELECT 1 FROM mark WHERE output = NEW.output AND kind = 'watermark');
  SELECT RAISE(ABORT, 'release refused: the watermark is stronger than the policy allows')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy p ON p.digest = a.policy JOIN mark k ON k.kind = 'watermark'
                  WHERE a.run = NEW.run AND k.output = NEW.output AND (k.psnr_db >= p.min_psnr_db - 0.05) IS NOT TRUE);
  SELECT RAISE(ABORT, 'release refused: the XMP label is missing')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy_rule q ON q.policy = a.policy WHERE a.run = NEW.run AND q.require_xmp)
      AND NOT EXISTS (SELECT 1 FROM xmp_label WHERE output = NEW.output);
  SELECT RAISE(ABORT, 'release refused: a policy expired before it was logged')
    WHERE EXISTS (SELECT 1 FROM applied a JOIN policy_rule q ON q.policy = a.policy JOIN event e ON e.seq = NEW.event
                  WHERE a.run = NEW.run AND q.expires IS NOT NULL AND (date(substr(e.at, 1, 10)) <= q.expires) IS NOT TRUE);
END;

CREATE TRIGGER policy_approver_once BEFORE INSERT ON policy_approver WHEN EXISTS (SELECT 1 FROM policy_approver WHERE policy = NEW.policy AND key = NEW.key) OR EXISTS (SELECT 1 FROM policy_rule WHERE policy = NEW.policy) BEGIN SELECT RAISE(ABORT, 'policy_approver is append-only'); END;
CREATE TRIGGER policy_approver_update BEFORE UPDATE ON policy_approver BEGIN SELECT RAISE(ABORT, 'policy_approver is append-only'); END;
CREATE TRIGGER policy_approver_delete BEFORE DELETE ON policy_approver BEGIN SELECT RAISE(ABORT, 'policy_approver is append-only'); END;
CREATE TRIGGER approval_once BEFORE INSERT ON approval WHEN EXISTS (SELECT 1 FROM approval WHERE run = NEW.run AND key = NEW.key) OR EXISTS (SELECT 1 FROM override WHERE approved = NEW.run) BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
CREATE TRIGGER approval_update BEFORE UPDATE ON approval BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
CREATE TRIGGER approval_delete BEFORE DELETE ON approval BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
CREATE TRIGGER override_once BEFORE INSERT ON override WHEN EXISTS (SELECT 1 FROM override WHERE run = NEW.run OR approved = NEW.approved) BEGIN SELECT RAISE(ABORT, 'override is append-only'); END;
CREATE TRIGGER override_update BEFORE UPDATE ON override BEGIN SELECT RAISE(ABORT, 'override is append-only'); END;
CREATE TRIGGER override_delete BEFORE DELETE ON override BEGIN SELECT RAISE(ABORT, 'override is append-only'); END;

-- And once more what a draft was held against (0002), with what was added between decision and release. What was drawn
-- from one picture and shows another is nobody's to release.

CREATE TRIGGER release_known BEFORE INSERT ON release
WHEN (EXISTS (SELECT 1 FROM decision WHERE run = NEW.run AND verdict = 'cleared')
  OR EXISTS (SELECT 1 FROM lifted WHERE run = NEW.run))
  AND NOT EXISTS (SELECT 1 FROM release WHERE run = NEW.run) BEGIN
  SELECT RAISE(ABORT, 'release refused: the draft was not held against the known references')
    WHERE NOT EXISTS (SELECT 1 FROM search WHERE run = NEW.run);
  SELECT RAISE(ABORT, 'release refused: a reference was added since the search')
    WHERE EXISTS (SELECT 1 FROM known WHERE role = 'reference'
      AND number > (SELECT through FROM search WHERE run = NEW.run)
      AND asset NOT IN (SELECT reference FROM derivation WHERE run = NEW.run));
  SELECT RAISE(ABORT, 'release refused: fewer references were compared than there are')
    WHERE (SELECT count(*) FROM comparison WHERE run = NEW.run) < min(8,
      coalesce((SELECT max(number) FROM known WHERE role = 'reference'), 0)
      - (SELECT count(*) FROM derivation d CROSS JOIN known k ON k.asset = d.reference AND k.role = 'reference'
         WHERE d.run = NEW.run));
  SELECT RAISE(ABORT, 'release refused: what the reference comes from was not compared')
    WHERE EXISTS (
      WITH RECURSIVE above (id) AS (
        SELECT reference FROM derivation WHERE run = NEW.run
        UNION SELECT d.reference FROM above u JOIN derivation d ON d.output = u.id
        UNION SELECT a.copy_of FROM above u JOIN asset a ON a.id = u.id WHERE a.copy_of IS NOT NULL)
      SELECT 1 FROM above u WHERE u.id NOT IN (SELECT reference FROM derivation WHERE run = NEW.run)
        AND u.id NOT IN (SELECT reference FROM comparison WHERE run = NEW.run));
  SELECT RAISE(ABORT, 'release refused: too close to another reference on record')
    WHERE EXISTS (SELECT 1 FROM breach WHERE run = NEW.run AND rule = 'known');
  SELECT RAISE(ABORT, 'release refused: the log tells of another search')
    WHERE EXISTS (SELECT 1 FROM event WHERE seq = NEW.event AND kind = 'release'
                  AND json_extract(body, '$.run') = NEW.run)
      AND (SELECT json_extract(body, '$.through') FROM event WHERE seq = NEW.event)
        IS NOT (SELECT through FROM search WHERE run = NEW.run);
END;
