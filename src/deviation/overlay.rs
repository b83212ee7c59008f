//! Where two pictures agree, for people to look at.

use super::detail;
use super::marked::Laid;
use super::{Compared, MeasureError, Prepared, Seen};
use crate::quantity::Deviation;
use crate::raster::{Depth, Kernel, Plane, Raster, resize, tinted};

/// White between the panels, in pixels.
const GAP: usize = 8;
/// The outline of what is copied, as R, G, B: sky blue, which stands off the amber for the colour-blind too.
const OUTLINE: [f32; 3] = [0.25, 0.85, 1.0];
/// Where the reference does not reach.
const OUTSIDE: f32 = 0.85;

/// Agreement of the whole below which parts that are copied are shown alone: the placement of the whole says nothing.
const LIKE: f64 = 0.5;

/// What [`measure`](super::measure) says, and three panels side by side, each of at most 512 pixels: `output`;
/// `reference`, or the parts of it that are copied, as it lies on it best; and the output again, tinted where the two
/// agree in the octave that decides about `detail`, what counts as `copied` outlined.
///
/// # Errors
/// As [`measure`](super::measure).
pub fn overlay(reference: &Raster, output: &Raster) -> Result<(Deviation, Raster), MeasureError> {
    let (prepared, seen) = (Prepared::of(reference)?, Seen::of(output)?);
    let Compared { likeness, pair, octaves, canvas, parts } = prepared.compare_best(&seen, output);
    let (width, height) = (canvas.width, canvas.height);
    let fitted = |plane: &Plane| resize(plane, width, height, Kernel::Cubic).map(|v| v.clamp(0.0, 1.0));
    let luma = fitted(&pair.output);
    let alone = likeness.detail < LIKE && !parts.is_empty();
    let laid = Plane::from_fn(pair.output.width(), pair.output.height(), |x, y| {
        let inside = pair.inside[y * pair.output.width() + x];
        if inside && !alone { pair.reference.at(x, y) } else { OUTSIDE }
    });
    let agreement = detail::shown(&octaves);
    let (mut laid, mut heat) =
        (fitted(&laid), fitted(&if alone { agreement.map(|_| 0.0) } else { agreement }));
    for part in &parts {
        part.paint(&part.pair.reference, &mut laid);
        part.paint(&detail::shown(&part.octaves), &mut heat);
    }
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

impl Laid {
    /// Puts `picture` of this part on `canvas`, as far as the reference reaches.
    fn paint(&self, picture: &Plane, canvas: &mut Plane) {
        let ((x0, y0), (width, height)) = (self.place, self.size);
        let fitted = |plane: &Plane, kernel| resize(plane, width, height, kernel);
        let columns = self.pair.output.width();
        let inside = Plane::from_fn(columns, self.pair.output.height(), |x, y| {
            f32::from(u8::from(self.pair.inside[y * columns + x]))
        });
        let (inside, picture) = (fitted(&inside, Kernel::Area), fitted(picture, Kernel::Cubic));
        let (across, down) = (canvas.width(), canvas.height());
        for y in 0..height.min(down.saturating_sub(y0)) {
            for x in (0..width.min(across.saturating_sub(x0))).filter(|x| inside.at(*x, y) > 0.5) {
                canvas.data_mut()[(y0 + y) * across + x0 + x] = picture.at(x, y).clamp(0.0, 1.0);
            }
        }
    }
}
