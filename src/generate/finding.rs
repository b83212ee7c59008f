//! What an engine found in a reference that limits what it draws.

use std::fmt;

use serde::Serialize;

/// A rectangle of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Area {
    /// The smallest rectangle around `pixels` of a picture of that width; without any, nothing at all.
    pub fn of(pixels: &[usize], width: usize) -> Area {
        let one = |at: &usize| Area { left: at % width, top: at / width, width: 1, height: 1 };
        let all = pixels.iter().map(one).reduce(|whole, pixel| whole.around(&pixel));
        all.unwrap_or(Area { left: 0, top: 0, width: 0, height: 0 })
    }

    pub fn holds(&self, x: usize, y: usize) -> bool {
        (self.left..self.left + self.width).contains(&x) && (self.top..self.top + self.height).contains(&y)
    }

    pub fn overlaps(&self, other: &Area) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }

    /// The smallest rectangle around both.
    pub fn around(&self, other: &Area) -> Area {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = (self.left + self.width).max(other.left + other.width);
        let bottom = (self.top + self.height).max(other.top + other.height);
        Area { left, top, width: right - left, height: bottom - top }
    }
}

/// Something about a reference that people should know before they use what was drawn from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// A scale bar, lettering or a data strip: left out, for a drawn picture has no scale.
    Annotation { areas: Vec<Area> },
    /// The picture is laid one way, as photographs are: its patches are mirrored, not turned.
    Directed,
    /// One large thing dominates the reference, of which there is no other, and the strength is one that takes it apart.
    Dominant { area: Area },
    /// The picture shows more of the scene than the reference, which was made up: this share of the picture.
    Extended { share: f64 },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Annotation { areas } => {
                f.write_str("scale bar or lettering in the reference left out: a drawn picture has no scale (")?;
                for (i, a) in areas.iter().enumerate() {
                    let separator = if i > 0 { ", " } else { "" };
                    write!(f, "{separator}{}×{} pixels at {}, {}", a.width, a.height, a.left, a.top)?;
                }
                f.write_str(")")
            }
            Finding::Directed => f.write_str(
                "the reference is laid one way, as photographs are (over strength 0.6 a scene falls apart): its \
                 patches were mirrored, not turned",
            ),
            Finding::Dominant { area: a } => write!(
                f,
                "one large thing dominates the reference ({}×{} pixels at {}, {}): over strength 0.65 it is taken apart, \
                 since there is no other to draw it from",
                a.width, a.height, a.left, a.top
            ),
            Finding::Extended { share } => {
                write!(f, "{:.0} % of the picture lies beyond the reference and was made up, whatever the strength", 100.0 * share)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_every_pixel_and_no_more() {
        assert_eq!(Area::of(&[7, 11, 6], 5), Area { left: 1, top: 1, width: 2, height: 2 });
        assert_eq!(Area::of(&[], 5), Area { left: 0, top: 0, width: 0, height: 0 });
    }
}
