use std::path::Path;

use crate::cli::args::PolicyCommand;
use crate::cli::commands::drawable;
use crate::cli::error::{Failure, Outcome};
use crate::cli::term::{BAD, BOLD, DIM, GOOD, Terminal, paint, shown};
use crate::cli::{files, place};
use crate::deviation;
use crate::policies;
use crate::policy::{Case, Policy};
use crate::quantity::Deviation;
use crate::raster::{self, Format, Limits, Raster};

pub fn run(command: &PolicyCommand, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let workspace = place::find(place)?;
    let dir = workspace.map(|workspace| workspace.policies());
    let dir = dir.as_deref();
    match command {
        PolicyCommand::List => list(dir, terminal),
        PolicyCommand::Show { name } => {
            let policy = policies::load(dir, name).map_err(Failure::new)?;
            if terminal.json {
                let mut document = summary(&policy);
                document["text"] = policy.text().into();
                terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
            } else {
                let head = paint(DIM, format_args!("# sha256 {}", policy.digest()));
                terminal.result(&format!("{head}\n{}", policy.text())).map_err(Failure::new)?;
            }
            Ok(Outcome::Yes)
        }
        PolicyCommand::Check { reference, image, policy, map, force } => {
            let policy = policies::load(dir, policy).map_err(Failure::new)?;
            let map = map.as_deref();
            if let Some(out) = map {
                drawable(out, "a map", &[reference, image], *force)?;
            }
            let pair = [picture(reference)?, picture(image)?];
            let deviation = match map {
                None => deviation::measure(&pair[0], &pair[1]).map_err(Failure::new)?,
                Some(out) => {
                    let (deviation, drawn) = deviation::overlay(&pair[0], &pair[1]).map_err(Failure::new)?;
                    let bytes = raster::encode(&drawn, Format::Png, 100).map_err(Failure::new)?;
                    files::write(out, &bytes, *force)?;
                    deviation
                }
            };
            let [reference_pixels, image_pixels] = pair.each_ref().map(Raster::digest);
            let case = Case {
                reference: reference_pixels,
                draft: image_pixels,
                strength: policy.limits().strength_max,
                deviation,
                others: Vec::new(),
            };
            check([reference, image], case, map, &policy, terminal)
        }
    }
}

fn list(dir: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let policies = policies::list(dir);
    let mut outcome = Outcome::Yes;
    let mut lines = Vec::new();
    let mut entries = Vec::new();
    for (name, policy) in &policies {
        match policy {
            Ok(policy) => {
                let l = policy.limits();
                lines.push(format!(
                    "{}  strength {}–{}, deviation ≥ {:.2}, arrangement ≥ {:.2}  {}",
                    paint(BOLD, format_args!("{name:<12}")),
                    l.strength_min,
                    l.strength_max,
                    l.min_deviation,
                    l.min_composition,
                    policy.title()
                ));
                entries.push(summary(policy));
            }
            Err(error) => {
                outcome = Outcome::CouldNot;
                lines.push(format!("{}  {}", paint(BOLD, format_args!("{name:<12}")), paint(BAD, error)));
                entries.push(serde_json::json!({ "name": name, "error": error.to_string() }));
            }
        }
    }
    let text = if terminal.json {
        format!("{:#}", serde_json::json!({ "schema": 1, "policies": entries }))
    } else {
        lines.join("\n")
    };
    terminal.result(&text).map_err(Failure::new)?;
    Ok(outcome)
}

fn summary(policy: &Policy) -> serde_json::Value {
    serde_json::json!({
        "schema": 1,
        "name": policy.name(),
        "title": policy.title(),
        "digest": policy.digest(),
        "limits": policy.limits(),
        "on_violation": policy.on_violation(),
    })
}

/// Two files, no run: the strength is unknown, so only what can be measured is judged.
fn check(
    [reference, image]: [&Path; 2],
    case: Case,
    map: Option<&Path>,
    policy: &Policy,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let deviation = case.deviation;
    let judged = policy.judge(case);
    let outcome = if judged.is_ok() { Outcome::Yes } else { Outcome::No };
    if terminal.json {
        let reasons: Vec<String> = match &judged {
            Ok(_) => Vec::new(),
            Err(refusal) => refusal.reasons.iter().map(ToString::to_string).collect(),
        };
        let document = serde_json::json!({
            "schema": 1,
            "outcome": if judged.is_ok() { "cleared" } else { "refused" },
            "reference": reference.to_string_lossy(),
            "image": image.to_string_lossy(),
            "measure": deviation::MEASURE,
            "deviation": deviation,
            "policy": { "name": policy.name(), "digest": policy.digest(), "limits": policy.limits() },
            "reasons": reasons,
            "map": map.map(Path::to_string_lossy),
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
    } else {
        let verdict = match &judged {
            Ok(_) => paint(GOOD, format_args!("far enough for policy {}", policy.name())),
            Err(refusal) => paint(BAD, refusal),
        };
        let drawn = map.map(|out| format!("\n  map          {}", shown(out))).unwrap_or_default();
        terminal.result(&format!("{verdict}\n{}{drawn}", table(&deviation, policy))).map_err(Failure::new)?;
    }
    Ok(outcome)
}

/// The parts of a deviation, a line each.
pub fn table(deviation: &Deviation, policy: &Policy) -> String {
    let limits = policy.limits();
    let mut lines = vec![
        format!(
            "  deviation    {:.4}  at least {:.2}; 0 the same data, 1 nothing shared",
            deviation.deviation, limits.min_deviation
        ),
        format!(
            "  arrangement  {:.4}  at least {:.2}; 0 the same, 1 new",
            deviation.composition, limits.min_composition
        ),
        format!("  detail       {:.4}  agreement at the finest scale both hold", deviation.detail),
        format!("  copied       {:.4}  {:.1} % of the area", deviation.copied, 100.0 * deviation.copied_area),
    ];
    lines.push(format!("  for reference only: SSIM {:.3}, PSNR {:.1} dB", deviation.ssim, deviation.psnr_db));
    lines.join("\n")
}

fn picture(path: &Path) -> Result<Raster, Failure> {
    let decoded = raster::decode(&files::read(path)?, &Limits::default())
        .map_err(|error| Failure::at(path.display(), error))?;
    Ok(decoded.raster.flatten())
}
