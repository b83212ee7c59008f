//! Pictures to look at, not to use: on their way to being a draft, and of a prompt alone.

use super::error::ReleaseError;
use super::labels::label;
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
    labelled(&reduced(picture), Format::Png, &label((engine.name, engine.version), source, in_part))
}

/// A small likeness of `picture`, a variation of the file `source` by `engine`, as a JPEG that says what it is: for pages
/// that show several. What left may be shown as large as anybody likes, anything else [`reduced()`].
pub fn thumbnail(
    picture: &Raster,
    engine: &str,
    version: &str,
    source: Option<Digest>,
) -> Result<Vec<u8>, ReleaseError> {
    let tool = format!("vidimus {}", env!("CARGO_PKG_VERSION"));
    let label = metadata::Label { source, ..metadata::Label::new(&tool, engine, version) };
    labelled(picture, Format::Jpeg, &label)
}

/// `picture`, smaller than the smallest that can bear a watermark.
pub fn reduced(picture: &Raster) -> Raster {
    let (width, height) = (picture.width(), picture.height());
    let short = width.min(height);
    if short < watermark::MIN_SIDE {
        return picture.clone();
    }
    let side = |n: u32| (u64::from(n) * u64::from(GLIMPSE) / u64::from(short)) as usize;
    let resized = |plane: &Plane| raster::resize(plane, side(width), side(height), Kernel::Area);
    Raster::from_planes(&picture.planes().iter().map(resized).collect::<Vec<_>>(), picture.depth())
}

fn labelled(picture: &Raster, format: Format, label: &metadata::Label) -> Result<Vec<u8>, ReleaseError> {
    let quality = if format.is_lossless() { 100 } else { 88 };
    Ok(metadata::write(&raster::encode(picture, format, quality)?, format, label)?)
}
