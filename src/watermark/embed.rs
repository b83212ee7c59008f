//! Puts a mark into a picture at a given PSNR.

use std::f64::consts::{PI, TAU};

use rayon::prelude::*;

use super::frontend::{Front, HIGH_PASS_SIGMA, embed_scale, windowed};
use super::informed::{Host, coefficients};
use super::key::{Key, Line, REACH, Schedule, TILE};
use super::mask::{mask, rms};
use super::spectrum::{HalfLattice, Phasors};
use crate::fourier::Complex32;
use crate::raster::{Plane, Raster, Samples};

/// Least width and height of a picture that can be marked.
pub const MIN_SIDE: u32 = 200;
/// PSNR that can be asked for, in dB.
const PSNR_RANGE: std::ops::RangeInclusive<f64> = 34.0..=50.0;
/// Largest distance from the PSNR asked for, in dB.
const TOLERANCE: f64 = 0.02;

/// A marked picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    pub raster: Raster,
    /// Of the marked samples against the given ones, over all colour channels.
    pub psnr_db: f64,
    /// Predicted energy of the carriers at the detector, in units of the noise; above 1800 nearly
    /// everything is survived, below 300 little.
    pub energy: f64,
}

/// Why a picture was not marked.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum EmbedError {
    #[error("{width}×{height} pixels are too small for a watermark: at least {limit} on the short side")]
    TooSmall { width: u32, height: u32, limit: u32 },
    #[error("a watermark at {wanted} dB cannot be made: expected a PSNR of 34 to 50 dB")]
    Psnr { wanted: f64 },
    #[error("the watermark came out at {reached:.2} dB instead of {wanted:.2} dB")]
    OffTarget { wanted: f64, reached: f64 },
}

/// `raster` with `message` marked into it under `key`, at `psnr_db` ± 0.02 dB (42 is usual).
///
/// All colour channels of a pixel change by the same amount; alpha does not change. Sixteen-bit samples
/// change by the same part of the full scale as eight-bit ones.
pub fn embed(raster: &Raster, message: [u8; 10], key: &Key, psnr_db: f64) -> Result<Embedded, EmbedError> {
    let (width, height) = (raster.width(), raster.height());
    if width.min(height) < MIN_SIDE {
        return Err(EmbedError::TooSmall { width, height, limit: MIN_SIDE });
    }
    if !PSNR_RANGE.contains(&psnr_db) {
        return Err(EmbedError::Psnr { wanted: psnr_db });
    }
    let luma = raster.luma().map(|v| v * 255.0);
    let scale = embed_scale(luma.width(), luma.height());
    let schedule = Schedule::new(key);
    let mask = mask(&luma, scale);
    let host = listen(&Front::of(&luma, scale), &mask, &schedule, scale, psnr_db);
    drop(luma);
    let (lines, energy) = coefficients(&schedule, &host, message, key);
    let mut mark = synthesise(&lines, mask.width(), mask.height(), scale);
    for (t, m) in mark.data_mut().iter_mut().zip(mask.data()) {
        *t *= m;
    }
    let (samples, reached) = add(raster.samples(), &mark, raster.channels().count(), psnr_db);
    if (reached - psnr_db).abs() > TOLERANCE {
        return Err(EmbedError::OffTarget { wanted: psnr_db, reached });
    }
    let raster = Raster::new(width, height, raster.channels(), samples, raster.alpha().cloned());
    Ok(Embedded { raster, psnr_db: reached, energy })
}

/// What the detector would see of the unmarked picture, and how much of a mark of unit variance.
fn listen(front: &Front, mask: &Plane, schedule: &Schedule, scale: f64, psnr_db: f64) -> Host {
    let spectrum = HalfLattice::of_picture(&front.windowed(), scale);
    // A change of one grey level arrives weighted twice: divided by the deviation, then weighted by it.
    let weight = front.weight.map(|w| w * w);
    let seen: f64 = windowed(&mask.zip(&weight, |m, w| m * w)).data().iter().map(|v| f64::from(*v)).sum();
    let gain = 255.0 / 10f64.powf(psnr_db / 20.0) * seen / rms(mask).max(f64::MIN_POSITIVE);
    let power: f64 = weight.data().iter().map(|w| f64::from(*w).powi(2)).sum();

    let at = |line: Line| {
        let frequency = line.radius() / TILE;
        let passed = 1.0 - (-2.0 * (PI * HIGH_PASS_SIGMA * frequency).powi(2)).exp();
        // What compression and noise are expected to add.
        let attack = 8.0 * (1.0 + (frequency / 0.11).powi(3)) * power;
        (spectrum.line(line), f64::from(spectrum.around(line)) + attack, gain * passed)
    };
    Host {
        pilots: schedule.pilots.iter().map(|p| at(p.line).into()).collect(),
        carriers: schedule.carriers.iter().map(|c| at(c.line).into()).collect(),
    }
}

/// t(x) = 2 Re Σ c exp(2πi k·x / (61 · scale)), origin at the pixel (width / 2, height / 2).
fn synthesise(lines: &[(Line, Complex32)], width: usize, height: usize, scale: f64) -> Plane {
    let step = 1.0 / (TILE * scale);
    let count = REACH as usize + 1;
    // Along x first: for each vertical frequency the sum over the horizontal ones.
    let mut waves = vec![Complex32::default(); count * width];
    waves.par_chunks_mut(width).enumerate().for_each(|(ky, wave)| {
        let inside: Vec<&(Line, Complex32)> = lines.iter().filter(|(k, _)| k.y as usize == ky).collect();
        for (x, o) in wave.iter_mut().enumerate() {
            let turns = step * (x as f64 - (width / 2) as f64);
            for (k, c) in &inside {
                let (s, cos) = (TAU * turns * f64::from(k.x)).sin_cos();
                *o += c * Complex32::new(cos as f32, s as f32);
            }
        }
    });
    let (re, im): (Vec<f32>, Vec<f32>) = waves.iter().map(|w| (2.0 * w.re, 2.0 * w.im)).unzip();
    let down = Phasors::new(height, height / 2, count, step);
    let phasors: Vec<(&[f32], &[f32])> = down.iter().collect();
    let mut tile = vec![0.0f32; width * height];
    tile.par_chunks_mut(width).zip(phasors).for_each(|(out, (cos, sin))| {
        for ky in 0..count {
            let (c, s) = (cos[ky], sin[ky]);
            let (re, im) = (&re[ky * width..][..width], &im[ky * width..][..width]);
            for ((o, r), i) in out.iter_mut().zip(re).zip(im) {
                *o += r * c - i * s;
            }
        }
    });
    Plane::new(width, height, tile)
}

/// Samples with the mark at the strength that gives `psnr_db` after rounding and clipping, and the PSNR reached.
fn add(samples: &Samples, mark: &Plane, channels: usize, psnr_db: f64) -> (Samples, f64) {
    let peak = samples.depth().max();
    let error = 10f64.powf(-psnr_db / 20.0);
    let mut strength = error / rms(mark).max(f64::MIN_POSITIVE);
    let mut reached = f64::INFINITY;
    // Clipping and rounding bend the straight line a little: a few corrections suffice.
    for _ in 0..24 {
        let factor = strength as f32 * peak;
        let squares: f64 = match samples {
            Samples::Eight(v) => squares(v, mark, channels, factor, peak),
            Samples::Sixteen(v) => squares(v, mark, channels, factor, peak),
        };
        let mean = squares / samples.len() as f64;
        reached = -10.0 * (mean / f64::from(peak).powi(2)).log10();
        if (reached - psnr_db).abs() < TOLERANCE / 4.0 {
            break;
        }
        // Nothing at all survived rounding: double; else follow the difference.
        strength *= if mean == 0.0 { 2.0 } else { 10f64.powf((reached - psnr_db) / 20.0) };
    }
    let factor = strength as f32 * peak;
    let marked = match samples {
        Samples::Eight(v) => {
            Samples::Eight(marked(v, mark, channels, factor, peak).map(|value| value as u8).collect())
        }
        Samples::Sixteen(v) => {
            Samples::Sixteen(marked(v, mark, channels, factor, peak).map(|value| value as u16).collect())
        }
    };
    (marked, reached)
}

/// Marked samples as whole numbers.
fn marked<'a, T: Copy + Into<f32>>(
    samples: &'a [T],
    mark: &'a Plane,
    channels: usize,
    factor: f32,
    peak: f32,
) -> impl Iterator<Item = f32> + 'a {
    samples
        .chunks_exact(channels)
        .zip(mark.data())
        .flat_map(move |(pixel, w)| pixel.iter().map(move |v| quantise((*v).into() + factor * w, peak)))
}

/// Sum of the squared changes, row by row of samples, in order.
fn squares<T: Copy + Into<f32> + Sync>(
    samples: &[T],
    mark: &Plane,
    channels: usize,
    factor: f32,
    peak: f32,
) -> f64 {
    let width = mark.width();
    let rows: Vec<f64> = samples
        .par_chunks(width * channels)
        .zip(mark.data().par_chunks(width))
        .map(|(row, mark)| {
            let mut sum = 0.0;
            for (pixel, w) in row.chunks_exact(channels).zip(mark) {
                for v in pixel {
                    let v: f32 = (*v).into();
                    sum += f64::from(quantise(v + factor * w, peak) - v).powi(2);
                }
            }
            sum
        })
        .collect();
    rows.iter().sum()
}

/// The nearest whole number in 0..=peak.
#[inline]
fn quantise(value: f32, peak: f32) -> f32 {
    (value + 0.5).clamp(0.0, peak) as u16 as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Channels, Depth};
    use crate::watermark::sample::picture;

    fn psnr(a: &Raster, b: &Raster) -> f64 {
        let n = a.samples().len();
        let squares = (0..n).map(|i| f64::from(a.samples().unit(i) - b.samples().unit(i)).powi(2));
        -10.0 * (squares.sum::<f64>() / n as f64).log10()
    }

    #[test]
    fn the_psnr_of_the_final_samples_is_the_one_asked_for() {
        for (channels, depth) in [(1, Depth::Eight), (3, Depth::Eight), (3, Depth::Sixteen)] {
            for wanted in [40.0, 42.0, 46.5] {
                let original = picture(240, 210, channels, depth);
                let marked = embed(&original, [0xC3; 10], &Key::public(), wanted).expect("large enough");
                let reached = psnr(&original, &marked.raster);
                assert!((reached - wanted).abs() <= TOLERANCE, "{channels} {depth:?}: {reached}");
                assert!((reached - marked.psnr_db).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn a_picture_of_one_colour_is_marked_on_target_even_in_black_and_white() {
        for level in [0u8, 1, 128, 255] {
            let samples = Samples::Eight(vec![level; 200 * 200]);
            let original = Raster::new(200, 200, Channels::Grey, samples, None);
            let marked = embed(&original, [1; 10], &Key::public(), 42.0).expect("large enough");
            assert!((psnr(&original, &marked.raster) - 42.0).abs() <= TOLERANCE, "{level}");
        }
    }

    #[test]
    fn alpha_and_neutral_colours_stay() {
        let grey = picture(220, 200, 1, Depth::Eight);
        let Samples::Eight(v) = grey.samples() else { panic!("eight bits were asked for") };
        let rgb = Samples::Eight(v.iter().flat_map(|s| [*s; 3]).collect());
        let alpha = Samples::Eight((0..220 * 200).map(|i| (i % 251) as u8).collect());
        let original = Raster::new(220, 200, Channels::Rgb, rgb, Some(alpha.clone()));
        let marked = embed(&original, [1; 10], &Key::public(), 42.0).expect("large enough").raster;
        assert_eq!(marked.alpha(), Some(&alpha));
        assert!(marked.is_neutral(0.0));
        assert_ne!(marked.samples(), original.samples());
    }

    #[test]
    fn the_same_mark_is_the_same_bytes() {
        let original = picture(230, 200, 3, Depth::Eight);
        let mark = || embed(&original, [9; 10], &Key::public(), 42.0);
        assert_eq!(mark(), mark());
    }

    #[test]
    fn what_cannot_be_marked_is_refused() {
        let small = picture(400, 199, 1, Depth::Eight);
        let refused = embed(&small, [0; 10], &Key::public(), 42.0).expect_err("199 < 200");
        assert_eq!(refused, EmbedError::TooSmall { width: 400, height: 199, limit: 200 });
        assert!(refused.to_string().contains("at least 200"));
        let picture = picture(200, 200, 1, Depth::Eight);
        for wanted in [0.0, 33.9, 51.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(embed(&picture, [0; 10], &Key::public(), wanted), Err(EmbedError::Psnr { .. })));
        }
    }
}
