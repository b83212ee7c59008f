//! Pictures to look at, not to use: on their way to being a draft, and of a prompt alone.

use super::error::ReleaseError;
use super::marking::label;
use crate::digest::Digest;
use crate::generate::Description;
use crate::metadata;
use crate::raster::{self, Format, Kernel, Plane, Raster};
use crate::watermark;

/// Short side in pixels of a glimpse of a picture that could bear a watermark.
const GLIMPSE: u32 = 160;

/// `picture`, on its way to a variation of the file `source` or of none, as a PNG that says what it is. Nobody judges it
/// and it bears no watermark: so it is kept smaller than the smallest picture that can.
pub fn glimpse(
    picture: &Raster,
    engine: &Description,
    source: Option<Digest>,
    in_part: bool,
) -> Result<Vec<u8>, ReleaseError> {
    let (width, height) = (picture.width(), picture.height());
    let short = width.min(height);
    let small = if short < watermark::MIN_SIDE {
        picture.clone()
    } else {
        let side = |n: u32| (u64::from(n) * u64::from(GLIMPSE) / u64::from(short)) as usize;
        let resized = |plane: &Plane| raster::resize(plane, side(width), side(height), Kernel::Area);
        Raster::from_planes(&picture.planes().iter().map(resized).collect::<Vec<_>>(), picture.depth())
    };
    let file = raster::encode(&small, Format::Png, 100)?;
    Ok(metadata::write(&file, Format::Png, &label(engine, source, in_part))?)
}
