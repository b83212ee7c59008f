//! Where the evidence lies: the picture with each of its parts tinted by how much of the mark it holds.

use super::cells::{Cells, Turns};
use super::decode::{Decoder, code, info_bits};
use super::detect::{Detection, Search};
use super::key::{Keyring, TILE};
use super::scene::Scene;
use super::search::{Lock, find};
use crate::fourier::Complex32;
use crate::raster::{Depth, Plane, Raster};

/// Evidence of a part, in standard deviations of chance, that has the full tint.
const FULL: f32 = 5.0;
/// The tint, as R, G, B: amber, which no micrograph's grey hides and which the colour-blind can see.
const TINT: [f32; 3] = [1.0, 0.72, 0.0];
/// How much of the picture is left under the full tint, and how bright it is where nothing was found.
const UNDER: f32 = 0.35;
const DIM: f32 = 0.6;

/// `raster` dimmed to grey, and tinted where its parts of half a tile agree with the mark that `detection` found:
/// the more, the stronger the evidence. Where it was painted over or replaced, it stays grey.
pub fn explain(raster: &Raster, keys: Keyring<'_>, detection: &Detection) -> Raster {
    let evidence = evidence(raster, keys, detection);
    let luma = raster.luma();
    let planes: Vec<Plane> = TINT
        .iter()
        .map(|tint| {
            let Some(evidence) = &evidence else { return luma.map(|v| DIM * v) };
            luma.zip(evidence, |v, z| {
                let part = (z / FULL).clamp(0.0, 1.0);
                let under =
                    DIM * v * (1.0 - part) + (UNDER * v + (1.0 - UNDER) * tint * (0.35 + 0.65 * v)) * part;
                under.clamp(0.0, 1.0)
            })
        })
        .collect();
    Raster::from_planes(&planes, Depth::Eight)
}

/// For each pixel the evidence about it, in standard deviations.
fn evidence(raster: &Raster, keys: Keyring<'_>, detection: &Detection) -> Option<Plane> {
    let scene = Scene::new(raster);
    let mut decoder = Decoder::new(keys.public);
    let lock = find(&scene, &mut decoder, Search::Full).filter(|lock| lock.message == detection.message)?;
    let view = scene.view(lock.level)?;
    let cells = Cells::new(view, &lock.geometry, &decoder)?;
    let scores = scores(&cells, &lock, keys, &decoder);
    let map = Plane::new(cells.columns, cells.rows, scores);
    let map = crate::raster::filter::gaussian(&map, 0.7, 3.0);
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    Some(Plane::from_fn(width, height, |x, y| {
        let seen = [(x, 0), (y, 1)].map(|(n, i)| (n as f64 + 0.5) * view.factor[i] - 0.5);
        let [u, v] = cells.cell_at(seen, &view.values);
        // A smoothed map of unit noise has less: back to units.
        2.0 * map.bilinear(u as f32, v as f32)
    }))
}

/// For each cell how well its lines agree with those of the message, weighted by how well all agree.
fn scores(cells: &Cells, lock: &Lock, keys: Keyring<'_>, decoder: &Decoder<'_>) -> Vec<f32> {
    let word = code(lock.message.level()).encode(info_bits(&lock.message, keys.public));
    let variant = &decoder.schedule.variants[lock.translation.variant];
    let sign = |bit: usize| 1.0 - 2.0 * f32::from(word[bit]);
    let carriers = variant.phases.iter().zip(&variant.bits);
    let symbols = carriers.map(|(phase, [i, q])| phase * Complex32::new(sign(*i), sign(*q)) / 2f32.sqrt());
    let ramp = Turns::new(lock.translation.shift.map(|d| d / TILE));
    let expected: Vec<Complex32> = variant
        .pilot_phases
        .iter()
        .copied()
        .chain(symbols)
        .zip(&cells.lines)
        .map(|(symbol, line)| (symbol * ramp.of(*line)).conj())
        .collect();
    let still = vec![[0.0; 2]; cells.count()];
    let whole = cells.observe(&still, decoder);
    let weights: Vec<f32> = expected
        .iter()
        .zip(whole.lines.iter().zip(whole.noise.iter().zip(&cells.heard)))
        .map(|(e, (x, (noise, heard)))| if *heard { (x * e).re.max(0.0) / noise } else { 0.0 })
        .collect();
    let variance: f32 = weights.iter().zip(&whole.noise).map(|(w, noise)| w * w * noise / 2.0).sum::<f32>()
        / cells.count() as f32;
    (0..cells.count())
        .map(|cell| {
            let lines = cells.of(cell).iter().zip(&expected).zip(&weights);
            lines.map(|((x, e), w)| w * (x * e).re).sum::<f32>() / variance.max(1e-20).sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Samples;
    use crate::watermark::sample::picture;
    use crate::watermark::{Key, Message, Quality, detect, embed};

    #[test]
    fn what_was_painted_over_stays_grey() {
        let (key, message) = (Key::new([7; 32]), Message::Long([3; 10]));
        let keys = Keyring { public: &key, owner: None };
        let original = picture(480, 400, 1, Depth::Eight);
        let marked = embed(&original, &message, keys, Quality::Fixed(42.0)).expect("large enough").raster;
        // The right half is the unmarked picture again.
        let values =
            (0..480 * 400).map(|i| if i % 480 < 240 { marked.samples() } else { original.samples() }.unit(i));
        let half = Raster::new(480, 400, marked.channels(), Samples::from_unit(values, Depth::Eight), None);
        let found = detect(&half, keys, Search::Fast).expect("half of it is there");
        let shown = explain(&half, keys, &found);
        let tint = |from: u32, to: u32| {
            let planes = shown.planes();
            let colour = |i: usize| planes[0].data()[i] - planes[2].data()[i];
            let inside = (0..480 * 400).filter(|i| (from..to).contains(&(*i as u32 % 480)));
            inside.map(colour).sum::<f32>() / (400.0 * (to - from) as f32)
        };
        let (left, right) = (tint(40, 200), tint(280, 440));
        assert!(left > 2.0 * right, "{left} {right}");
    }
}
