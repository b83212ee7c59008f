//! What the triggers promise, as queries.

/// Rules that hold for every row, as queries for the rows that break them: area, fault, query.
pub(super) const RULES: [(&str, &str, &str); 24] = [
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
        "a mark that a policy requires is missing",
        "SELECT l.output FROM release l JOIN applied a ON a.run = l.run JOIN policy p ON p.digest = a.policy \
         JOIN policy_rule q ON q.policy = a.policy \
         WHERE (p.require_manifest AND NOT EXISTS (SELECT 1 FROM mark WHERE output = l.output AND kind = 'manifest')) \
         OR (p.require_watermark AND NOT EXISTS (SELECT 1 FROM mark WHERE output = l.output AND kind = 'watermark')) \
         OR (q.require_xmp AND NOT EXISTS (SELECT 1 FROM xmp_label WHERE output = l.output))",
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
        "label",
        "is on nothing that was released",
        "SELECT output FROM xmp_label x WHERE NOT EXISTS (SELECT 1 FROM release WHERE output = x.output)",
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
