//! The minimum-deviation measure: is the output still the same data as its reference?
//!
//! The output is laid on the reference by the best placement (any tone, sign, symmetry, turn, scale, shift
//! or crop, and a mild warp); what counts is how far the two agree under it, octave by octave:
//!
//! * `detail` is the agreement of the finest octaves. A blurred, noisy or recompressed copy still agrees in
//!   the octaves it holds; a re-rendered picture agrees in none, even where the arrangement is kept.
//! * `copied` is the weight of connected areas that are the same data, under the placement of the whole or
//!   of a part, wherever the rest comes from. Parts are known by keypoints, at any turn, mirrored or not. An
//!   area that is copied to the letter weighs much: a twentieth of the picture is too much of it. So does one piece
//!   under one placement that was weakened, by a blur or noise, though it has to be larger.
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
mod keypoints;
mod likest;
mod local;
mod marked;
mod matches;
mod overlay;
mod slopes;
#[cfg(test)]
mod tests;
mod working;

pub use features::{Features, features, votes};
pub use fingerprint::{Fingerprint, fingerprint, variants};
pub use overlay::overlay;

use self::marked::Marked;
use crate::quantity::Deviation;
use crate::raster::{Plane, Raster};

/// Name of the measure. Whatever changes a figure changes the name.
pub const MEASURE: &str = "org.vidimus.deviation.3";

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
///
/// # Errors
/// When one of them is too small to be judged.
pub fn measure(reference: &Raster, output: &Raster) -> Result<Deviation, MeasureError> {
    Prepared::of(reference)?.measure(output)
}

/// A reference with all that can be computed before an output is there: for those who compare several with it.
pub struct Prepared {
    luma: Plane,
    small: Plane,
    sought: align::Sought,
    searched: local::Searched,
}

impl Prepared {
    /// # Errors
    /// When `reference` is too small to be judged.
    pub fn of(reference: &Raster) -> Result<Prepared, MeasureError> {
        large_enough(reference)?;
        let luma = working::luma_over_white(reference);
        let small = working::working(&luma);
        let (sought, searched) = rayon::join(|| align::Sought::of(&small), || local::Searched::new(&small));
        Ok(Prepared { luma, small, sought, searched })
    }

    /// What [`measure`] says of it and `output`.
    ///
    /// # Errors
    /// When `output` is too small to be judged.
    pub fn measure(&self, output: &Raster) -> Result<Deviation, MeasureError> {
        let seen = Seen::of(output)?;
        Ok(self.figures(&seen, self.compare_best(&seen, output).likeness))
    }

    fn figures(&self, output: &Seen, likeness: Likeness) -> Deviation {
        let parts = Rounded::new(likeness.detail, likeness.copied());
        Deviation {
            deviation: parts.deviation,
            composition: composition(likeness.ncc),
            detail: parts.detail,
            copied: parts.copied,
            copied_area: f64::from(steps_up(likeness.copied_area)) / STEPS,
            ssim: (familiar::ssim(&output.small, &self.small).max(0.0) * STEPS).round() / STEPS,
            psnr_db: (familiar::psnr(&output.luma, &self.luma) * 100.0).round() / 100.0,
        }
    }

    /// By luma, or by the tint of `raster` where that is more alike: a false-colour copy may hide from luma.
    fn compare_best(&self, output: &Seen, raster: &Raster) -> Compared {
        let found = self.compare(&output.small, true);
        if found.likeness.similarity() >= CLEAR {
            return found;
        }
        let Some(tint) = working::tint(raster) else { return found };
        let other = self.compare(&working::working(&tint), false);
        if other.likeness.similarity() > found.likeness.similarity() { other } else { found }
    }

    /// On the grid of `output`; parts of it are only sought where `parts` says so.
    fn compare(&self, output: &Plane, parts: bool) -> Compared {
        let fit = align::align(output, &self.small, &self.sought);
        let pair = flow::Aligned::new(output, &self.small, fit.map);
        let octaves = detail::octaves(&pair);
        let whole = copied::find(&pair, &octaves, copied::WHOLE);
        let detail = detail::agreement(&octaves);
        let mut marked = Marked::nowhere(output);
        marked.mark(&whole, 0, 0, output.width(), output.height());
        // What is the same all over needs no search for parts.
        if parts && detail < CLEAR {
            let output = local::Searched::new(output);
            let look = |marked: &mut Marked, part| marked.look(&part);
            local::parts(&output, &self.searched, &mut marked, Marked::explains, look);
        }
        let everywhere = marked.canvas.all() / whole.textured.max(LEAST_TEXTURE);
        let verbatim = marked.verbatim.all();
        let mut likeness = Likeness {
            ncc: fit.ncc,
            detail,
            copied_area: whole.share.max(everywhere).max(verbatim).min(1.0),
            verbatim,
            piece: 0.0,
        };
        if let Some(piece) = marked.with_piece() {
            likeness.copied_area = likeness.copied_area.max(piece.share);
            likeness.piece = piece.weight;
        }
        Compared { likeness, pair, octaves, canvas: marked.canvas, parts: marked.parts }
    }
}

/// Deviation of a picture that has the share `area`, 0..=1, from its reference to the letter, whatever is around it.
pub fn at_most(area: f64) -> f64 {
    // Local statistics do not reach the border of what is kept.
    const SHOWN: f64 = 0.45;
    1.0 - copied::weight(area).max(copied::weight_verbatim(SHOWN * area))
}

/// What one pair of planes has in common; every figure is in 0..=1.
#[derive(Clone, Copy)]
struct Likeness {
    ncc: f64,
    detail: f64,
    /// Share of the texture, copied in whatever quality.
    copied_area: f64,
    /// Share of the picture, copied to the letter.
    verbatim: f64,
    /// Weight of the largest copied piece.
    piece: f64,
}

impl Likeness {
    fn copied(&self) -> f64 {
        let [whole, verbatim] = [copied::weight(self.copied_area), copied::weight_verbatim(self.verbatim)];
        whole.max(verbatim).max(self.piece)
    }

    fn similarity(&self) -> f64 {
        self.detail.max(self.copied())
    }
}

/// An output over white: whole, and on the grid that is compared.
struct Seen {
    luma: Plane,
    small: Plane,
}

impl Seen {
    fn of(output: &Raster) -> Result<Seen, MeasureError> {
        large_enough(output)?;
        let luma = working::luma_over_white(output);
        let small = working::working(&luma);
        Ok(Seen { luma, small })
    }
}

fn large_enough(raster: &Raster) -> Result<(), MeasureError> {
    let (width, height) = (raster.width(), raster.height());
    if width.min(height) < LEAST_SIDE {
        return Err(MeasureError::TooSmall { width, height, limit: LEAST_SIDE });
    }
    Ok(())
}

/// What was found on a pair of planes, and where.
struct Compared {
    likeness: Likeness,
    pair: flow::Aligned,
    octaves: Vec<detail::Octave>,
    /// Where the output is copied.
    canvas: copied::Canvas,
    parts: Vec<marked::Laid>,
}

/// 1 − similarity of the arrangement: unrelated pictures reach an NCC of about 0.45 somewhere.
fn composition(ncc: f64) -> f64 {
    const CHANCE: f64 = 0.45;
    let similarity = ((ncc - CHANCE) / (1.0 - CHANCE)).clamp(0.0, 1.0);
    // One division: a difference of fractions would be beside the decimal that is written, and not read back.
    f64::from(STEPS as u32 - steps_up(similarity)) / STEPS
}

/// A picture with little texture must not turn one small copy into a large share.
const LEAST_TEXTURE: f64 = 0.3;

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
