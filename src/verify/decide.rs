//! The verdict: a pure function of the evidence.
//!
//! It never says "authentic". What speaks for AI is enough to say so; what contradicts itself is said to,
//! whoever profits; and silence is only silence, since marks can be stripped.

use std::fmt;

use serde::Serialize;

/// What the file's C2PA manifest comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestEvidence {
    /// No manifest in the file.
    Absent,
    /// A manifest that does not hold: other pixels, a broken signature, a damaged store.
    Broken,
    /// It says AI-generated, and the signer is one we trust.
    AiTrusted,
    /// It says AI-generated; the signature holds, the signer is unknown here.
    AiUntrusted,
    /// The signature holds, and it says nothing about AI.
    Silent,
    /// The signature holds, and it says that the picture was captured from life.
    Capture,
}

/// What the pixels' watermark comes to, seen beside the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatermarkEvidence {
    /// None found, and no manifest that holds names one.
    Absent,
    /// None found, but a manifest that holds says there is one.
    AbsentThoughNamed,
    /// Found; no manifest that holds says anything about it.
    Alone,
    /// Found, and the manifest names this very mark.
    Agrees,
    /// Found, and the manifest names another mark, source or strength.
    Disagrees,
}

/// What this workspace's catalog remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogEvidence {
    /// Nothing like it.
    Absent,
    /// These very bytes or pixels were released here.
    Exact,
    /// The watermark was released here, and the picture is the one it was released with.
    Watermark,
    /// The watermark was released here, but with another picture, strength, level or key; or the picture was, but
    /// with another watermark.
    CopiedMark,
    /// No mark of ours, but the picture looks like one released here, and the measure confirms it; or like one of which
    /// a signer whom we trust says so, in an archive of another workspace.
    Perceptual,
}

/// All there is to judge by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub manifest: ManifestEvidence,
    pub watermark: WatermarkEvidence,
    pub catalog: CatalogEvidence,
    /// Whether unsigned metadata claims that the picture was AI-generated.
    pub claimed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    AiDerived,
    NoEvidence,
    Contradiction,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::AiDerived => "AI-derived",
            Verdict::NoEvidence => "no evidence found",
            Verdict::Contradiction => "the evidence contradicts itself",
        })
    }
}

/// How much it takes to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// There is nothing to be confident about.
    None,
    /// Rests on what anyone could have written.
    Low,
    /// Rests on what an outsider with this program could have made.
    Medium,
    /// Rests on a trusted signature or on this workspace's own records.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confidence::None => "none",
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        })
    }
}

/// Verdict and confidence for `evidence`.
pub fn decide(evidence: &Evidence) -> (Verdict, Confidence) {
    use CatalogEvidence as C;
    use ManifestEvidence as M;
    use WatermarkEvidence as W;
    let Evidence { manifest, watermark, catalog, claimed } = *evidence;

    let says_ai = watermark_found(watermark) || catalog != C::Absent || claimed;
    let contradiction = manifest == M::Broken
        || matches!(watermark, W::Disagrees | W::AbsentThoughNamed)
        || catalog == C::CopiedMark
        || (manifest == M::Capture && says_ai);
    if contradiction {
        return (Verdict::Contradiction, Confidence::High);
    }

    // A mark that agrees with a manifest nobody vouches for adds nothing: one outsider can write both.
    let confidence = if manifest == M::AiTrusted || matches!(catalog, C::Exact | C::Watermark) {
        Confidence::High
    } else if manifest == M::AiUntrusted || watermark_found(watermark) || catalog == C::Perceptual {
        Confidence::Medium
    } else if claimed {
        Confidence::Low
    } else {
        return (Verdict::NoEvidence, Confidence::None);
    };
    (Verdict::AiDerived, confidence)
}

fn watermark_found(watermark: WatermarkEvidence) -> bool {
    use WatermarkEvidence as W;
    matches!(watermark, W::Alone | W::Agrees | W::Disagrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns: catalog absent, exact, watermark, copied mark, perceptual; first without, then with an
    /// unsigned claim. H, M, L: AI-derived with high, medium, low confidence; –: no evidence; X: contradiction.
    const TABLE: [(ManifestEvidence, WatermarkEvidence, &str); 30] = {
        use ManifestEvidence as M;
        use WatermarkEvidence as W;
        [
            (M::Absent, W::Absent, "-HHXM LHHXM"),
            (M::Absent, W::AbsentThoughNamed, "XXXXX XXXXX"),
            (M::Absent, W::Alone, "MHHXM MHHXM"),
            (M::Absent, W::Agrees, "MHHXM MHHXM"),
            (M::Absent, W::Disagrees, "XXXXX XXXXX"),
            (M::Broken, W::Absent, "XXXXX XXXXX"),
            (M::Broken, W::AbsentThoughNamed, "XXXXX XXXXX"),
            (M::Broken, W::Alone, "XXXXX XXXXX"),
            (M::Broken, W::Agrees, "XXXXX XXXXX"),
            (M::Broken, W::Disagrees, "XXXXX XXXXX"),
            (M::AiTrusted, W::Absent, "HHHXH HHHXH"),
            (M::AiTrusted, W::AbsentThoughNamed, "XXXXX XXXXX"),
            (M::AiTrusted, W::Alone, "HHHXH HHHXH"),
            (M::AiTrusted, W::Agrees, "HHHXH HHHXH"),
            (M::AiTrusted, W::Disagrees, "XXXXX XXXXX"),
            (M::AiUntrusted, W::Absent, "MHHXM MHHXM"),
            (M::AiUntrusted, W::AbsentThoughNamed, "XXXXX XXXXX"),
            (M::AiUntrusted, W::Alone, "MHHXM MHHXM"),
            (M::AiUntrusted, W::Agrees, "MHHXM MHHXM"),
            (M::AiUntrusted, W::Disagrees, "XXXXX XXXXX"),
            (M::Silent, W::Absent, "-HHXM LHHXM"),
            (M::Silent, W::AbsentThoughNamed, "XXXXX XXXXX"),
            (M::Silent, W::Alone, "MHHXM MHHXM"),
            (M::Silent, W::Agrees, "MHHXM MHHXM"),
            (M::Silent, W::Disagrees, "XXXXX XXXXX"),
            (M::Capture, W::Absent, "-XXXX XXXXX"),
            (M::Capture, W::AbsentThoughNamed, "XXXXX XXXXX"),
            (M::Capture, W::Alone, "XXXXX XXXXX"),
            (M::Capture, W::Agrees, "XXXXX XXXXX"),
            (M::Capture, W::Disagrees, "XXXXX XXXXX"),
        ]
    };

    #[test]
    fn the_whole_truth_table_holds() {
        use CatalogEvidence as C;
        let catalogs = [C::Absent, C::Exact, C::Watermark, C::CopiedMark, C::Perceptual];
        for (i, (manifest, watermark, row)) in TABLE.iter().enumerate() {
            let seen = TABLE[..i].iter().any(|(m, w, _)| (m, w) == (manifest, watermark));
            assert!(!seen, "each row stands once: {manifest:?} {watermark:?}");
            let cells: Vec<char> = row.chars().filter(|c| *c != ' ').collect();
            assert_eq!(cells.len(), 10);
            for (j, expected) in cells.iter().enumerate() {
                let evidence = Evidence {
                    manifest: *manifest,
                    watermark: *watermark,
                    catalog: catalogs[j % 5],
                    claimed: j >= 5,
                };
                let found = match decide(&evidence) {
                    (Verdict::AiDerived, Confidence::High) => 'H',
                    (Verdict::AiDerived, Confidence::Medium) => 'M',
                    (Verdict::AiDerived, Confidence::Low) => 'L',
                    (Verdict::NoEvidence, Confidence::None) => '-',
                    (Verdict::Contradiction, Confidence::High) => 'X',
                    other => panic!("{evidence:?} gives {other:?}"),
                };
                assert_eq!(found, *expected, "{evidence:?}");
            }
        }
    }

    #[test]
    fn the_published_table_is_what_is_decided() {
        let page = include_str!("../../docs/verdict.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.matches(" | ").count() == 11).skip(1).collect();
        assert_eq!(rows.len(), TABLE.len());
        let word = |cell: char| match cell {
            'H' => "high",
            'M' => "medium",
            'L' => "low",
            'X' => "**contradiction**",
            _ => "–",
        };
        for ((manifest, watermark, cells), row) in TABLE.iter().zip(rows) {
            let manifest = match manifest {
                ManifestEvidence::Absent => "none",
                ManifestEvidence::Broken => "broken",
                ManifestEvidence::AiTrusted => "AI, trusted",
                ManifestEvidence::AiUntrusted => "AI, untrusted",
                ManifestEvidence::Silent => "silent",
                ManifestEvidence::Capture => "capture",
            };
            let watermark = match watermark {
                WatermarkEvidence::Absent => "none",
                WatermarkEvidence::AbsentThoughNamed => "none, though named",
                WatermarkEvidence::Alone => "alone",
                WatermarkEvidence::Agrees => "agrees",
                WatermarkEvidence::Disagrees => "disagrees",
            };
            let cells: Vec<&str> = cells.chars().filter(|cell| *cell != ' ').map(word).collect();
            assert_eq!(row, format!("| {manifest} | {watermark} | {} |", cells.join(" | ")));
        }
    }

    #[test]
    fn no_verdict_says_authentic() {
        for verdict in [Verdict::AiDerived, Verdict::NoEvidence, Verdict::Contradiction] {
            let json = serde_json::to_string(&verdict).expect("a word");
            assert!(!verdict.to_string().contains("authentic") && !json.contains("authentic"));
        }
    }
}
