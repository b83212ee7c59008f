//! Where the evidence lies: the picture with each of its parts tinted by how much of the mark it holds.

use super::cells::{Cells, Turns};
use super::decode::{Decoder, code, info_bits};
use super::detect::Sighting;
use super::key::{Key, TILE};
use super::search::Lock;
use crate::fourier::Complex32;
use crate::raster::filter::gaussian;
use crate::raster::{Depth, Plane, Raster, tinted};

/// Evidence of a part, in standard deviations of chance, that has the full tint.
const FULL: f32 = 5.0;
impl Sighting {
    /// `raster`, in which this was seen under the public key `key`, dimmed to grey, and tinted where its parts of
    /// half a tile agree with the mark: the more, the stronger the evidence. Where it was painted over or replaced,
    /// it stays grey.
    pub fn explain(&self, raster: &Raster, key: &Key) -> Raster {
        let evidence = self.evidence(raster, key);
        let luma = raster.luma();
        let none = || Plane::filled(luma.width(), luma.height(), 0.0);
        let share = evidence.map_or_else(none, |evidence| evidence.map(|z| (z / FULL).clamp(0.0, 1.0)));
        Raster::from_planes(&tinted(&luma, &share), Depth::Eight)
    }

    /// For each pixel the evidence about it, in standard deviations.
    fn evidence(&self, raster: &Raster, key: &Key) -> Option<Plane> {
        let decoder = Decoder::new(key);
        let view = self.scene.view(self.lock.level)?;
        let cells = Cells::new(view, &self.lock.geometry, &decoder)?;
        let scores = scores(&cells, &self.lock, key, &decoder);
        let map = gaussian(&Plane::new(cells.columns, cells.rows, scores), 0.7, 3.0);
        let (width, height) = (raster.width() as usize, raster.height() as usize);
        Some(Plane::from_fn(width, height, |x, y| {
            let seen = [(x, 0), (y, 1)].map(|(n, i)| (n as f64 + 0.5) * view.factor[i] - 0.5);
            let [u, v] = cells.cell_at(seen, &view.values);
            // A smoothed map of unit noise has less: back to units.
            2.0 * map.bilinear(u as f32, v as f32)
        }))
    }
}

/// For each cell how well its lines agree with those of the message, weighted by how well all agree.
fn scores(cells: &Cells, lock: &Lock, key: &Key, decoder: &Decoder<'_>) -> Vec<f32> {
    let word = code(lock.message.level()).encode(info_bits(&lock.message, key));
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
    let field = lock.field.clone().unwrap_or_else(|| vec![[0.0; 2]; cells.count()]);
    let whole = cells.observe(&field, decoder);
    let weights: Vec<f32> = expected
        .iter()
        .zip(whole.lines.iter().zip(whole.noise.iter().zip(&cells.heard)))
        .map(|(e, (x, (noise, heard)))| if *heard { (x * e).re.max(0.0) / noise } else { 0.0 })
        .collect();
    let variance: f32 = weights.iter().zip(&whole.noise).map(|(w, noise)| w * w * noise / 2.0).sum::<f32>()
        / cells.count() as f32;
    field
        .iter()
        .enumerate()
        .map(|(cell, d)| {
            let turns = Turns::new(*d);
            let lines = cells.of(cell).iter().zip(&cells.lines).zip(expected.iter().zip(&weights));
            let sum: f32 = lines.map(|((x, line), (e, w))| w * (x * turns.of(*line) * e).re).sum();
            sum / variance.max(1e-20).sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Samples;
    use crate::watermark::sample::picture;
    use crate::watermark::{Keyring, Message, Quality, Search, Stage, embed, locate};

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
        let found = locate(&half, keys, Search::Fast).expect("half of it is there");
        let shown = found.explain(&half, &key);
        let (left, right) = (tint(&shown, 40, 200), tint(&shown, 280, 440));
        assert!(left > 2.0 * right, "{left} {right}");
    }

    /// Mean of red less blue between two columns.
    fn tint(shown: &Raster, from: usize, to: usize) -> f32 {
        let planes = shown.planes();
        let (width, height) = (planes[0].width(), planes[0].height());
        let colour = |i: usize| planes[0].data()[i] - planes[2].data()[i];
        let inside = (0..width * height).filter(|i| (from..to).contains(&(i % width)));
        inside.map(colour).sum::<f32>() / (height * (to - from)) as f32
    }

    #[test]
    fn a_bent_picture_holds_as_much_evidence_as_a_straight_one() {
        let (key, message) = (Key::new([7; 32]), Message::Long([3; 10]));
        let keys = Keyring { public: &key, owner: None };
        let original = picture(512, 460, 1, Depth::Eight);
        let marked = embed(&original, &message, keys, Quality::Fixed(42.0)).expect("large enough").raster;
        let plane = &marked.planes()[0];
        let bent = Plane::from_fn(512, 460, |x, y| {
            let (x, y) = (x as f32, y as f32);
            plane.bilinear(x + 7.0 * (y / 80.0).sin(), y + 7.0 * (x / 80.0).sin())
        });
        let shown = |raster: &Raster| {
            let found = locate(raster, keys, Search::Full).expect("marked");
            (found.detection.stage, tint(&found.explain(raster, &key), 20, 492))
        };
        let (straight, bent) = (shown(&marked), shown(&Raster::from_planes(&[bent], Depth::Eight)));
        assert_eq!(bent.0, Stage::Bent);
        assert!(bent.1 > 0.6 * straight.1, "{} {}", bent.1, straight.1);
    }
}
