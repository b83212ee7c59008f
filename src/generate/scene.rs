//! How much of a scene a picture shows, and how large it is in the end.

use super::{Canvas, GenerateError};

/// Longest side in pixels: what is drawn from patches knows its places in 16 bits.
const LONGEST_SIDE: usize = 65_535;
/// Most that a picture is magnified: beyond, texture of the reference says nothing about the detail.
const MOST_MAGNIFIED: f64 = 8.0;
const MOST_PIXELS: f64 = 1e8;
/// Magnification that counts as none.
const ONE: f64 = 0.01;

/// A window on the scene of a reference, and the size of the picture that shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    /// Width and height of the window in pixels of the reference, whose middle is the window's.
    pub drawn: (usize, usize),
    /// Width and height of the picture.
    pub size: (usize, usize),
    /// Whether the scene is stretched to the canvas; else another aspect shows more of it one way and
    /// less the other, over the same area.
    pub stretched: bool,
}

impl Scene {
    /// For a reference of `width` × `height` pixels and an engine that draws `least` pixels a side at least.
    pub fn new(
        engine: &'static str,
        least: u32,
        width: u32,
        height: u32,
        canvas: Option<Canvas>,
    ) -> Result<Self, GenerateError> {
        let pair = |w: u32, h: u32| (w as usize, h as usize);
        let (size, stretched) = match canvas {
            Some(canvas) => (pair(canvas.width, canvas.height), canvas.stretch),
            None => (pair(width, height), false),
        };
        let area = |(w, h): (usize, usize)| w as f64 * h as f64;
        let magnified = (area(size) / area(pair(width, height))).sqrt();
        let side = |n: usize| (n as f64 / magnified).round() as usize;
        // The same aspect is the same scene, whatever the rounding; and a pixel's difference is no reason to
        // draw at one size and magnify to another.
        let (long, wanted) = if width >= height { (width, size.0) } else { (height, size.1) };
        let drawn = if (f64::from(long) * magnified - wanted as f64).abs() <= magnified {
            pair(width, height)
        } else if (magnified - 1.0).abs() < ONE {
            size
        } else {
            (side(size.0), side(size.1))
        };
        if drawn.0.min(drawn.1).min(size.0.min(size.1)) < least as usize {
            let (width, height) = (size.0 as u32, size.1 as u32);
            return Err(GenerateError::TooSmall { engine, width, height, limit: least });
        }
        let long = [size.0, size.1, drawn.0, drawn.1].iter().any(|side| *side > LONGEST_SIDE);
        if magnified > MOST_MAGNIFIED || area(size) > MOST_PIXELS || long {
            let limit =
                "at most 8 times the reference's width and height, 65535 pixels a side, and 100 megapixels";
            let (width, height) = (size.0 as u32, size.1 as u32);
            return Err(GenerateError::TooLarge { engine, width, height, limit });
        }
        Ok(Scene { drawn, size, stretched })
    }

    /// Whether the picture is larger than the drawing, along either side.
    pub fn magnifies(&self) -> bool {
        self.size.0 > self.drawn.0 || self.size.1 > self.drawn.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(width: u32, height: u32, stretch: bool) -> Result<Scene, GenerateError> {
        Scene::new("test", 32, 320, 200, Some(Canvas { width, height, stretch }))
    }

    #[test]
    fn the_same_aspect_is_drawn_at_the_size_of_the_reference() {
        for (width, height) in [(320, 200), (640, 400), (641, 400), (160, 100)] {
            let scene = scene(width, height, false).expect("allowed");
            assert_eq!((scene.drawn, scene.size), ((320, 200), (width as usize, height as usize)));
        }
        assert_eq!(Scene::new("test", 32, 320, 200, None).expect("allowed").size, (320, 200));
    }

    #[test]
    fn another_aspect_shows_as_much_of_the_scene_in_another_shape() {
        let scene = scene(600, 600, false).expect("allowed");
        assert_eq!(scene.drawn, (253, 253));
        let unmagnified =
            Scene::new("test", 32, 320, 200, Some(Canvas { width: 600, height: 107, stretch: false }));
        assert_eq!(unmagnified.expect("allowed").drawn, (600, 107));
    }

    #[test]
    fn what_is_too_small_or_magnified_too_much_is_refused() {
        assert!(matches!(scene(31, 50, false), Err(GenerateError::TooSmall { width: 31, .. })));
        assert!(matches!(scene(40, 4000, false), Err(GenerateError::TooSmall { width: 40, .. })));
        assert!(matches!(scene(2600, 1620, false), Err(GenerateError::TooLarge { .. })));
        assert!(matches!(Scene::new("test", 32, 70_000, 64, None), Err(GenerateError::TooLarge { .. })));
    }
}
