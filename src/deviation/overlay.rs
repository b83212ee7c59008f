//! Where two pictures agree, for people to look at.

use super::detail;
use super::{Compared, MeasureError, Prepared, Seen};
use crate::quantity::Deviation;
use crate::raster::{Depth, Kernel, Plane, Raster, resize, tinted};

/// White between the panels, in pixels.
const GAP: usize = 8;
/// The outline of what is copied, as R, G, B: sky blue, which stands off the amber for the colour-blind too.
const OUTLINE: [f32; 3] = [0.25, 0.85, 1.0];
/// Where the reference does not reach.
const OUTSIDE: f32 = 0.85;

/// What [`measure`](super::measure) says, and three panels side by side, each of at most 512 pixels: `output`; `reference` as it lies on it best; and the output
/// again, tinted where the two agree in the octave that decides about `detail`, what counts as `copied` outlined.
///
/// # Errors
/// As [`measure`](super::measure).
pub fn overlay(reference: &Raster, output: &Raster) -> Result<(Deviation, Raster), MeasureError> {
    let (prepared, seen) = (Prepared::of(reference)?, Seen::of(output)?);
    let Compared { likeness, pair, octaves, canvas } = prepared.compare_best(&seen, output);
    let (width, height) = (canvas.width, canvas.height);
    let fitted = |plane: &Plane| resize(plane, width, height, Kernel::Cubic).map(|v| v.clamp(0.0, 1.0));
    let luma = fitted(&pair.output);
    let laid = Plane::from_fn(pair.output.width(), pair.output.height(), |x, y| {
        if pair.inside[y * pair.output.width() + x] { pair.reference.at(x, y) } else { OUTSIDE }
    });
    let laid = fitted(&laid);
    let heat = fitted(&detail::shown(&octaves));
    let mut panels = [
        [luma.clone(), luma.clone(), luma.clone()],
        [laid.clone(), laid.clone(), laid],
        tinted(&luma, &heat),
    ];
    for (plane, value) in panels[2].iter_mut().zip(OUTLINE) {
        for y in 0..height {
            for x in (0..width).filter(|x| canvas.is_edge(*x, y)) {
                plane.data_mut()[y * width + x] = value;
            }
        }
    }
    let planes: Vec<Plane> = (0..3)
        .map(|channel| {
            Plane::from_fn(3 * width + 2 * GAP, height, |x, y| {
                let (panel, x) = (x / (width + GAP), x % (width + GAP));
                if x < width { panels[panel][channel].at(x, y) } else { 1.0 }
            })
        })
        .collect();
    Ok((prepared.figures(&seen, likeness), Raster::from_planes(&planes, Depth::Eight)))
}
