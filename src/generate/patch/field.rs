//! Which patch of the corpus every pixel is drawn from.

use crate::random::Stream;

/// A patch of the corpus: copy, row and column of its centre. There is one for every pixel, so it is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub copy: u16,
    pub y: u16,
    pub x: u16,
}

/// The nearest patch found so far for every pixel.
#[derive(Clone, Debug)]
pub struct Field {
    pub width: usize,
    pub height: usize,
    pub matches: Vec<Match>,
    /// Squared feature distances, without biases; empty before the first search.
    pub distances: Vec<i32>,
}

impl Field {
    /// Random matches among `copies` copies of `size` (width, height).
    pub fn random(
        (width, height): (usize, usize),
        copies: usize,
        size: (usize, usize),
        stream: Stream,
    ) -> Self {
        let draw = |i: u64, n: usize| stream.below(i, n as u64) as u16;
        let matches = (0..(width * height) as u64)
            .map(|i| Match {
                copy: draw(3 * i, copies),
                y: draw(3 * i + 1, size.1),
                x: draw(3 * i + 2, size.0),
            })
            .collect();
        Field { width, height, matches, distances: Vec::new() }
    }

    /// Every pixel matched with its own place in copy 0.
    pub fn in_place(width: usize, height: usize) -> Self {
        let matches = (0..width * height)
            .map(|i| Match { copy: 0, y: (i / width) as u16, x: (i % width) as u16 })
            .collect();
        Field { width, height, matches, distances: Vec::new() }
    }

    /// The field on a level of another size: offsets grow with the level.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let matches = self.carried(&self.matches, (width, height), |m, moved| moved(*m));
        Field { width, height, matches, distances: Vec::new() }
    }

    /// What each pixel of this field has, for those of a level of another size; `carry` is given how the matches of a
    /// pixel move.
    pub fn carried<T>(
        &self,
        old: &[T],
        (width, height): (usize, usize),
        carry: impl Fn(&T, &dyn Fn(Match) -> Match) -> T,
    ) -> Vec<T> {
        let scaled = |centre: u16, from: usize, to: usize, at: usize, parent: usize| {
            let ratio = to as f64 / from as f64;
            let place = f64::from(centre) * ratio + (at as f64 - parent as f64 * ratio);
            place.round().clamp(0.0, to as f64 - 1.0) as u16
        };
        let mut new = Vec::with_capacity(width * height);
        for y in 0..height {
            let py = (y * self.height / height).min(self.height - 1);
            for x in 0..width {
                let px = (x * self.width / width).min(self.width - 1);
                let moved = |m: Match| Match {
                    copy: m.copy,
                    y: scaled(m.y, self.height, height, y, py),
                    x: scaled(m.x, self.width, width, x, px),
                };
                new.push(carry(&old[py * self.width + px], &moved));
            }
        }
        new
    }

    /// Median of the distances, at least 1.
    pub fn median_distance(&self) -> f32 {
        let mut all = self.distances.clone();
        let middle = all.len() / 2;
        if all.is_empty() { 1.0 } else { (*all.select_nth_unstable(middle).1).max(1) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pixel_has_goes_with_it_to_a_finer_level() {
        let field = Field::in_place(20, 10);
        let barred: Vec<Option<Match>> =
            field.matches.iter().map(|m| (m.x < 10).then_some(Match { copy: 3, ..*m })).collect();
        let carried = field.carried(&barred, (30, 15), |m, moved| m.map(moved));
        for (found, expected) in carried.iter().zip(field.resized(30, 15).matches) {
            let is_left = expected.x < 15;
            assert_eq!(*found, is_left.then_some(Match { copy: 3, ..expected }));
        }
    }

    #[test]
    fn a_field_on_a_finer_level_keeps_its_offsets() {
        let fine = Field::in_place(20, 10).resized(30, 15);
        for (i, m) in fine.matches.iter().enumerate() {
            let (y, x) = ((i / 30) as u16, (i % 30) as u16);
            assert!(m.y.abs_diff(y) <= 1 && m.x.abs_diff(x) <= 1);
        }
    }
}
