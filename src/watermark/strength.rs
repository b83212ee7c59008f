//! Adds a mark to samples at the strength that gives a wanted PSNR.

use rayon::prelude::*;

use super::frontend::sum;
use super::tile::Mark;
use crate::raster::Samples;

/// Largest distance from the PSNR asked for, in dB.
pub(super) const TOLERANCE: f64 = 0.02;
/// Pixels on which the strength is sought before all are marked.
const TRIAL: usize = 1 << 18;
/// Rows of which those pixels are, at least.
const TRIAL_ROWS: usize = 64;

/// Samples with the mark at the strength that gives `psnr_db` after rounding and clipping, and the PSNR reached.
pub(super) fn add(samples: &Samples, mark: &Mark, channels: usize, psnr_db: f64) -> (Samples, f64) {
    match samples {
        Samples::Eight(v) => {
            let (marked, reached) = add_to(v, mark, channels, 255.0, psnr_db);
            (Samples::Eight(marked), reached)
        }
        Samples::Sixteen(v) => {
            let (marked, reached) = add_to(v, mark, channels, 65535.0, psnr_db);
            (Samples::Sixteen(marked), reached)
        }
    }
}

/// A kind of sample.
trait Sample: Copy + Default + Into<f32> + Send + Sync {
    /// Of a whole number in the kind's range.
    fn of(value: f32) -> Self;
}

/// Added to a whole number, puts it into the last bits of the float; a cast would look for its range,
/// value by value.
const LAST_BITS: f32 = 8_388_608.0;

impl Sample for u8 {
    #[inline]
    fn of(value: f32) -> Self {
        (value + LAST_BITS).to_bits() as u8
    }
}

impl Sample for u16 {
    #[inline]
    fn of(value: f32) -> Self {
        (value + LAST_BITS).to_bits() as u16
    }
}

fn add_to<T: Sample>(samples: &[T], mark: &Mark, channels: usize, peak: f32, psnr_db: f64) -> (Vec<T>, f64) {
    let width = mark.width();
    let line = width * channels;
    let db =
        |squares: f64, samples: usize| -10.0 * (squares / samples as f64 / f64::from(peak).powi(2)).log10();

    // On some of the rows first.
    let count = (TRIAL / width).max(TRIAL_ROWS).min(mark.height());
    let rows: Vec<usize> = (0..count).map(|i| (2 * i + 1) * mark.height() / (2 * count)).collect();
    let mut marks = vec![0.0f32; count * width];
    marks.par_chunks_mut(width).zip(&rows).for_each(|(row, y)| mark.read(*y, row));
    let power: f64 = marks.chunks_exact(width).map(|row| sum(row, |v| v * v)).sum();
    let rms = (power / marks.len() as f64).sqrt().max(f64::MIN_POSITIVE);
    let mut search = Search::new(psnr_db, 10f64.powf(-psnr_db / 20.0) / rms);
    let mut reached = f64::INFINITY;
    for _ in 0..24 {
        let pass = |(row, y): (&[f32], &usize)| {
            let mut unused = vec![T::default(); line];
            change(&samples[y * line..][..line], row, search.strength, peak, &mut unused)
        };
        let squares: Vec<f64> = marks.par_chunks(width).zip(&rows).map(pass).collect();
        reached = db(squares.iter().sum(), count * line);
        if search.is_over(reached) {
            break;
        }
    }

    let mut marked = vec![T::default(); samples.len()];
    let mut search = Search::new(psnr_db, search.strength);
    for _ in 0..24 {
        let pass = |row: &mut Vec<f32>, (y, (from, to)): (usize, (&[T], &mut [T]))| {
            mark.read(y, row);
            change(from, row, search.strength, peak, to)
        };
        let lines = samples.par_chunks(line).zip(marked.par_chunks_mut(line)).enumerate();
        let squares: Vec<f64> = lines.map_init(|| vec![0.0f32; width], pass).collect();
        reached = db(squares.iter().sum(), samples.len());
        if search.is_over(reached) {
            break;
        }
    }
    (marked, reached)
}

/// Looks for the strength that gives a PSNR.
struct Search {
    wanted: f64,
    strength: f64,
    /// The strength before and what it reached.
    before: Option<(f64, f64)>,
    /// Found to be too weak, and too strong.
    bounds: [f64; 2],
}

impl Search {
    fn new(wanted: f64, strength: f64) -> Self {
        Search { wanted, strength, before: None, bounds: [0.0, f64::INFINITY] }
    }

    /// Takes what the strength has `reached`: true if that is close enough, else the strength is another.
    fn is_over(&mut self, reached: f64) -> bool {
        let excess = reached - self.wanted;
        if excess.abs() < TOLERANCE / 4.0 {
            return true;
        }
        let strength = self.strength;
        self.bounds[usize::from(excess < 0.0)] = strength;
        if excess.is_finite() {
            // The PSNR falls as the strength grows, but for what clipping and rounding bend: along a chord.
            let slope = |(s, r): (f64, f64)| (r - reached) / (20.0 * (strength / s).log10());
            let slope = self.before.map_or(1.0, slope);
            self.strength *= 10f64.powf(excess / (20.0 * if slope > 0.1 { slope } else { 1.0 }));
            self.before = Some((strength, reached));
        } else {
            // Nothing at all survived rounding.
            self.strength *= 2.0;
        }
        let [low, high] = self.bounds;
        if self.strength <= low || self.strength >= high {
            self.strength = (low * high).sqrt();
        }
        false
    }
}

/// Marks a row of pixels and sums the squares of its changes.
fn change<T: Sample>(from: &[T], mark: &[f32], strength: f64, peak: f32, to: &mut [T]) -> f64 {
    let channels = from.len() / mark.len();
    let factor = strength as f32 * peak;
    let mut steps = [0.0f32; 3 * PIECE];
    let pieces = from.chunks(PIECE * channels).zip(to.chunks_mut(PIECE * channels));
    let squares = pieces.zip(mark.chunks(PIECE)).map(|((from, to), mark)| {
        match channels {
            1 => steps.iter_mut().zip(mark).for_each(|(s, m)| *s = nearest(factor * m)),
            _ => {
                for (s, m) in steps.as_chunks_mut::<3>().0.iter_mut().zip(mark) {
                    *s = [nearest(factor * m); 3];
                }
            }
        }
        for ((to, from), step) in to.iter_mut().zip(from).zip(&steps) {
            *to = T::of(((*from).into() + step).clamp(0.0, peak));
        }
        sum_of_squares(from, to)
    });
    squares.sum()
}

/// Pixels that are changed together: little enough for the cache next to the processor, and for sums
/// in single precision.
const PIECE: usize = 256;

/// The nearest whole number, for values below four million.
#[inline]
fn nearest(value: f32) -> f32 {
    const ONES: f32 = 12_582_912.0;
    (value + ONES) - ONES
}

fn sum_of_squares<T: Sample>(a: &[T], b: &[T]) -> f64 {
    let square = |a: &T, b: &T| {
        let difference: f32 = (*a).into() - (*b).into();
        difference * difference
    };
    let ((blocks, rest), (others, other_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in blocks.iter().zip(others) {
        for i in 0..8 {
            sums[i] += square(&a[i], &b[i]);
        }
    }
    let rest: f32 = rest.iter().zip(other_rest).map(|(a, b)| square(a, b)).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_rounded_and_clipped() {
        let from = [0u8, 3, 250, 255, 100, 7];
        let mut to = [0u8; 6];
        let squares = change(&from, &[1.0, -1.0], 2.6 / 255.0, 255.0, &mut to);
        assert_eq!(to, [3, 6, 253, 252, 97, 4]);
        assert_eq!(squares, 54.0);
        let from = [65_534u16, 1];
        let mut to = [0u16; 2];
        let squares = change(&from, &[1.0, -1.0], 400.4 / 65_535.0, 65_535.0, &mut to);
        assert_eq!((to, squares), ([65_535, 0], 2.0));
    }

    #[test]
    fn a_search_closes_in_even_on_a_bent_curve() {
        // The change grows with the square of the strength, or hardly at all, or in steps with a bend.
        let curves: [fn(f64) -> f64; 3] =
            [|s| 9.0 * s * s, |s| 0.011 * s.powf(0.2), |s| 0.5 * (s - 1e-3).max(0.0)];
        for curve in curves {
            let mut search = Search::new(42.0, 1e-3);
            assert!((0..24).any(|_| {
                let reached = -20.0 * curve(search.strength).log10();
                search.is_over(reached)
            }));
        }
    }
}
