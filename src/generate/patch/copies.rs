//! Coherent regions of a match field: pieces that come from one place of the reference.
//!
//! The field sees turned and bent copies too, which no comparison of pixels by shifts can.

use crate::random::Stream;

use super::field::Match;

/// Neighbouring pixels belong together when they show the same copy at the same offset, give or take
/// this many pixels.
const TOLERANCE: u16 = 1;

/// The connected coherent regions of a field.
pub struct Regions {
    /// Region of every pixel.
    pub labels: Vec<u32>,
    /// Pixels of every region.
    pub sizes: Vec<u32>,
}

impl Regions {
    pub fn of(matches: &[Match], width: usize) -> Self {
        let height = matches.len() / width;
        let mut parents: Vec<u32> = (0..(width * height) as u32).collect();
        for y in 0..height {
            for x in 0..width {
                let i = y * width + x;
                if x > 0 && coherent(matches[i - 1], matches[i], 0, 1) {
                    join(&mut parents, i - 1, i);
                }
                if y > 0 && coherent(matches[i - width], matches[i], 1, 0) {
                    join(&mut parents, i - width, i);
                }
            }
        }
        let mut sizes = Vec::new();
        let mut names = vec![u32::MAX; parents.len()];
        let mut labels = vec![0; parents.len()];
        for (i, label) in labels.iter_mut().enumerate() {
            let root = find(&mut parents, i);
            if names[root] == u32::MAX {
                names[root] = sizes.len() as u32;
                sizes.push(0);
            }
            *label = names[root];
            sizes[names[root] as usize] += 1;
        }
        Regions { labels, sizes }
    }

    /// Breaks regions of more pixels than `cap` allows a copy: for each a round core of so many pixels about a
    /// random one of its own is left alone, and the matches of all other pixels are returned as barred.
    pub fn excess(
        &self,
        matches: &[Match],
        width: usize,
        cap: impl Fn(u16) -> f64,
        stream: Stream,
    ) -> Vec<Option<Match>> {
        let mut barred = vec![None; matches.len()];
        let mut cores: Vec<Option<(f64, f64)>> = vec![None; self.sizes.len()];
        let mut seen = vec![0u64; self.sizes.len()];
        for (i, label) in self.labels.iter().map(|l| *l as usize).enumerate() {
            if f64::from(self.sizes[label]) <= cap(matches[i].copy) {
                continue;
            }
            if seen[label] == stream.below(label as u64, u64::from(self.sizes[label])) {
                cores[label] = Some(((i / width) as f64, (i % width) as f64));
            }
            seen[label] += 1;
        }
        for (i, label) in self.labels.iter().map(|l| *l as usize).enumerate() {
            if let Some((y, x)) = cores[label]
                && ((i / width) as f64 - y).powi(2) + ((i % width) as f64 - x).powi(2)
                    > cap(matches[i].copy) / std::f64::consts::PI
            {
                barred[i] = Some(matches[i]);
            }
        }
        barred
    }

    /// Share of the picture that the largest region covers, 0..=1.
    pub fn largest_share(&self) -> f64 {
        f64::from(self.sizes.iter().copied().max().unwrap_or(0)) / self.labels.len().max(1) as f64
    }
}

/// Whether `b`, the match of a pixel (dy, dx) further on, continues `a`.
fn coherent(a: Match, b: Match, dy: u16, dx: u16) -> bool {
    let along = |a: u16, b: u16, d: u16| b.abs_diff(a + d) <= TOLERANCE;
    a.copy == b.copy && along(a.y, b.y, dy) && along(a.x, b.x, dx)
}

/// Root of `i`, shortening the way for the next time.
fn find(parents: &mut [u32], mut i: usize) -> usize {
    while parents[i] as usize != i {
        parents[i] = parents[parents[i] as usize];
        i = parents[i] as usize;
    }
    i
}

fn join(parents: &mut [u32], a: usize, b: usize) {
    let (a, b) = (find(parents, a), find(parents, b));
    // The smaller index is the root, whatever the order of the joins.
    parents[a.max(b)] = a.min(b) as u32;
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;

    #[test]
    fn a_picture_copied_verbatim_is_one_region() {
        let regions = Regions::of(&Field::in_place(40, 30).matches, 40);
        assert_eq!(regions.sizes, [1200]);
        assert_eq!(regions.largest_share(), 1.0);
    }

    #[test]
    fn another_copy_or_another_offset_is_another_region() {
        let mut field = Field::in_place(40, 30);
        for (i, m) in field.matches.iter_mut().enumerate() {
            match i % 40 {
                0..10 => m.copy = 2,
                10..25 => m.x += 5,
                _ => {}
            }
        }
        assert_eq!(Regions::of(&field.matches, 40).sizes, [300, 450, 450]);
    }

    #[test]
    fn an_offset_that_drifts_by_single_pixels_is_still_a_copy() {
        let mut field = Field::in_place(40, 30);
        for (i, m) in field.matches.iter_mut().enumerate() {
            m.x += (i % 40) as u16 / 8;
        }
        assert_eq!(Regions::of(&field.matches, 40).sizes.len(), 1);
    }

    #[test]
    fn what_exceeds_the_cap_is_barred_and_the_core_is_not() {
        let matches = Field::in_place(40, 30).matches;
        let regions = Regions::of(&matches, 40);
        let barred = regions.excess(&matches, 40, |_| 100.0, Stream::new(1, "cap"));
        let left = barred.iter().filter(|b| b.is_none()).count();
        assert!((20..=120).contains(&left), "{left}");
        assert!(regions.excess(&matches, 40, |_| 1300.0, Stream::new(1, "cap")).iter().all(Option::is_none));
    }
}
