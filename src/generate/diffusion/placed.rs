//! A reference brought to the size of the picture that is drawn from it.

use crate::generate::scene::Scene;
use crate::raster::filter::mirror;
use crate::raster::{Kernel, Plane, Raster, resize};

use super::autoencoder::SCALE;

/// A reference as the picture's own size shows it, and where it shows nothing of it.
pub struct Placed {
    pub picture: Raster,
    /// 1 where the picture goes beyond the reference, whose mirror image stands there; `None` if that is nowhere, or
    /// narrower than a latent.
    pub beyond: Option<Plane>,
}

impl Placed {
    /// Of as much of `reference` as `scene` shows; the same for the same size.
    pub fn new(reference: &Raster, scene: &Scene) -> Placed {
        let own = (reference.width() as usize, reference.height() as usize);
        if scene.size == own && scene.drawn == own {
            return Placed { picture: reference.clone(), beyond: None };
        }
        let (width, height) = scene.size;
        let window = if scene.stretched { own } else { scene.drawn };
        let grows = width > window.0 || height > window.1;
        let kernel = if grows { Kernel::Lanczos } else { Kernel::Area };
        let brought =
            |plane: &Plane| resize(&cut(plane, window), width, height, kernel).map(|v| v.clamp(0.0, 1.0));
        let planes: Vec<Plane> = reference.planes().iter().map(brought).collect();
        Placed {
            picture: Raster::from_planes(&planes, reference.depth()),
            beyond: beyond(own, window, scene.size),
        }
    }
}

/// Where a window of `window` pixels begins on a side of `own`, in the middle.
fn begin(own: usize, window: usize) -> isize {
    (own as isize - window as isize).div_euclid(2)
}

/// The window in the middle of `plane`; what it has not is mirrored.
fn cut(plane: &Plane, (width, height): (usize, usize)) -> Plane {
    let (left, top) = (begin(plane.width(), width), begin(plane.height(), height));
    Plane::from_fn(width, height, |x, y| {
        plane.at(mirror(x as isize + left, plane.width()), mirror(y as isize + top, plane.height()))
    })
}

fn beyond(own: (usize, usize), window: (usize, usize), size: (usize, usize)) -> Option<Plane> {
    // Pixels of the picture before the reference begins and after it ends.
    let side = |own: usize, window: usize, size: usize| {
        let [begins, ends] = [-begin(own, window), own as isize - begin(own, window)];
        [begins, ends].map(|at| at.clamp(0, window as isize) as f64 * size as f64 / window as f64)
    };
    let [across, down] = [side(own.0, window.0, size.0), side(own.1, window.1, size.1)];
    let margin = |[begins, ends]: [f64; 2], size: usize| begins.max(size as f64 - ends);
    if margin(across, size.0).max(margin(down, size.1)) < SCALE as f64 {
        return None;
    }
    let inside = |[begins, ends]: [f64; 2], at: usize| (begins..ends).contains(&(at as f64 + 0.5));
    let outside = |x: usize, y: usize| !inside(across, x) || !inside(down, y);
    Some(Plane::from_fn(size.0, size.1, |x, y| f32::from(u8::from(outside(x, y)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Canvas;
    use crate::raster::Depth;

    fn placed(width: u32, height: u32, stretch: bool) -> Placed {
        let ramp = Plane::from_fn(120, 80, |x, y| (x + y) as f32 / 200.0);
        let reference = Raster::from_planes(&[ramp], Depth::Sixteen);
        let scene = Scene::new("test", 8, 120, 80, Some(Canvas { width, height, stretch })).expect("allowed");
        Placed::new(&reference, &scene)
    }

    #[test]
    fn the_same_aspect_is_the_same_scene() {
        for (width, height) in [(240, 160), (60, 40), (360, 240)] {
            let Placed { picture, beyond } = placed(width, height, false);
            assert_eq!((picture.width(), picture.height()), (width, height));
            assert!(beyond.is_none());
            let (x, y) = (width as usize / 3, height as usize / 4);
            let expected = (40.0 + 20.0) / 200.0;
            assert!((picture.planes()[0].at(x, y) - expected).abs() < 0.02);
        }
    }

    /// By hand: 98×98 pixels are as many as 120×80, less at the sides and 9 more above and below.
    #[test]
    fn another_aspect_goes_beyond_the_reference_one_way() {
        let Placed { picture, beyond } = placed(196, 196, false);
        assert_eq!((picture.width(), picture.height()), (196, 196));
        let beyond = beyond.expect("more of the scene");
        for (y, expected) in [(0, 1.0), (17, 1.0), (18, 0.0), (177, 0.0), (178, 1.0), (195, 1.0)] {
            assert!(beyond.row(y).iter().all(|v| *v == expected), "{y}");
        }
    }

    #[test]
    fn what_is_stretched_shows_all_of_the_reference_and_nothing_beyond() {
        let Placed { picture, beyond } = placed(100, 100, true);
        assert!(beyond.is_none());
        let plane = &picture.planes()[0];
        assert!((plane.at(99, 99) - 198.0 / 200.0).abs() < 0.02 && plane.at(0, 0) < 0.02);
    }
}
