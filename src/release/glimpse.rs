//! What a picture looks like on its way to being a draft.

use super::error::ReleaseError;
use super::marking::label;
use super::prepare::Reference;
use crate::generate::Description;
use crate::metadata;
use crate::raster::{self, Format, Kernel, Plane, Raster};
use crate::watermark;

/// Short side in pixels of a glimpse of a picture that could bear a watermark.
const GLIMPSE: u32 = 160;

/// `picture`, on its way to a variation of `reference`, as a PNG that says what it is. It is nobody's draft yet
/// and bears no watermark: so it is kept smaller than the smallest picture that can.
pub fn glimpse(
    picture: &Raster,
    engine: &Description,
    reference: &Reference,
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
    Ok(metadata::write(&file, Format::Png, &label(engine, &reference.sha256, in_part))?)
}
