//! Contact sheets: the reference, then strengths across and seeds down.

use std::error::Error;
use std::path::Path;

use vidimus::digest::Digest;
use vidimus::generate::Engine;
use vidimus::generate::patch::PatchEngine;
use vidimus::metadata::{self, Label};
use vidimus::raster::{self, Depth, Format, Plane, Raster};

const GAP: usize = 4;

/// Rows of pictures of one size.
pub fn write(path: &Path, reference: &Raster, rows: &[Vec<Raster>]) -> Result<(), Box<dyn Error>> {
    let (width, height) = (reference.width() as usize + GAP, reference.height() as usize + GAP);
    let columns = rows.first().map_or(0, Vec::len) + 1;
    let planes: Vec<Vec<Vec<Plane>>> =
        rows.iter().map(|row| std::iter::once(reference).chain(row).map(rgb).collect()).collect();
    let sheet: Vec<Plane> = (0..3)
        .map(|c| {
            Plane::from_fn(columns * width, rows.len() * height, |x, y| {
                let plane = &planes[y / height][x / width][c];
                let (x, y) = (x % width, y % height);
                if x < plane.width() && y < plane.height() { plane.at(x, y) } else { 1.0 }
            })
        })
        .collect();
    let sheet = raster::encode(&Raster::from_planes(&sheet, Depth::Eight), Format::Jpeg, 85)?;
    // It says of itself that it is generated, in part: the first column is the reference.
    let engine = PatchEngine.describe();
    let label = Label {
        source: Some(Digest::of(&raster::encode(reference, Format::Png, 100)?)),
        in_part: true,
        ..Label::new("vidimus, benches/generation", engine.name, engine.version)
    };
    std::fs::write(path, metadata::write(&sheet, Format::Jpeg, &label)?)?;
    Ok(())
}

fn rgb(raster: &Raster) -> Vec<Plane> {
    let planes = raster.planes();
    (0..3).map(|c| planes[c.min(planes.len() - 1)].clone()).collect()
}
