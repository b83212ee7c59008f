//! Which places of the reference a match field uses, and how often.

use crate::raster::Plane;
use crate::raster::filter::gaussian;

use super::field::Field;
use super::sources::Sources;

/// Pixels to a side of a counting cell.
const CELL: usize = 3;
/// Standard deviation of the counts' blur, in cells. Narrower counts would let neighbouring patches
/// differ in cost, tear the field apart and leave a grey average where the picture is dense.
const SPREAD: f32 = 3.0;

/// Use of every place relative to the mean.
pub struct Usage {
    counts: Plane,
}

impl Usage {
    /// Counts by place in the reference: a particle used in two turned copies is used twice.
    pub fn of(sources: &Sources, field: &Field) -> Self {
        let (across, down) = ((field.width / CELL).max(4), (field.height / CELL).max(4));
        let mut counts = Plane::filled(across, down, 0.0);
        for m in &field.matches {
            let at = (m.copy as usize * field.height + m.y as usize) * field.width + m.x as usize;
            counts.data_mut()[cell(sources.origin(at), across, down)] += 1.0;
        }
        let mean = field.matches.len() as f32 / (across * down) as f32;
        Usage { counts: gaussian(&counts, SPREAD, 3.0).map(|c| c / mean) }
    }

    /// No place counts as used more often than this.
    pub const MOST: f32 = 6.0;

    /// 0 for an unused place, 1 for a place used as often as the mean, at most [`Usage::MOST`].
    pub fn at(&self, origin: (f32, f32)) -> f32 {
        self.counts.data()[cell(origin, self.counts.width(), self.counts.height())].clamp(0.0, Self::MOST)
    }
}

fn cell(origin: (f32, f32), across: usize, down: usize) -> usize {
    let y = ((origin.0 * down as f32) as usize).min(down - 1);
    let x = ((origin.1 * across as f32) as usize).min(across - 1);
    y * across + x
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::super::image::Image;
    use super::*;

    #[test]
    fn a_field_in_place_uses_everything_alike_and_a_stuck_one_does_not() {
        let reference = Image::from_planes(&[Plane::filled(60, 48, 0.0)]);
        let sources = Sources::new(&[corpus::copy(&reference, (60, 48), 0, 0.3, false, 1)], 60, 48);
        let mut field = Field::in_place(60, 48);
        assert!((Usage::of(&sources, &field).at((0.5, 0.5)) - 1.0).abs() < 0.5);
        field.matches.iter_mut().for_each(|m| (m.y, m.x) = (24, 30));
        let usage = Usage::of(&sources, &field);
        assert!(usage.at((0.5, 0.5)) > 4.0);
        assert!(usage.at((0.02, 0.02)) < 0.1);
    }
}
