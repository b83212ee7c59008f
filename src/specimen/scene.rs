//! Particles laid over one another on the grid.

use rayon::prelude::*;

use super::particles::{Field, REACH, Shape, Touch};
use crate::raster::Plane;

/// Absorbance of the line of stain caught where a particle lies against another one.
const CONTACT: f32 = 0.75;
/// Width of that line in nanometres.
const CONTACT_WIDTH: f32 = 4.0;

/// What lies on the film, as planes over the picture.
pub struct Scene {
    /// Share of every pixel that particles fill, 0..=1.
    pub cover: Plane,
    /// Absorbance of the stain in and on the particles, where there are any.
    pub stain: Plane,
    /// Distance from the nearest particle in nanometres, negative inside, at most [`REACH`].
    pub distance: Plane,
}

impl Touch {
    /// This point of a particle with another particle's point over it.
    pub fn under(self, above: Touch) -> Touch {
        let contact = CONTACT * (-above.distance.max(0.0) / CONTACT_WIDTH).exp();
        let cover = self.cover + above.cover - self.cover * above.cover;
        // Seen through: what lies below shows faintly in what lies above.
        let through = above.stain + 0.2 * self.cover * (self.stain - above.stain);
        let below = self.stain + contact * self.cover;
        let weighed = below * (cover - above.cover) + through * above.cover;
        let stain = if cover > 0.0 { weighed / cover } else { 0.0 };
        Touch { distance: self.distance.min(above.distance), cover, stain }
    }
}

/// Draws `shapes`, the lowest first, on `width` × `height` pixels.
pub fn draw(shapes: &[Box<dyn Shape>], width: usize, height: usize, field: Field) -> Scene {
    let mut points = vec![Touch::beside(REACH); width * height];
    points.par_chunks_mut(width).enumerate().for_each(|(row, points)| {
        let y = (row as f32 + 0.5) * field.pixel;
        for shape in shapes {
            let [left, top, right, bottom] = shape.bounds();
            if y < top || y > bottom {
                continue;
            }
            let first = (left / field.pixel).clamp(0.0, width as f32) as usize;
            let last = (right / field.pixel).clamp(0.0, width as f32) as usize;
            for (column, point) in points.iter_mut().enumerate().take(last).skip(first) {
                let x = (column as f32 + 0.5) * field.pixel;
                *point = point.under(shape.touch(x, y));
            }
        }
    });
    let plane = |value: fn(&Touch) -> f32| Plane::new(width, height, points.iter().map(value).collect());
    Scene { cover: plane(|p| p.cover), stain: plane(|p| p.stain), distance: plane(|p| p.distance) }
}
