//! Perceptual hash of 256 bits for the catalog's search: the shape of PDQ (Facebook, "The TMK+PDQF
//! Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019), over a plain box reduction.

use super::working::luma_over_white;
use crate::raster::{Kernel, Plane, Raster, resize};

/// Side of the reduced picture.
const SIDE: usize = 64;
/// Frequencies 1..=BAND of the cosine transform are kept in each direction.
const BAND: usize = 16;

/// Which low frequencies stand above their median. Bit 16 v + u (the lowest bit of byte 0 first) is
/// horizontal frequency u + 1, vertical frequency v + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub bits: [u8; 32],
    /// 0..=100: how much structure the hash rests on; below about 20 it says little.
    pub quality: u8,
}

/// The hash of `raster` as it stands.
pub fn fingerprint(raster: &Raster) -> Fingerprint {
    let small = reduced(raster);
    Fingerprint { bits: above_median(&transform(&small)), quality: quality(&small) }
}

/// The exact hashes of the eight symmetric pictures, then of their inversions; the picture itself first.
/// A search compares all of them, by `hamming`, with the one hash stored for each picture.
pub fn variants(raster: &Raster) -> [Fingerprint; 16] {
    let small = reduced(raster);
    let coefficients = transform(&small);
    let quality = quality(&small);
    std::array::from_fn(|i| {
        let values = std::array::from_fn(|at| {
            let (from, negative) = source(i, at % BAND, at / BAND);
            if negative { -coefficients[from] } else { coefficients[from] }
        });
        Fingerprint { bits: above_median(&values), quality }
    })
}

impl Fingerprint {
    /// Differing bits, 0..=256; about 128 for unrelated pictures.
    pub fn hamming(&self, other: &Fingerprint) -> u32 {
        self.bits.iter().zip(&other.bits).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Least number of differing bits over the eight symmetries and inversion of `other`. Bits near the
    /// median may be wrong by a handful here; where that matters, search with [`variants`].
    pub fn distance(&self, other: &Fingerprint) -> u32 {
        (0..16)
            .map(|i| {
                (0..BAND * BAND)
                    .filter(|at| {
                        let (from, negative) = source(i, at % BAND, at / BAND);
                        (other.bit(from) != negative) != self.bit(*at)
                    })
                    .count() as u32
            })
            .min()
            .unwrap_or(256)
    }

    fn bit(&self, at: usize) -> bool {
        self.bits[at / 8] >> (at % 8) & 1 == 1
    }
}

/// Under variant `i` of a picture (bit 0 mirrored, bit 1 upside down, bit 2 transposed, bit 3 inverted):
/// which coefficient comes to (u, v), and whether with its sign changed.
fn source(i: usize, u: usize, v: usize) -> (usize, bool) {
    // Index 0 is frequency 1: cosines of odd frequency change sign under mirroring.
    let flipped = (i & 1 != 0 && u.is_multiple_of(2)) != (i & 2 != 0 && v.is_multiple_of(2));
    let from = if i & 4 != 0 { u * BAND + v } else { v * BAND + u };
    (from, flipped != (i & 8 != 0))
}

fn reduced(raster: &Raster) -> Plane {
    resize(&luma_over_white(raster), SIDE, SIDE, Kernel::Area)
}

/// Coefficients of the two-dimensional DCT-II, row by row.
fn transform(small: &Plane) -> [f64; BAND * BAND] {
    let cosines: Vec<[f64; SIDE]> = (1..=BAND)
        .map(|k| {
            std::array::from_fn(|x| {
                (std::f64::consts::PI / (2 * SIDE) as f64 * (k * (2 * x + 1)) as f64).cos()
            })
        })
        .collect();
    let rows: Vec<[f64; BAND]> = (0..SIDE)
        .map(|y| {
            std::array::from_fn(|u| {
                small.row(y).iter().zip(&cosines[u]).map(|(p, c)| f64::from(*p) * c).sum()
            })
        })
        .collect();
    std::array::from_fn(|at| rows.iter().zip(&cosines[at / BAND]).map(|(r, c)| r[at % BAND] * c).sum())
}

fn above_median(values: &[f64; BAND * BAND]) -> [u8; 32] {
    let mut sorted = *values;
    sorted.sort_by(f64::total_cmp);
    let median = sorted[BAND * BAND / 2 - 1];
    let mut bits = [0; 32];
    for (at, value) in values.iter().enumerate() {
        bits[at / 8] |= u8::from(*value > median) << (at % 8);
    }
    bits
}

/// PDQ's figure: the sum of quantised steps between neighbours.
fn quality(small: &Plane) -> u8 {
    let step = |a: f32, b: f32| ((a - b) * 100.0).abs() as u32;
    let sum: u32 = (0..SIDE)
        .flat_map(|y| (0..SIDE).map(move |x| (x, y)))
        .map(|(x, y)| {
            let here = small.at(x, y);
            let right = if x + 1 < SIDE { step(here, small.at(x + 1, y)) } else { 0 };
            let down = if y + 1 < SIDE { step(here, small.at(x, y + 1)) } else { 0 };
            right + down
        })
        .sum();
    (sum / 90).min(100) as u8
}
