//! A picture as the detector looks at it: normalised, at three sizes.

use std::cell::OnceCell;

use super::frontend::{Front, embed_scale};
use super::nufft::Reader;
use crate::raster::{Kernel, Plane, Raster, resize};

/// Pictures of more pixels are made smaller first.
const MAX_PIXELS: f64 = 2048.0 * 2048.0;
/// Planes with a shorter side hold too little of a mark.
pub(super) const MIN_SIDE: usize = 64;
/// Full size, half, quarter.
const LEVELS: usize = 3;

pub(super) struct Scene {
    luma: Plane,
    /// Size of the given picture.
    given: [usize; 2],
    views: [OnceCell<Option<View>>; LEVELS],
}

/// The picture at one size.
pub(super) struct View {
    /// Normalised: what `Front` makes of the luma.
    pub values: Plane,
    /// Size over the given size (x, y).
    pub factor: [f64; 2],
    /// Where this plane's origin, the pixel (width / 2, height / 2), lies from that of the given picture, in
    /// given pixels (x, y).
    pub origin: [f64; 2],
    windowed: OnceCell<Plane>,
    reader: OnceCell<Reader>,
}

impl Scene {
    pub fn new(raster: &Raster) -> Self {
        let given = [raster.width() as usize, raster.height() as usize];
        let shrink = (MAX_PIXELS / (given[0] * given[1]) as f64).sqrt().min(1.0);
        let size = given.map(|n| ((n as f64 * shrink).round() as usize).max(1));
        let mut luma = raster.luma_reduced(size[0], size[1]);
        luma.data_mut().iter_mut().for_each(|v| *v *= 255.0);
        Scene { luma, given, views: Default::default() }
    }

    /// Full size is level 0; each further level has half the size. `None` if too little would be left.
    pub fn view(&self, level: usize) -> Option<&View> {
        self.views[level].get_or_init(|| View::new(&self.luma, self.given, level)).as_ref()
    }

    /// Size of the tiles over 61 pixels if the picture still has the size at which it was marked.
    pub fn natural_scale(&self) -> f64 {
        embed_scale(self.given[0], self.given[1])
    }

    pub fn levels(&self) -> impl Iterator<Item = (usize, &View)> {
        (0..LEVELS).filter_map(|level| Some((level, self.view(level)?)))
    }
}

impl View {
    fn new(luma: &Plane, given: [usize; 2], level: usize) -> Option<Self> {
        let size = [luma.width(), luma.height()].map(|n| n.div_ceil(1 << level));
        if size[0].min(size[1]) < MIN_SIDE {
            return None;
        }
        let luma = resize(luma, size[0], size[1], Kernel::Area);
        let factor = [0, 1].map(|i| size[i] as f64 / given[i] as f64);
        let origin = [0, 1].map(|i| {
            let centre = ((size[i] / 2) as f64 + 0.5) / factor[i] - 0.5;
            centre - (given[i] / 2) as f64
        });
        let values = Front::of(&luma, 1.0).values;
        Some(View { values, factor, origin, windowed: OnceCell::new(), reader: OnceCell::new() })
    }

    pub fn windowed(&self) -> &Plane {
        self.windowed.get_or_init(|| super::frontend::windowed(&self.values))
    }

    pub fn reader(&self) -> &Reader {
        self.reader.get_or_init(|| Reader::new(self.windowed()))
    }

    pub fn long_side(&self) -> usize {
        self.values.width().max(self.values.height())
    }
}
