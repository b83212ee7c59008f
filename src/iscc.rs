//! Image-Code of the International Standard Content Code (ISO 24138:2024): 256 bits that a copy keeps, nearly all,
//! when it is resized or encoded again. Its first 64 bits are the shorter code of the standard.

use serde::{Deserialize, Serialize};

use crate::raster::{Channels, Raster, Samples};

/// Name in the C2PA list of soft binding algorithms.
pub const ALGORITHM: &str = "io.iscc.v0";

/// Most differing bits of two pictures that count as the same one. Unrelated pictures differ in about 128; what a
/// crop of 5 % on each side leaves differs in about 50.
pub const NEAR: u32 = 51;

/// Main type content, sub type image, version 0, length 256 bits (ISO 24138, 5.2).
const HEADER: [u8; 2] = [0x21, 0x07];

/// Side of the normalised picture.
const SIDE: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCode([u8; 32]);

impl ImageCode {
    /// The code of `raster`, normalised as the reference software does it: over white, plain border cut off, grey,
    /// 32 × 32 pixels.
    pub fn of(raster: &Raster) -> Self {
        ImageCode::of_pixels(&normalise(raster))
    }

    /// The code of 32 × 32 grey pixels, row by row.
    pub fn of_pixels(pixels: &[u8; SIDE * SIDE]) -> Self {
        let mut matrix = [[0.0; SIDE]; SIDE];
        for (row, pixels) in matrix.iter_mut().zip(pixels.chunks_exact(SIDE)) {
            for (value, pixel) in row.iter_mut().zip(pixels) {
                *value = f64::from(*pixel);
            }
            cosine(row);
        }
        for x in 0..SIDE {
            let mut column = matrix.map(|row| row[x]);
            cosine(&mut column);
            for (row, value) in matrix.iter_mut().zip(column) {
                row[x] = value;
            }
        }
        let mut code = [0; 32];
        // The four quarters of the low frequencies, each against its own median.
        for (quarter, (left, top)) in [(0, 0), (8, 0), (0, 8), (8, 8)].into_iter().enumerate() {
            let values: [f64; 64] = std::array::from_fn(|i| matrix[top + i / 8][left + i % 8]);
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let median = (sorted[31] + sorted[32]) / 2.0;
            for (i, value) in values.iter().enumerate() {
                code[quarter * 8 + i / 8] |= u8::from(*value > median) << (7 - i % 8);
            }
        }
        ImageCode(code)
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        ImageCode(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Header and body, as a C2PA soft binding holds it (IEP-0020: a sequence of ISCC units of 256 bits).
    pub fn unit(&self) -> Vec<u8> {
        [&HEADER[..], &self.0].concat()
    }

    /// The code in the value of a soft binding, if its only unit is a code of this kind.
    pub fn from_unit(unit: &[u8]) -> Option<Self> {
        unit.strip_prefix(&HEADER).and_then(|body| body.try_into().ok()).map(ImageCode)
    }

    /// Differing bits, 0..=256.
    pub fn hamming(&self, other: &ImageCode) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }
}

/// As 64 hexadecimal digits.
impl Serialize for ImageCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ImageCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut code = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut code)
            .map_err(serde::de::Error::custom)?;
        Ok(ImageCode(code))
    }
}

/// The DCT-II of a power of two of values, without scale (B. G. Lee, "A New Algorithm to Compute the Discrete Cosine
/// Transform", 1984): its order of sums decides what a plain picture's rounding leaves.
fn cosine(values: &mut [f64]) {
    let n = values.len();
    if n < 2 {
        return;
    }
    let half = n / 2;
    let mut even: Vec<f64> = (0..half).map(|i| values[i] + values[n - 1 - i]).collect();
    let mut odd: Vec<f64> = (0..half)
        .map(|i| {
            let angle = (i as f64 + 0.5) * std::f64::consts::PI / n as f64;
            (values[i] - values[n - 1 - i]) / (angle.cos() * 2.0)
        })
        .collect();
    cosine(&mut even);
    cosine(&mut odd);
    for i in 0..half {
        values[2 * i] = even[i];
        values[2 * i + 1] = if i + 1 < half { odd[i] + odd[i + 1] } else { odd[i] };
    }
}

fn normalise(raster: &Raster) -> [u8; SIDE * SIDE] {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let (count, samples) = over_white(raster);
    let [left, top, right, bottom] = content(&samples, width, height, count);
    let grey: Vec<u8> = (top..bottom)
        .flat_map(|y| samples[(y * width + left) * count..(y * width + right) * count].chunks_exact(count))
        .map(|pixel| match pixel {
            // ITU-R BT.601 in 16 bits.
            [r, g, b] => {
                ((19595 * u32::from(*r) + 38470 * u32::from(*g) + 7471 * u32::from(*b) + 0x8000) >> 16) as u8
            }
            [grey, ..] => *grey,
            [] => 0,
        })
        .collect();
    let narrow = reduce_rows(&grey, right - left);
    let turned = transpose(&narrow, SIDE);
    let small = transpose(&reduce_rows(&turned, bottom - top), SIDE);
    std::array::from_fn(|i| small[i])
}

/// Channels, and samples of 8 bits.
fn over_white(raster: &Raster) -> (usize, Vec<u8>) {
    let byte = |samples: &Samples, i: usize| match samples {
        Samples::Eight(v) => v[i],
        Samples::Sixteen(v) => (v[i] >> 8) as u8,
    };
    let count = match raster.channels() {
        Channels::Grey => 1,
        Channels::Rgb => 3,
    };
    let samples = raster.samples();
    let over = |i: usize| {
        let value = u32::from(byte(samples, i));
        let Some(alpha) = raster.alpha() else { return value as u8 };
        let alpha = u32::from(byte(alpha, i / count));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    (count, (0..samples.len()).map(over).collect())
}

/// Left, top, right and bottom of what differs from the first pixel; all of a picture that is plain.
fn content(samples: &[u8], width: usize, height: usize, count: usize) -> [usize; 4] {
    let plain = &samples[..count];
    let mut found = [width, height, 0, 0];
    for (i, pixel) in samples.chunks_exact(count).enumerate() {
        if pixel != plain {
            let (x, y) = (i % width, i / width);
            found = [found[0].min(x), found[1].min(y), found[2].max(x + 1), found[3].max(y + 1)];
        }
    }
    if found[2] == 0 { [0, 0, width, height] } else { found }
}

fn transpose(samples: &[u8], width: usize) -> Vec<u8> {
    let height = samples.len() / width;
    (0..samples.len()).map(|i| samples[(i % height) * width + i / height]).collect()
}

/// Every row of `width` pixels in 32 pixels: cubic convolution (a = −0.5) over the area of each, weights of 22 bits,
/// result of 8.
fn reduce_rows(samples: &[u8], width: usize) -> Vec<u8> {
    const BITS: u32 = 22;
    if width == SIDE {
        return samples.to_vec();
    }
    let scale = width as f64 / SIDE as f64;
    let stretch = scale.max(1.0);
    let taps: Vec<(usize, Vec<i64>)> = (0..SIDE)
        .map(|to| {
            let centre = (to as f64 + 0.5) * scale;
            let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
            let end = ((centre + 2.0 * stretch + 0.5) as usize).min(width);
            let weights: Vec<f64> =
                (first..end).map(|from| cubic((from as f64 - centre + 0.5) / stretch)).collect();
            let sum: f64 = weights.iter().sum();
            let whole = |w: &f64| (w / sum * f64::from(1 << BITS)).round() as i64;
            (first, weights.iter().map(whole).collect())
        })
        .collect();
    samples
        .chunks_exact(width)
        .flat_map(|row| {
            taps.iter().map(|(first, weights)| {
                let sum: i64 =
                    row[*first..].iter().zip(weights).map(|(value, weight)| i64::from(*value) * weight).sum();
                ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
            })
        })
        .collect()
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_plain_pixels_is_that_of_the_reference_software() {
        // Of iscc-core 1.5.0: gen_image_code_v0([0] * 1024) and ([255] * 1024), 256 bits.
        assert_eq!(ImageCode::of_pixels(&[0; 1024]), ImageCode([0; 32]));
        let mut white = [0; 32];
        white[0] = 0x80;
        assert_eq!(ImageCode::of_pixels(&[255; 1024]), ImageCode(white));
    }

    #[test]
    fn a_unit_comes_back_and_another_kind_does_not() {
        let code = ImageCode::of_pixels(&std::array::from_fn(|i| (i * 7 % 251) as u8));
        assert_eq!(ImageCode::from_unit(&code.unit()), Some(code));
        let mut audio = code.unit();
        audio[0] = 0x22;
        assert_eq!(ImageCode::from_unit(&audio), None);
        assert_eq!(ImageCode::from_unit(&code.unit()[..33]), None);
        let text = serde_json::to_string(&code).expect("a text");
        assert_eq!(serde_json::from_str::<ImageCode>(&text).expect("it reads"), code);
    }

    #[test]
    fn a_plain_border_is_no_part_of_the_picture() {
        let picture = |x: usize, y: usize| ((x * x + 3 * y * y) % 239) as u8 + 1;
        let bare: Vec<u8> = (0..60 * 40).map(|i| picture(i % 60, i / 60)).collect();
        let framed: Vec<u8> = (0..80 * 70)
            .map(|i| {
                let (x, y) = (i % 80, i / 80);
                if (10..70).contains(&x) && (5..45).contains(&y) { picture(x - 10, y - 5) } else { 0 }
            })
            .collect();
        let raster = |w, h, v| Raster::new(w, h, Channels::Grey, Samples::Eight(v), None);
        assert_eq!(ImageCode::of(&raster(60, 40, bare)), ImageCode::of(&raster(80, 70, framed)));
    }
}
