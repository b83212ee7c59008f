//! Which of several drafts has the reference's style: sliced Wasserstein distance of patch statistics.

use rayon::prelude::*;

use crate::random::Stream;

const DIRECTIONS: u64 = 24;
const QUANTILES: usize = 256;

/// A set of patches as others are compared with it: its quantiles along random directions.
pub struct Style<const N: usize> {
    directions: Vec<([f32; N], Vec<f32>)>,
}

impl<const N: usize> Style<N> {
    pub fn of(set: &[[f32; N]], stream: Stream) -> Self {
        let along = |d| {
            let direction = unit::<N>(stream.child(d));
            (direction, quantiles(set, &direction))
        };
        Style { directions: (0..DIRECTIONS).into_par_iter().map(along).collect() }
    }

    /// Root mean squared difference from the quantiles of another set
    /// (Rabin et al. 2011, *Wasserstein barycenter and its application to texture mixing*).
    pub fn distance(&self, set: &[[f32; N]]) -> f64 {
        let squares = |(direction, own): &([f32; N], Vec<f32>)| {
            let pairs = quantiles(set, direction).into_iter().zip(own);
            pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>() / QUANTILES as f64
        };
        let per_direction: Vec<f64> = self.directions.par_iter().map(squares).collect();
        (per_direction.iter().sum::<f64>() / DIRECTIONS as f64).sqrt()
    }
}

fn unit<const N: usize>(stream: Stream) -> [f32; N] {
    let raw: [f64; N] = std::array::from_fn(|i| stream.normal(i as u64));
    let length = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
    raw.map(|v| (v / length) as f32)
}

fn quantiles<const N: usize>(set: &[[f32; N]], direction: &[f32; N]) -> Vec<f32> {
    let mut along: Vec<f32> = set.iter().map(|v| v.iter().zip(direction).map(|(x, d)| x * d).sum()).collect();
    along.sort_unstable_by(f32::total_cmp);
    let last = along.len().saturating_sub(1);
    (0..QUANTILES).map(|i| along[(i * last + (QUANTILES - 1) / 2) / (QUANTILES - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_nearer_to_its_like_than_to_a_wider_one() {
        let stream = Stream::new(5, "gate");
        let set = |child: u64, width: f32| -> Vec<[f32; 16]> {
            let normal = stream.child(child);
            (0..600)
                .map(|i| std::array::from_fn(|k| width * normal.normal(16 * i + k as u64) as f32))
                .collect()
        };
        let reference = set(0, 1.0);
        let style = Style::of(&reference, stream);
        assert_eq!(style.distance(&reference), 0.0);
        let (like, wide) = (set(1, 1.0), set(2, 1.5));
        assert!(style.distance(&like) < 0.5 * style.distance(&wide));
    }
}
