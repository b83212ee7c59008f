//! Any two pictures, measured and judged.

use std::path::Path;

use serde_json::json;

use super::{others, subject};
use crate::catalog::Picture;
use crate::cli::args::Stated;
use crate::cli::commands::drawable;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::term::{BAD, GOOD, Terminal, paint, shown};
use crate::deviation;
use crate::digest::Digest;
use crate::policies::Shelf;
use crate::policy::PolicySet;
use crate::quantity::Deviation;
use crate::raster::{self, Format, Limits, Raster};
use crate::workspace::Workspace;

pub struct Check<'a> {
    pub reference: &'a Path,
    pub image: &'a Path,
    pub policy: &'a str,
    pub stated: &'a Stated,
    pub map: Option<&'a Path>,
    pub force: bool,
}

impl Check<'_> {
    /// Two files, no run: strength, engine and purpose are unknown, so only what can be measured is judged.
    pub fn run(
        &self,
        shelf: &Shelf,
        workspace: Option<&Workspace>,
        terminal: &Terminal,
    ) -> Result<Outcome, Failure> {
        // A slip in a name is told before anything is measured.
        shelf.load(self.policy).map_err(Failure::new)?;
        if let Some(out) = self.map {
            drawable(out, "a map", &[self.reference, self.image], self.force)?;
        }
        let bytes = files::read(self.reference)?;
        let reference = decoded(self.reference, &bytes)?;
        let image = picture(self.image)?;
        let asked = Picture { sha256: Digest::of(&bytes), pixels_sha256: reference.digest(), copy_of: None };
        let subject = subject(self.stated, &asked, workspace)?;
        let set = shelf.select(self.policy, &subject).map_err(Failure::new)?;
        let deviation = match self.map {
            None => deviation::measure(&reference, &image).map_err(Failure::new)?,
            Some(out) => {
                let (deviation, drawn) = deviation::overlay(&reference, &image).map_err(Failure::new)?;
                let bytes = raster::encode(&drawn, Format::Png, 100).map_err(Failure::new)?;
                files::write(out, &bytes, self.force)?;
                deviation
            }
        };
        self.tell(&deviation, &set, terminal)
    }

    fn tell(&self, deviation: &Deviation, set: &PolicySet, terminal: &Terminal) -> Result<Outcome, Failure> {
        let judged = set.weigh(deviation, &[]);
        if terminal.json {
            let reasons: Vec<String> = match &judged {
                Ok(()) => Vec::new(),
                Err(refusal) => refusal.reasons.iter().map(ToString::to_string).collect(),
            };
            let named = set.named();
            let document = json!({
                "schema": 1,
                "outcome": if judged.is_ok() { "cleared" } else { "refused" },
                "reference": self.reference.to_string_lossy(),
                "image": self.image.to_string_lossy(),
                "measure": deviation::MEASURE,
                "deviation": deviation,
                "policy": {
                    "name": named.name(),
                    "digest": named.digest(),
                    "limits": set.limits(),
                    "others": others(set),
                },
                "reasons": reasons,
                "map": self.map.map(Path::to_string_lossy),
            });
            terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
        } else {
            let verdict = match &judged {
                Ok(()) => paint(GOOD, format_args!("far enough for policy {}", set.name())),
                Err(refusal) => paint(BAD, refusal),
            };
            let drawn = self.map.map(|out| format!("\n  map          {}", shown(out))).unwrap_or_default();
            terminal.result(&format!("{verdict}\n{}{drawn}", table(deviation, set))).map_err(Failure::new)?;
        }
        Ok(if judged.is_ok() { Outcome::Yes } else { Outcome::No })
    }
}

/// The parts of a deviation, a line each.
fn table(deviation: &Deviation, set: &PolicySet) -> String {
    let limits = set.limits();
    let more = |least: f64| match least > limits.min_deviation {
        true => format!("; at most {:.2}", 1.0 - least),
        false => String::new(),
    };
    let lines = [
        format!(
            "  deviation    {:.4}  at least {:.2}; 0 the same data, 1 nothing shared",
            deviation.deviation, limits.min_deviation
        ),
        format!(
            "  arrangement  {:.4}  at least {:.2}; 0 the same, 1 new",
            deviation.composition, limits.min_composition
        ),
        format!(
            "  detail       {:.4}  agreement at the finest scale both hold{}",
            deviation.detail,
            more(limits.min_detail)
        ),
        format!(
            "  copied       {:.4}  {:.1} % of the area{}",
            deviation.copied,
            100.0 * deviation.copied_area,
            more(limits.min_copied)
        ),
        format!("  for reference only: SSIM {:.3}, PSNR {:.1} dB", deviation.ssim, deviation.psnr_db),
    ];
    lines.join("\n")
}

/// A picture as it is measured.
pub fn picture(path: &Path) -> Result<Raster, Failure> {
    decoded(path, &files::read(path)?)
}

fn decoded(path: &Path, bytes: &[u8]) -> Result<Raster, Failure> {
    let decoded =
        raster::decode(bytes, &Limits::default()).map_err(|error| Failure::at(path.display(), error))?;
    Ok(decoded.raster.flatten())
}
