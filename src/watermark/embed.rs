//! Puts a mark into a picture at a given PSNR.

use std::f64::consts::PI;

use super::frontend::{Front, HIGH_PASS_SIGMA, embed_scale};
use super::informed::{Host, Speech, coefficients};
use super::key::{Keyring, Line, Schedule, TILE};
use super::mask::{mask, rms};
use super::message::Message;
use super::sketch::Sketch;
use super::strength::{TOLERANCE, add};
use super::tag::Tag;
use super::tile::{Mark, Tile};
use crate::raster::{Plane, Raster};

/// Least width and height of a picture that can be marked.
pub const MIN_SIDE: u32 = 200;
/// PSNR that can be asked for, in dB.
const PSNR_RANGE: std::ops::RangeInclusive<f64> = 34.0..=50.0;

/// PSNR of an adaptive mark, in dB: at least and at most.
const ADAPTIVE: [f64; 2] = [42.0, 44.5];
/// Energy of the carriers from which nearly everything is survived: an adaptive mark asks for no more.
const AMPLE_ENERGY: f64 = 250.0;

/// How strong a mark is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quality {
    /// At this PSNR in dB, 34 to 50; 42 is usual.
    Fixed(f64),
    /// 42 dB, and up to 44.5 where the picture lets the mark be heard so well.
    Adaptive,
}

/// A marked picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    pub raster: Raster,
    /// Of the marked samples against the given ones, over all colour channels.
    pub psnr_db: f64,
    /// Predicted energy of the carriers at the detector, in units of the noise; above 250 nearly
    /// everything is survived, below 40 little.
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

/// `raster` with `message` marked into it, at the PSNR of `quality` ± 0.02 dB.
///
/// All colour channels of a pixel change by the same amount; alpha does not change. Sixteen-bit samples
/// change by the same part of the full scale as eight-bit ones.
pub fn embed(
    raster: &Raster,
    message: &Message,
    keys: Keyring<'_>,
    quality: Quality,
) -> Result<Embedded, EmbedError> {
    let (width, height) = (raster.width(), raster.height());
    if width.min(height) < MIN_SIDE {
        return Err(EmbedError::TooSmall { width, height, limit: MIN_SIDE });
    }
    let mut psnr_db = match quality {
        Quality::Fixed(psnr_db) => psnr_db,
        Quality::Adaptive => ADAPTIVE[0],
    };
    if !PSNR_RANGE.contains(&psnr_db) {
        return Err(EmbedError::Psnr { wanted: psnr_db });
    }
    let schedule = Schedule::new(keys.public);
    let tag = keys.owner.map(|owner| Tag::new(owner, message));
    let speech = Speech { key: keys.public, schedule: &schedule, message, tag: tag.as_ref() };
    let sketch = Sketch::of(raster);
    let mask = mask(&sketch.luma, sketch.scale);
    let mut host = listen(&sketch, &mask, &speech, psnr_db);
    drop(sketch);
    let mut spectrum = coefficients(&speech, &host);
    let spare_db = 10.0 * (spectrum.energy / AMPLE_ENERGY).log10();
    if quality == Quality::Adaptive && spare_db > 0.0 {
        let quieter_db = spare_db.min(ADAPTIVE[1] - ADAPTIVE[0]);
        psnr_db += quieter_db;
        host.quieten(quieter_db);
        spectrum = coefficients(&speech, &host);
    }
    let (across, down) = (width as usize, height as usize);
    let tile = Tile::new(&spectrum.points, across, down, embed_scale(across, down));
    let mark = Mark::new(tile, &mask, across, down);
    let (samples, reached) = add(raster.samples(), &mark, raster.channels().count(), psnr_db);
    if (reached - psnr_db).abs() > TOLERANCE {
        return Err(EmbedError::OffTarget { wanted: psnr_db, reached });
    }
    let raster = Raster::new(width, height, raster.channels(), samples, raster.alpha().cloned());
    Ok(Embedded { raster, psnr_db: reached, energy: spectrum.energy })
}

/// What the detector would see of the unmarked picture, and how much of a mark of unit variance.
fn listen(sketch: &Sketch, mask: &Plane, speech: &Speech<'_>, psnr_db: f64) -> Host {
    let front = Front::of(&sketch.luma, sketch.scale);
    let spectrum = sketch.spectrum(&front);
    let (seen, power) = front.response(mask);
    let gain = 255.0 / 10f64.powf(psnr_db / 20.0) * seen / rms(mask).max(f64::MIN_POSITIVE);

    // At a point in half lattice units.
    let at = |point: Line| {
        let frequency = point.radius() / (2.0 * TILE);
        let passed = 1.0 - (-2.0 * (PI * HIGH_PASS_SIGMA * frequency).powi(2)).exp();
        // What compression, noise and resampling are expected to add.
        let attack = 16.0 * (1.0 + (frequency / 0.06).powi(3)) * power;
        (spectrum.at(point.x, point.y), f64::from(spectrum.around(point)) + attack, gain * passed).into()
    };
    let whole = |line: &Line| at(Line { x: 2 * line.x, y: 2 * line.y });
    Host {
        pilots: speech.schedule.pilots.iter().map(whole).collect(),
        carriers: speech.schedule.carriers.iter().map(whole).collect(),
        tag: speech.tag.iter().flat_map(|tag| &tag.points).map(|point| at(*point)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Channels, Depth, Samples};
    use crate::watermark::sample::picture;
    use crate::watermark::{Key, Search, detect};

    const PUBLIC: Key = Key::new([7; 32]);
    const OWNER: Key = Key::new([8; 32]);

    fn keys() -> Keyring<'static> {
        Keyring { public: &PUBLIC, owner: Some(&OWNER) }
    }

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
                let marked = embed(&original, &Message::Long([0xC3; 10]), keys(), Quality::Fixed(wanted))
                    .expect("large enough");
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
            let marked = embed(&original, &Message::Long([1; 10]), keys(), Quality::Fixed(42.0))
                .expect("large enough");
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
        let marked = embed(&original, &Message::Long([1; 10]), keys(), Quality::Fixed(42.0))
            .expect("large enough")
            .raster;
        assert_eq!(marked.alpha(), Some(&alpha));
        assert!(marked.is_neutral(0.0));
        assert_ne!(marked.samples(), original.samples());
    }

    #[test]
    fn the_same_mark_is_the_same_bytes() {
        let original = picture(230, 200, 3, Depth::Eight);
        let mark = || embed(&original, &Message::Long([9; 10]), keys(), Quality::Fixed(42.0));
        assert_eq!(mark(), mark());
    }

    #[test]
    fn a_picture_whose_mark_was_fitted_to_a_sketch_of_it_is_read_back_on_target() {
        let (width, height) = (2500usize, 2300usize);
        let level = |i: usize| {
            let (x, y) = ((i / 3 % width) as f32, (i / 3 / width) as f32);
            let soft = 40.0 * ((x / 97.0).sin() + (y / 71.0).cos());
            (118.0 + soft) as u16 * 257 + (i * 40_503 % 2_311) as u16
        };
        let samples = Samples::Sixteen((0..3 * width * height).map(level).collect());
        let original = Raster::new(width as u32, height as u32, Channels::Rgb, samples, None);
        for original in [original.to_eight(), original] {
            let marked = embed(&original, &Message::Long([0x2D; 10]), keys(), Quality::Fixed(42.0))
                .expect("large enough");
            assert!((psnr(&original, &marked.raster) - 42.0).abs() <= TOLERANCE);
            let detection = detect(&marked.raster, keys(), Search::Fast).expect("not attacked");
            assert_eq!(detection.message, Message::Long([0x2D; 10]));
            assert!((detection.pose.scale - 2300.0 / 1024.0).abs() < 1e-9);
        }
    }

    #[test]
    fn what_cannot_be_marked_is_refused() {
        let small = picture(400, 199, 1, Depth::Eight);
        let refused =
            embed(&small, &Message::Long([0; 10]), keys(), Quality::Fixed(42.0)).expect_err("199 < 200");
        assert_eq!(refused, EmbedError::TooSmall { width: 400, height: 199, limit: 200 });
        assert!(refused.to_string().contains("at least 200"));
        let picture = picture(200, 200, 1, Depth::Eight);
        for wanted in [0.0, 33.9, 51.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                embed(&picture, &Message::Long([0; 10]), keys(), Quality::Fixed(wanted)),
                Err(EmbedError::Psnr { .. })
            ));
        }
    }
}
