//! What the triggers promise, as queries.

/// Area, fault, and the query for what breaks the rule.
pub(super) type Rule = (&'static str, &'static str, &'static str);

/// Rules that hold for every row.
pub(super) const RULES: &[Rule] = &[
    (
        "release",
        "has no clearing decision",
        "SELECT output FROM release l WHERE NOT EXISTS \
         (SELECT 1 FROM decision WHERE run = l.run AND verdict = 'cleared') AND run NOT IN (SELECT run FROM lifted)",
    ),
    (
        "release",
        "its measurement is below the limits of its policy, or is of other pixels",
        "SELECT output FROM release l WHERE run NOT IN (SELECT run FROM lifted) AND NOT EXISTS (SELECT 1 FROM decision d \
         JOIN policy p ON p.digest = d.policy JOIN measurement m ON m.run = d.run AND m.draft_sha256 = d.draft_sha256 \
         JOIN run r ON r.id = d.run WHERE d.run = l.run AND m.deviation >= p.min_deviation \
         AND m.composition >= p.min_composition AND r.strength BETWEEN p.strength_min AND p.strength_max)",
    ),
    (
        "release",
        "its run made another output",
        "SELECT output FROM release l WHERE NOT EXISTS \
         (SELECT 1 FROM derivation WHERE run = l.run AND output = l.output)",
    ),
    (
        "release",
        "its digest is not that of the output",
        "SELECT output FROM release l WHERE sha256 IS NOT (SELECT sha256 FROM asset WHERE id = l.output)",
    ),
    (
        "release",
        "a mark that its policy requires is missing",
        "SELECT output FROM release l JOIN decision d ON d.run = l.run JOIN policy p ON p.digest = d.policy \
         WHERE (p.require_manifest AND NOT EXISTS (SELECT 1 FROM mark k JOIN manifest_store s ON s.label = k.value \
           WHERE k.output = l.output AND k.kind = 'manifest')) \
         OR (p.require_watermark AND NOT EXISTS (SELECT 1 FROM mark WHERE output = l.output AND kind = 'watermark'))",
    ),
    (
        "asset",
        "is an output that was never released",
        "SELECT id FROM asset a WHERE role = 'output' AND NOT EXISTS (SELECT 1 FROM release WHERE output = a.id)",
    ),
    (
        "policy",
        "its limits are below what any policy may ask",
        "SELECT name FROM policy WHERE min_deviation < 3000 OR strength_min < 0 OR strength_max > 1",
    ),
    (
        "measurement",
        "its deviation is not that of its parts",
        "SELECT run FROM measurement WHERE deviation IS NOT 10000 - max(detail, copied)",
    ),
    (
        "run",
        "led to no decision",
        "SELECT id FROM run r WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = r.id)",
    ),
    (
        "release",
        "its watermark is stronger than its policy allows",
        "SELECT l.output FROM release l JOIN decision d ON d.run = l.run JOIN policy p ON p.digest = d.policy \
         JOIN mark k ON k.output = l.output AND k.kind = 'watermark' WHERE (k.psnr_db >= p.min_psnr_db - 0.05) IS NOT TRUE",
    ),
    (
        "release",
        "its run has a reference that was not measured",
        "SELECT l.output FROM release l JOIN derivation d ON d.run = l.run LEFT JOIN measurement m ON m.run = l.run \
         WHERE d.reference IS NOT m.reference",
    ),
    (
        "asset",
        "belongs to no run",
        "SELECT id FROM asset a WHERE NOT EXISTS (SELECT 1 FROM derivation WHERE reference = a.id) \
         AND NOT EXISTS (SELECT 1 FROM derivation WHERE output = a.id)",
    ),
    (
        "asset",
        "was made by several runs",
        "SELECT output FROM derivation WHERE output IS NOT NULL GROUP BY output HAVING count(DISTINCT run) > 1",
    ),
    (
        "derivation",
        "its generation does not follow from its reference",
        "SELECT v.run FROM derivation v WHERE v.generation IS NOT 1 + coalesce((SELECT max(d.generation) \
         FROM asset a JOIN derivation d ON d.output IN (a.id, a.copy_of) WHERE a.id = v.reference), 0)",
    ),
    (
        "policy",
        "decided nothing",
        "SELECT name FROM policy p WHERE NOT EXISTS (SELECT 1 FROM decision WHERE policy = p.digest) \
         AND NOT EXISTS (SELECT 1 FROM applied a JOIN decision d ON d.run = a.run WHERE a.policy = p.digest)",
    ),
    (
        "release",
        "a policy that applied does not allow it",
        "SELECT l.output FROM release l JOIN breach b ON b.run = l.run WHERE l.run NOT IN (SELECT run FROM lifted)",
    ),
    (
        "release",
        "its engine took more in one piece than a policy that applied allows",
        "SELECT l.output FROM release l JOIN overdrawn o ON o.run = l.run",
    ),
    (
        "release",
        "a mark that a policy requires is missing",
        "SELECT l.output FROM release l JOIN applied a ON a.run = l.run JOIN policy p ON p.digest = a.policy \
         JOIN policy_rule q ON q.policy = a.policy \
         WHERE (p.require_manifest AND NOT EXISTS (SELECT 1 FROM mark WHERE output = l.output AND kind = 'manifest')) \
         OR (p.require_watermark AND NOT EXISTS (SELECT 1 FROM mark WHERE output = l.output AND kind = 'watermark')) \
         OR (q.require_xmp AND NOT EXISTS (SELECT 1 FROM xmp_label WHERE output = l.output)) \
         OR (EXISTS (SELECT 1 FROM policy_time_stamp WHERE policy = a.policy) \
           AND NOT EXISTS (SELECT 1 FROM time_stamp WHERE output = l.output AND trusted))",
    ),
    (
        "release",
        "its watermark is stronger than a policy allows",
        "SELECT l.output FROM release l JOIN applied a ON a.run = l.run JOIN policy p ON p.digest = a.policy \
         JOIN mark k ON k.output = l.output AND k.kind = 'watermark' WHERE (k.psnr_db >= p.min_psnr_db - 0.05) IS NOT TRUE",
    ),
    (
        "release",
        "was logged after a policy expired",
        "SELECT l.output FROM release l JOIN applied a ON a.run = l.run JOIN policy_rule q ON q.policy = a.policy \
         JOIN event e ON e.seq = l.event WHERE q.expires IS NOT NULL \
         AND (date(substr(e.at, 1, 10)) <= q.expires) IS NOT TRUE",
    ),
    (
        "decision",
        "its policy is not among those that applied",
        "SELECT run FROM decision d WHERE NOT EXISTS \
         (SELECT 1 FROM applied WHERE run = d.run AND policy = d.policy)",
    ),
    (
        "override",
        "released nothing that two people approved",
        "SELECT run FROM override WHERE run NOT IN (SELECT run FROM lifted) \
         OR run NOT IN (SELECT run FROM release)",
    ),
    (
        "release",
        "a policy bounds its strength, which nobody knows",
        "SELECT l.output FROM release l JOIN unbounded u ON u.run = l.run",
    ),
    (
        "adoption",
        "is of another strength than its run, or of an engine that draws here",
        "SELECT a.run FROM adoption a JOIN run r ON r.id = a.run WHERE coalesce(a.strength, 0) IS NOT r.strength \
         OR r.engine IN ('patch', 'stable-diffusion', 'flux')",
    ),
    (
        "image code",
        "is of nothing that was released",
        "SELECT output FROM image_code x WHERE NOT EXISTS (SELECT 1 FROM release WHERE output = x.output)",
    ),
    (
        "label",
        "is on nothing that was released",
        "SELECT output FROM xmp_label x WHERE NOT EXISTS (SELECT 1 FROM release WHERE output = x.output)",
    ),
    (
        "time stamp",
        "is on nothing that was released",
        "SELECT output FROM time_stamp x WHERE NOT EXISTS (SELECT 1 FROM release WHERE output = x.output)",
    ),
    (
        "release",
        "a mark that a policy asks for is not among those it carries",
        "SELECT l.output FROM release l JOIN lacking k ON k.run = l.run",
    ),
    (
        "mark",
        "is on nothing that was released",
        "SELECT output FROM carried c WHERE NOT EXISTS (SELECT 1 FROM release WHERE output = c.output)",
    ),
    (
        "mark",
        "is on nothing that was released",
        "SELECT value FROM mark k WHERE NOT EXISTS (SELECT 1 FROM release WHERE output = k.output)",
    ),
    (
        "manifest",
        "its store belongs to no mark",
        "SELECT label FROM manifest_store s WHERE NOT EXISTS \
         (SELECT 1 FROM mark WHERE output = s.output AND kind = 'manifest' AND value = s.label)",
    ),
];

/// Rules for what migration 2 added. That a release has a search is for the log to tell: older ones have none.
pub(super) const COMPARED: &[Rule] = &[
    (
        "release",
        "is too close to another reference on record",
        "SELECT l.output FROM release l JOIN breach b ON b.run = l.run WHERE b.rule = 'known'",
    ),
    (
        "release",
        "was compared with fewer references than there were",
        "SELECT l.output FROM release l JOIN search s ON s.run = l.run \
         WHERE (SELECT count(*) FROM comparison WHERE run = l.run) < min(8, s.through - (SELECT count(*) FROM derivation d \
           CROSS JOIN known k ON k.asset = d.reference AND k.role = 'reference' WHERE d.run = l.run AND k.number <= s.through))",
    ),
    (
        "release",
        "was not compared with all that its reference comes from",
        "WITH RECURSIVE above (run, id) AS ( \
           SELECT d.run, d.reference FROM derivation d JOIN release l ON l.run = d.run JOIN search s ON s.run = d.run \
           UNION SELECT u.run, d.reference FROM above u JOIN derivation d ON d.output = u.id \
           UNION SELECT u.run, a.copy_of FROM above u JOIN asset a ON a.id = u.id WHERE a.copy_of IS NOT NULL) \
         SELECT DISTINCT l.output FROM above u JOIN release l ON l.run = u.run \
         WHERE u.id NOT IN (SELECT reference FROM derivation WHERE run = u.run) \
           AND u.id NOT IN (SELECT reference FROM comparison WHERE run = u.run)",
    ),
    (
        "comparison",
        "its deviation is not that of its parts",
        "SELECT run FROM comparison WHERE deviation IS NOT 10000 - max(detail, copied)",
    ),
    (
        "comparison",
        "belongs to no search",
        "SELECT run FROM comparison c WHERE NOT EXISTS (SELECT 1 FROM search WHERE run = c.run)",
    ),
    (
        "search",
        "belongs to no decision",
        "SELECT run FROM search s WHERE NOT EXISTS (SELECT 1 FROM decision WHERE run = s.run)",
    ),
    (
        "known",
        "is not numbered after the one before",
        "SELECT role || ' ' || number FROM (SELECT role, number, row_number() OVER (PARTITION BY role ORDER BY number) \
         AS place FROM known) WHERE number <> place",
    ),
    (
        "known",
        "is not the picture on record, or served as no reference and was not released",
        "SELECT k.asset FROM known k WHERE NOT EXISTS (SELECT 1 FROM asset a WHERE a.id = k.asset \
           AND a.fingerprint = k.fingerprint AND a.fingerprint_quality = k.fingerprint_quality) \
         OR NOT CASE k.role WHEN 'reference' THEN EXISTS (SELECT 1 FROM derivation WHERE reference = k.asset) \
           ELSE EXISTS (SELECT 1 FROM release WHERE output = k.asset) END",
    ),
    (
        "asset",
        "cannot be found by its looks",
        "SELECT reference FROM derivation d WHERE NOT EXISTS \
           (SELECT 1 FROM known WHERE asset = d.reference AND role = 'reference') \
         UNION SELECT output FROM release l WHERE NOT EXISTS \
           (SELECT 1 FROM known WHERE asset = l.output AND role = 'output')",
    ),
];
