//! Inks: annotation is written in black, in white or in one of the six pure colours, and over a picture it shows as
//! what lies nearest to one of those.

use crate::raster::{Plane, Raster};

/// Channels of the pure colours: the corners of the RGB cube, black and white first.
const CORNERS: [[f32; 3]; 8] = [
    [0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0],
    [1.0, 1.0, 0.0],
    [1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 1.0, 1.0],
    [0.0, 0.0, 1.0],
    [1.0, 0.0, 1.0],
];
/// A pixel is of an ink from here on.
const INKED: f32 = 0.7;
/// Least and largest share of a picture that is of a colour that was used for annotation: more is what it shows.
const SHARE: [f32; 2] = [0.0002, 0.1];

/// For each ink, how near the pixels are to it: 1 is the ink itself, 0 as far as can be in one channel.
pub fn tones(reference: &Raster) -> Vec<Plane> {
    let planes = reference.planes();
    let near = |corner: &[f32; 3]| {
        let (width, height) = (planes[0].width(), planes[0].height());
        let data = (0..width * height).map(|i| {
            let far = planes.iter().zip(corner).map(|(plane, to)| (plane.data()[i] - to).abs());
            1.0 - far.fold(0.0f32, f32::max)
        });
        Plane::new(width, height, data.collect())
    };
    let (plain, coloured) = CORNERS.split_at(2);
    let coloured = coloured.iter().filter(|_| planes.len() == 3).map(near).filter(|tone| {
        let inked = tone.data().iter().filter(|v| **v >= INKED).count();
        (SHARE[0]..=SHARE[1]).contains(&(inked as f32 / tone.data().len() as f32))
    });
    plain.iter().map(near).chain(coloured).collect()
}
