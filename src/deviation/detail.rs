//! Agreement of an aligned pair, octave by octave.

use super::cells::Cells;
use super::flow::Aligned;
use crate::raster::filter::gaussian;
use crate::raster::{Kernel, Plane, resize};

/// Side of a cell, in pixels of its octave.
pub const CELL: usize = 4;
/// Gaussian window of the local statistics, in pixels of the octave: some thirty independent samples.
const WINDOW: f32 = 5.0;
/// Octaves that are looked at, from the finest.
const OCTAVES: usize = 5;

/// One octave of an aligned pair on a grid of cells.
pub struct Octave {
    pub columns: usize,
    pub rows: usize,
    /// Squared local correlation.
    pub agreement: Vec<f32>,
    /// Share of local variance above noise, of output and reference.
    pub held: Vec<[f32; 2]>,
    /// Mean band energy over the overlap, of output and reference.
    pub energy: [f64; 2],
    /// Share of the window that both pictures cover.
    pub cover: Vec<f32>,
}

/// Agreement at the boundary between near-copies and new pictures, and by chance (the placement is the
/// best of many), for the octaves that decide, finest first. Coarser octaves hold the arrangement.
const SCALE: [(f64, f64); 3] = [(0.30, 0.03), (0.45, 0.08), (0.75, 0.20)];

/// Ratio of band energies, against that of a coarse octave, below which a picture does not hold an octave
/// that the other holds; for the two finest. (The bands overlap: what leaks from coarser ones stays.)
const LOST: [f64; 2] = [0.05, 0.2];

/// Agreement in the octave that shows most of it: 1 is the same data, 1/2 the boundary, 0 chance.
///
/// Noise, blur and recompression lower the agreement of fine octaves, never raise it: so the highest one is
/// the finest that both pictures hold. Where one picture has nothing in the two finest octaves, as after a
/// strong blur, the scale is laid one octave lower. Where no octave holds anything in both, nothing tells the
/// pictures apart, and caution counts them as the same.
pub fn agreement(octaves: &[Octave]) -> f64 {
    deciding(octaves).map_or(1.0, |(_, _, agreement)| agreement)
}

/// The same cell by cell, in the octave that decides; what does not stand above its noise counts for less. One cell
/// of 1 where no octave holds anything in both.
pub fn shown(octaves: &[Octave]) -> Plane {
    let Some((octave, scale, _)) = deciding(octaves) else { return Plane::filled(1, 1, 1.0) };
    let cells = octave.agreement.iter().zip(&octave.held).zip(&octave.cover);
    let shown = cells.map(|((agreement, [output, reference]), cover)| match cover {
        0.5.. => scaled(f64::from(*agreement).min(1.0), scale) as f32 * (output * reference).sqrt(),
        _ => 0.0,
    });
    Plane::new(octave.columns, octave.rows, shown.collect())
}

/// The octave that shows most agreement, its scale, and that agreement.
fn deciding(octaves: &[Octave]) -> Option<(&Octave, (f64, f64), f64)> {
    let lower = usize::from((0..LOST.len()).all(|k| lost(octaves, k)));
    let scales = SCALE.into_iter().take(lower).chain(SCALE);
    let found = octaves.iter().zip(scales);
    let found = found.filter_map(|(octave, scale)| Some((octave, scale, scaled(octave.mean()?, scale))));
    found.reduce(|best, one| if one.2 > best.2 { one } else { best })
}

/// Whether one of the two pictures has next to nothing in octave `k`, measured by what both have in octave 3.
fn lost(octaves: &[Octave], k: usize) -> bool {
    let (Some(fine), Some(coarse)) = (octaves.get(k), octaves.get(3)) else { return false };
    let ratio = |o: &Octave| (o.energy[0] + 1e-9) / (o.energy[1] + 1e-9);
    let change = ratio(fine) / ratio(coarse);
    change.min(1.0 / change) < LOST[k]
}

fn scaled(agreement: f64, (boundary, chance): (f64, f64)) -> f64 {
    if agreement < boundary {
        (0.5 * (agreement - chance) / (boundary - chance)).max(0.0)
    } else {
        0.5 + 0.5 * (agreement - boundary) / (1.0 - boundary)
    }
}

/// The octaves of `pair`, finest first; at least one, fewer than `OCTAVES` for small pictures.
pub fn octaves(pair: &Aligned) -> Vec<Octave> {
    finest(pair, OCTAVES, WINDOW)
}

/// The finest `count` of them, with statistics over so many pixels.
pub fn finest(pair: &Aligned, count: usize, window: f32) -> Vec<Octave> {
    products(pair, count).iter().map(|products| Octave::of(products, window)).collect()
}

/// Sums of a², ab and b² of a pair of bands over cells, of the pixels that both pictures cover, and of all.
pub type Products = Cells<6>;

/// Those of the finest `count` octaves.
pub fn products(pair: &Aligned, count: usize) -> Vec<Products> {
    let (w, h) = (pair.output.width(), pair.output.height());
    let mut o = pair.output.clone();
    let mut r = pair.reference.clone();
    let mut mask = Plane::new(w, h, pair.inside.iter().map(|i| f32::from(u8::from(*i))).collect());
    // Outside, the output's own values: no edge for the filters to ring at.
    for (r, (o, i)) in r.data_mut().iter_mut().zip(o.data().iter().zip(&pair.inside)) {
        if !i {
            *r = *o;
        }
    }
    let mut out = Vec::new();
    loop {
        out.push(octave(&o, &r, &mask));
        let (w, h) = (o.width() / 2, o.height() / 2);
        if out.len() == count || w.min(h) < 16 {
            return out;
        }
        let half = |p: &Plane| resize(p, w, h, Kernel::Area);
        (o, r, mask) = (half(&o), half(&r), half(&mask));
    }
}

impl Octave {
    /// With statistics over a Gaussian window of so many pixels.
    pub fn of(products: &Products, window: f32) -> Octave {
        let cells = products.windowed(window);
        let n = cells.columns() * cells.rows();
        let sums: Vec<[f32; 6]> = (0..n).map(|i| cells.at(i)).collect();
        let cover: Vec<f32> = sums.iter().map(|s| s[3] / s[5].max(1e-6)).collect();
        let energy: Vec<[f32; 2]> =
            sums.iter().map(|s| [s[0] / s[3].max(1e-3), s[2] / s[3].max(1e-3)]).collect();
        let floor = [0, 1].map(|k| {
            let mut v: Vec<f32> =
                energy.iter().zip(&cover).filter(|(_, c)| **c > 0.5).map(|(e, _)| e[k]).collect();
            v.sort_by(f32::total_cmp);
            v.get(v.len() / 10).copied().unwrap_or(0.0).max(1e-6)
        });
        let held =
            energy.iter().map(|e| [0, 1].map(|k| ((e[k] - floor[k]) / e[k].max(1e-9)).max(0.0))).collect();
        let agreement = sums.iter().map(|s| s[1] * s[1] / (s[0] * s[2]).max(1e-14)).collect();
        let covered = || energy.iter().zip(&cover).filter(|(_, c)| **c > 0.5);
        let count = covered().count().max(1) as f64;
        let mean = [0, 1].map(|k| covered().map(|(e, _)| f64::from(e[k])).sum::<f64>() / count);
        Octave { energy: mean, columns: cells.columns(), rows: cells.rows(), agreement, held, cover }
    }

    /// Mean agreement, weighted by how far both pictures stand above their noise; `None` without texture.
    fn mean(&self) -> Option<f64> {
        let (mut sum, mut weights) = (0.0, 0.0);
        for ((agreement, held), cover) in self.agreement.iter().zip(&self.held).zip(&self.cover) {
            if *cover > 0.5 {
                let weight = f64::from(held[0] * held[1]);
                sum += weight * f64::from(*agreement);
                weights += weight;
            }
        }
        (weights > 1e-3).then(|| (sum / weights).min(1.0))
    }
}

fn octave(o: &Plane, r: &Plane, mask: &Plane) -> Products {
    let band = |p: &Plane| gaussian(p, 0.6, 4.0).zip(&gaussian(p, 1.4, 3.0), |a, b| a - b);
    let (bo, br) = (band(o), band(r));
    Cells::gather(o.width(), o.height(), CELL, |x, y| {
        if mask.at(x, y) < 0.99 {
            return Some([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        }
        let (a, b) = (bo.at(x, y), br.at(x, y));
        Some([a * a, a * b, b * b, 1.0, 0.0, 1.0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_runs_from_chance_over_the_boundary_to_the_same() {
        for scale in SCALE {
            let (boundary, chance) = scale;
            assert_eq!(scaled(1.0, scale), 1.0);
            assert_eq!(scaled(boundary, scale), 0.5);
            assert_eq!(scaled(chance, scale), 0.0);
            assert_eq!(scaled(0.0, scale), 0.0);
        }
    }
}
