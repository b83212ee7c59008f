//! Working images: luma on a bounded grid, and the flattened fields that are compared.

use crate::raster::filter::gaussian;
use crate::raster::{Kernel, Plane, Raster, resize};

/// Long side of the working image; smaller pictures keep their size.
const SIDE: usize = 512;

/// Least short side of the working image of a long and narrow picture.
const LEAST_SIDE: f64 = 32.0;

/// Luma of `raster` over white, at full size.
pub fn luma_over_white(raster: &Raster) -> Plane {
    match raster.alpha() {
        Some(_) => raster.clone().flatten().luma(),
        None => raster.luma(),
    }
}

/// Red against blue, 0.5 where they are equal: the one axis along which the usual false-colour scales run
/// steadily while their luma rises and falls. `None` for a picture without colour.
pub fn tint(raster: &Raster) -> Option<Plane> {
    const NEUTRAL: f32 = 0.1;
    if raster.is_neutral(NEUTRAL) {
        return None;
    }
    let planes = raster.planes();
    let [red, _, blue] = planes.as_slice() else { return None };
    Some(red.zip(blue, |r, b| 0.5 + 0.5 * (r - b)))
}

/// `plane` area-averaged down to a long side of `SIDE`.
pub fn working(plane: &Plane) -> Plane {
    let (long, short) = (plane.width().max(plane.height()), plane.width().min(plane.height()));
    let factor = (SIDE as f64 / long as f64).max(LEAST_SIDE / short as f64);
    if factor < 1.0 { scaled(plane, factor) } else { plane.clone() }
}

/// `plane` with a long side of `side` pixels, the short one in proportion (at least 1).
pub fn fitted(plane: &Plane, side: f64) -> Plane {
    scaled(plane, side / plane.width().max(plane.height()) as f64)
}

/// `plane` shrunk (area) or enlarged (cubic) by `factor`.
pub fn scaled(plane: &Plane, factor: f64) -> Plane {
    let size = |n: usize| ((n as f64 * factor).round() as usize).max(1);
    let kernel = if factor > 1.0 { Kernel::Cubic } else { Kernel::Area };
    resize(plane, size(plane.width()), size(plane.height()), kernel)
}

/// x and y factors from the grid of `from` to the grid of `to`.
pub fn factors(from: &Plane, to: &Plane) -> (f64, f64) {
    (to.width() as f64 / from.width() as f64, to.height() as f64 / from.height() as f64)
}

/// `plane` with its local mean removed and its local contrast evened out over `sigma` pixels, then smoothed
/// by `smooth`: brightness, contrast, gamma and shading leave little trace in it.
pub fn flattened(plane: &Plane, sigma: f32, smooth: f32) -> Plane {
    const LEAST_CONTRAST: f32 = 0.015;
    let mean = gaussian(plane, sigma, 3.0);
    let offset = plane.zip(&mean, |v, m| v - m);
    let variance = gaussian(&offset.map(|d| d * d), sigma, 3.0);
    let even = offset.zip(&variance, |d, v| d / (v + LEAST_CONTRAST * LEAST_CONTRAST).sqrt());
    gaussian(&even, smooth, 3.0)
}
