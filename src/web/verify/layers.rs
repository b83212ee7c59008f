//! The layers of evidence, each on its card.

use crate::html::{Markup, html};

use crate::verify::Report;
use crate::web::text::{ENGLISH, capital, fill};

/// How a layer speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Speaks,
    Silent,
    Wrong,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Speaks => "chip ai",
            Tone::Silent => "chip none",
            Tone::Wrong => "chip bad",
        }
    }
}

struct Layer {
    name: &'static str,
    /// What its sentences begin with.
    prefix: &'static str,
    tone: Tone,
    state: String,
    rows: Vec<(&'static str, String)>,
}

pub fn cards(report: &Report) -> Markup {
    let layers = [manifest(report), watermark(report), catalog(report), claims(report)];
    html! {
        section.layers aria-label=(ENGLISH.evidence) {
            @for layer in &layers {
                article.card {
                    header { h3 { (layer.name) } span class=(layer.tone.class()) { (layer.state) } }
                    @for reason in reasons(report, layer.prefix) { p { (reason) } }
                    @let rows = layer.rows.iter().filter(|(_, value)| !value.is_empty());
                    @if layer.rows.iter().any(|(_, value)| !value.is_empty()) {
                        dl { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } }
                    }
                }
            }
        }
    }
}

/// The sentences of one layer, without its name.
fn reasons<'a>(report: &'a Report, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let own = report.reasons.iter().filter_map(move |reason| {
        let rest = reason.strip_prefix(prefix)?.trim_start_matches([':', ' ']);
        Some(rest.to_owned())
    });
    // What stands beside no layer's name is about the watermark beside a broken manifest.
    let other = report
        .reasons
        .iter()
        .filter(move |reason| prefix == "watermark" && reason.starts_with("the watermark"));
    own.chain(other.cloned()).map(|reason| format!("{}.", capital(&reason)))
}

fn manifest(report: &Report) -> Layer {
    let manifest = &report.manifest;
    let (tone, state) = match manifest.state {
        "trusted" => (Tone::Speaks, ENGLISH.trusted),
        "valid" => (Tone::Speaks, ENGLISH.valid),
        "recovered" => (Tone::Speaks, ENGLISH.recovered),
        "invalid" => (Tone::Wrong, ENGLISH.broken),
        _ => (Tone::Silent, ENGLISH.absent),
    };
    let signer = manifest.signer.as_ref();
    let named = signer.and_then(|signer| signer.common_name.clone());
    let source = manifest.digital_source_type.as_deref().and_then(|uri| uri.rsplit('/').next());
    let figure = |value: Option<f64>| value.map(|value| format!("{value:.2}")).unwrap_or_default();
    Layer {
        name: ENGLISH.manifest,
        prefix: "manifest",
        tone,
        state: state.to_owned(),
        rows: vec![
            (ENGLISH.signer, named.unwrap_or_default()),
            (ENGLISH.organisation, signer.and_then(|signer| signer.issuer.clone()).unwrap_or_default()),
            (ENGLISH.signed_at, signer.and_then(|signer| signer.time.clone()).unwrap_or_default()),
            (ENGLISH.source_type, source.unwrap_or_default().to_owned()),
            (ENGLISH.engine, manifest.engine.clone().unwrap_or_default()),
            (ENGLISH.strength, figure(manifest.denoise_strength)),
            (ENGLISH.seed, manifest.seed.clone().unwrap_or_default()),
            (ENGLISH.deviation, figure(manifest.deviation)),
            (ENGLISH.source, manifest.source_sha256.map(|digest| digest.to_string()).unwrap_or_default()),
        ],
    }
}

fn watermark(report: &Report) -> Layer {
    let mark = &report.watermark;
    let payload = mark.payload.as_ref();
    let (tone, state) = match (mark.found, mark.disagrees) {
        (true, true) => (Tone::Wrong, ENGLISH.disagrees),
        (true, false) => (Tone::Speaks, ENGLISH.found),
        (false, _) => (Tone::Silent, ENGLISH.absent),
    };
    let chance =
        mark.log10_false_positive.map(|log| fill(ENGLISH.chance, &[("power", &format!("{:.0}", -log))]));
    let geometry = mark.found.then(|| {
        let turned = mark.rotation_degrees.unwrap_or_default();
        let mut parts = Vec::new();
        if mark.mirrored == Some(true) {
            parts.push(ENGLISH.mirrored.to_owned());
        }
        if turned.abs() >= 0.05 {
            parts.push(fill(ENGLISH.turned, &[("degrees", &format!("{turned:.1}"))]));
        }
        if let Some(scale) = mark.scale.filter(|_| mark.stage != Some("grid")) {
            parts.push(fill(ENGLISH.scaled, &[("scale", &format!("{scale:.2}"))]));
        }
        if parts.is_empty() { ENGLISH.in_place.to_owned() } else { parts.join(", ") }
    });
    let own = mark.authentic.map(|own| if own { ENGLISH.own_key } else { ENGLISH.not_own_key });
    Layer {
        name: ENGLISH.watermark,
        prefix: "watermark",
        tone,
        state: state.to_owned(),
        rows: vec![
            (ENGLISH.payload, payload.and_then(|payload| payload.id.clone()).unwrap_or_default()),
            (ENGLISH.level, mark.level.unwrap_or_default().to_owned()),
            (ENGLISH.confidence, chance.unwrap_or_default()),
            (ENGLISH.geometry, geometry.unwrap_or_default()),
            (ENGLISH.key, own.unwrap_or_default().to_owned()),
        ],
    }
}

fn catalog(report: &Report) -> Layer {
    let catalog = &report.catalog;
    let (tone, state) = match (catalog.asked, catalog.matched, catalog.disagrees) {
        (_, Some(_), true) => (Tone::Wrong, ENGLISH.disagrees),
        (_, Some("exact"), _) => (Tone::Speaks, ENGLISH.match_exact),
        (_, Some("watermark"), _) => (Tone::Speaks, ENGLISH.match_watermark),
        (_, Some(_), _) => (Tone::Speaks, ENGLISH.match_looks),
        (true, None, _) => (Tone::Silent, ENGLISH.absent),
        (false, None, _) => (Tone::Silent, ENGLISH.not_asked),
    };
    let distance = catalog.deviation_from_record.map(|deviation| format!("{deviation:.2}"));
    Layer {
        name: ENGLISH.catalog,
        prefix: "catalog",
        tone,
        state: state.to_owned(),
        rows: vec![
            (ENGLISH.asset, catalog.asset.clone().unwrap_or_default()),
            (ENGLISH.distance, distance.unwrap_or_default()),
            (
                ENGLISH.made_from,
                catalog.references.iter().map(|digest| digest.to_string()).collect::<Vec<_>>().join(", "),
            ),
        ],
    }
}

fn claims(report: &Report) -> Layer {
    let ai = report.claims.iter().any(|claim| claim.ai);
    Layer {
        name: ENGLISH.claims,
        prefix: "unsigned metadata",
        tone: if ai { Tone::Speaks } else { Tone::Silent },
        state: if ai { ENGLISH.says_ai } else { ENGLISH.absent }.to_owned(),
        rows: Vec::new(),
    }
}
