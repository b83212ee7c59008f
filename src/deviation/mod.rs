//! The minimum-deviation measure: is the output still the same data as its reference?
//!
//! The output is laid on the reference by the best placement (any tone, sign, symmetry, turn, scale, shift
//! or crop, and a mild warp); what counts is how far the two agree under it, octave by octave:
//!
//! * `detail` is the agreement of the finest octaves. A blurred, noisy or recompressed copy still agrees in
//!   the octaves it holds; a re-rendered picture agrees in none, even where the arrangement is kept.
//! * `copied` is the weight of connected areas that are the same data, under the placement of the whole or
//!   of a part, wherever the rest comes from.
//! * `deviation = 1 − max(detail, copied)`, exactly so in the rounded figures.
//! * `composition` tells whether the arrangement is new, and is no part of the deviation.
//!
//! The scale of each part is laid so that 0.5 is the boundary between near-copies and new pictures.

mod affine;
mod align;
mod cells;
mod copied;
mod detail;
mod familiar;
mod features;
mod fingerprint;
mod flow;
mod local;
mod overlay;
#[cfg(test)]
mod tests;
mod working;

pub use features::{Features, features, votes};
pub use fingerprint::{Fingerprint, fingerprint, variants};
pub use overlay::overlay;

use crate::quantity::Deviation;
use crate::raster::{Plane, Raster};

/// Name of the measure. Whatever changes a figure changes the name.
pub const MEASURE: &str = "org.vidimus.deviation.1";

/// Least short side of a picture that can be judged, in pixels.
pub const LEAST_SIDE: u32 = 32;

/// Why two pictures cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    #[error("{width}×{height} pixels are too small to judge: at least {limit} on the short side")]
    TooSmall { width: u32, height: u32, limit: u32 },
}

/// How far `output` is from `reference`. Deterministic: the same pair gives the same figures on any number
/// of threads; `deviation` is rounded down, its parts up, to 1e-4. SSIM is measured on the working images
/// (long side 512 at most), a negative one given as 0; PSNR on luma at the output's full size.
pub fn measure(reference: &Raster, output: &Raster) -> Result<Deviation, MeasureError> {
    let pair = Pair::of(reference, output)?;
    Ok(figures(&pair, compare_best(&pair, output).likeness))
}

fn figures(pair: &Pair, Likeness { ncc, detail, copied_area }: Likeness) -> Deviation {
    let parts = Rounded::new(detail, copied::weight(copied_area));
    Deviation {
        deviation: parts.deviation,
        composition: composition(ncc),
        detail: parts.detail,
        copied: parts.copied,
        copied_area: steps_up(copied_area) as f64 / STEPS,
        ssim: (familiar::ssim(&pair.small_o, &pair.small_r).max(0.0) * STEPS).round() / STEPS,
        psnr_db: (familiar::psnr(&pair.luma_o, &pair.luma_r) * 100.0).round() / 100.0,
    }
}

/// Deviation of a picture that has the share `area`, 0..=1, from its reference, whatever is around it.
pub fn at_most(area: f64) -> f64 {
    1.0 - copied::weight(area)
}

/// What one pair of planes has in common; every figure is in 0..=1.
#[derive(Clone, Copy)]
struct Likeness {
    ncc: f64,
    detail: f64,
    copied_area: f64,
}

impl Likeness {
    fn similarity(&self) -> f64 {
        self.detail.max(copied::weight(self.copied_area))
    }
}

/// Both pictures over white: whole, and on the grid that is compared.
struct Pair {
    luma_r: Plane,
    luma_o: Plane,
    small_r: Plane,
    small_o: Plane,
}

impl Pair {
    fn of(reference: &Raster, output: &Raster) -> Result<Pair, MeasureError> {
        for raster in [reference, output] {
            let (width, height) = (raster.width(), raster.height());
            if width.min(height) < LEAST_SIDE {
                return Err(MeasureError::TooSmall { width, height, limit: LEAST_SIDE });
            }
        }
        let [luma_r, luma_o] = [reference, output].map(working::luma_over_white);
        let [small_r, small_o] = [&luma_r, &luma_o].map(working::working);
        Ok(Pair { luma_r, luma_o, small_r, small_o })
    }
}

/// What was found on a pair of planes, and where.
struct Compared {
    likeness: Likeness,
    pair: flow::Aligned,
    octaves: Vec<detail::Octave>,
    /// Where the output is copied.
    canvas: copied::Canvas,
}

/// By luma, or by the tint of `output` where that is more alike: a false-colour copy may hide from luma.
fn compare_best(pair: &Pair, output: &Raster) -> Compared {
    let found = compare(&pair.small_o, &pair.small_r);
    if found.likeness.similarity() >= CLEAR {
        return found;
    }
    let Some(tint) = working::tint(output) else { return found };
    let other = compare(&working::working(&tint), &pair.small_r);
    if other.likeness.similarity() > found.likeness.similarity() { other } else { found }
}

fn compare(output: &Plane, reference: &Plane) -> Compared {
    let fit = align::align(output, reference);
    let pair = flow::Aligned::new(output, reference, fit.map);
    let octaves = detail::octaves(&pair);
    let whole = copied::find(&pair, &octaves, copied::WHOLE);
    let (everywhere, canvas) = copied_anywhere(output, reference, &whole);
    let likeness = Likeness {
        ncc: fit.ncc,
        detail: detail::agreement(&octaves),
        copied_area: whole.share.max(everywhere).min(1.0),
    };
    Compared { likeness, pair, octaves, canvas }
}

/// Copied share of the output's texture, under the placement of the whole and under those of parts; and where.
fn copied_anywhere(output: &Plane, reference: &Plane, whole: &copied::Found) -> (f64, copied::Canvas) {
    // A picture with little texture must not turn one small copy into a large share.
    const LEAST_TEXTURE: f64 = 0.3;
    let (width, height) = (output.width(), output.height());
    let mut canvas = copied::Canvas::new(width, height);
    canvas.mark(&whole.cells, 0, 0, width, height);
    let parts = local::parts(output, reference, |x, y, w, h| canvas.share(x, y, w, h) > 0.5);
    for part in parts {
        let pair = flow::Aligned::new(&part.output, &part.reference, part.map);
        let found = copied::find(&pair, &detail::octaves(&pair), copied::PART);
        canvas.mark(&found.cells, part.x, part.y, part.output.width(), part.output.height());
    }
    (canvas.share(0, 0, width, height) / whole.textured.max(LEAST_TEXTURE), canvas)
}

/// 1 − similarity of the arrangement: unrelated pictures reach an NCC of about 0.45 somewhere.
fn composition(ncc: f64) -> f64 {
    const CHANCE: f64 = 0.45;
    let similarity = ((ncc - CHANCE) / (1.0 - CHANCE)).clamp(0.0, 1.0);
    // One division: a difference of fractions would be beside the decimal that is written, and not read back.
    f64::from(STEPS as u32 - steps_up(similarity)) / STEPS
}

/// Similarity from which no other look at the pair is needed.
const CLEAR: f64 = 0.9;

/// Figures are whole numbers of 1/STEPS, so that the formula holds exactly between them.
const STEPS: f64 = 10_000.0;

fn steps_up(value: f64) -> u32 {
    // What floating point adds to a round number is no reason for another step.
    (value.clamp(0.0, 1.0) * STEPS - 1e-6).ceil().max(0.0) as u32
}

struct Rounded {
    deviation: f64,
    detail: f64,
    copied: f64,
}

impl Rounded {
    fn new(detail: f64, copied: f64) -> Rounded {
        let (detail, copied) = (steps_up(detail), steps_up(copied));
        let deviation = STEPS as u32 - detail.max(copied);
        let decimal = |steps: u32| f64::from(steps) / STEPS;
        Rounded { deviation: decimal(deviation), detail: decimal(detail), copied: decimal(copied) }
    }
}
