//! What latents look like, without an autoencoder: their channels are nearly the colours of the picture in other words,
//! so that sums of them show it, small.
//!
//! The weights are not those of a family of models: they are learnt from the picture at hand, by least squares between
//! its latents and the mean colours of what each latent stands for.

use crate::raster::{Depth, Plane, Raster};

use super::autoencoder::SCALE;

/// Share of the channels' mean variance that is added to that of each: one that hardly varies in this picture says
/// little of the next.
const RIDGE: f64 = 1e-3;

/// From latents to colours.
pub struct Projection {
    /// Columns and rows of the latents, and those of them that are not frame.
    framed: [usize; 2],
    shown: [usize; 2],
    /// For each plane of the picture: what the channels are times, and what is added to their sum.
    planes: Vec<(Vec<f64>, f64)>,
    depth: Depth,
}

impl Projection {
    /// Learnt from the `latents` of `picture`, one channel after another, in `framed` columns and rows.
    pub fn of(latents: &[f32], framed: [usize; 2], picture: &Raster) -> Projection {
        let shown = [picture.width(), picture.height()].map(|side| (side as usize).div_ceil(SCALE));
        let channels: Vec<Vec<f64>> = latents
            .chunks_exact(framed[0] * framed[1])
            .map(|channel| places(framed, shown).map(|at| f64::from(channel[at])).collect())
            .collect();
        let planes = picture.planes();
        let planes = planes.iter().map(|plane| fit(&channels, &colours(plane, shown))).collect();
        Projection { framed, shown, planes, depth: picture.depth() }
    }

    /// The picture of other latents of the same size, a pixel each.
    pub fn picture(&self, latents: &[f32]) -> Raster {
        let channels: Vec<&[f32]> = latents.chunks_exact(self.framed[0] * self.framed[1]).collect();
        let plane = |(weights, added): &(Vec<f64>, f64)| {
            let colour = |at: usize| {
                let terms =
                    weights.iter().zip(&channels).map(|(weight, channel)| weight * f64::from(channel[at]));
                (added + terms.sum::<f64>()).clamp(0.0, 1.0) as f32
            };
            let data = places(self.framed, self.shown).map(colour).collect();
            Plane::new(self.shown[0], self.shown[1], data)
        };
        Raster::from_planes(&self.planes.iter().map(plane).collect::<Vec<_>>(), self.depth)
    }
}

/// Where the latents of the picture stand among those with its frame.
fn places(framed: [usize; 2], shown: [usize; 2]) -> impl Iterator<Item = usize> {
    (0..shown[1]).flat_map(move |y| (0..shown[0]).map(move |x| y * framed[0] + x))
}

/// Mean of what each latent stands for; the last ones may stand for less than a square.
fn colours(plane: &Plane, [columns, rows]: [usize; 2]) -> Vec<f64> {
    let mut colours = Vec::with_capacity(columns * rows);
    for top in (0..rows).map(|row| row * SCALE) {
        let lines = top..(top + SCALE).min(plane.height());
        for left in (0..columns).map(|column| column * SCALE) {
            let right = (left + SCALE).min(plane.width());
            let sum: f64 =
                lines.clone().flat_map(|y| &plane.row(y)[left..right]).map(|v| f64::from(*v)).sum();
            colours.push(sum / (lines.len() * (right - left)) as f64);
        }
    }
    colours
}

/// Weights of the channels, and what is added, that come nearest to `wanted`.
fn fit(channels: &[Vec<f64>], wanted: &[f64]) -> (Vec<f64>, f64) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let means: Vec<f64> = channels.iter().map(|channel| mean(channel)).collect();
    let middle = mean(wanted);
    let covariance = |a: &[f64], of_a: f64, b: &[f64], of_b: f64| {
        a.iter().zip(b).map(|(a, b)| (a - of_a) * (b - of_b)).sum::<f64>() / a.len().max(1) as f64
    };
    let count = channels.len();
    let mut rows: Vec<Vec<f64>> = (0..count)
        .map(|i| {
            let with = |j: usize| covariance(&channels[i], means[i], &channels[j], means[j]);
            let right = covariance(&channels[i], means[i], wanted, middle);
            (0..count).map(with).chain([right]).collect()
        })
        .collect();
    let ridge = RIDGE * (0..count).map(|i| rows[i][i]).sum::<f64>() / count.max(1) as f64;
    if ridge.is_nan() || ridge <= 0.0 {
        // A picture of one colour says nothing of channels.
        return (vec![0.0; count], middle);
    }
    (0..count).for_each(|i| rows[i][i] += ridge);
    let weights = solved(rows);
    let added = middle - weights.iter().zip(&means).map(|(weight, mean)| weight * mean).sum::<f64>();
    (weights, added)
}

/// Solves symmetric, positive equations, each with its right side behind it: no pivot is small.
fn solved(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let count = rows.len();
    for i in 0..count {
        let pivot = rows[i].clone();
        for row in &mut rows[i + 1..] {
            let share = row[i] / pivot[i];
            row.iter_mut().zip(&pivot).skip(i).for_each(|(v, p)| *v -= share * p);
        }
    }
    let mut found = vec![0.0; count];
    for i in (0..count).rev() {
        let known: f64 = (i + 1..count).map(|j| rows[i][j] * found[j]).sum();
        found[i] = (rows[i][count] - known) / rows[i][i];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Channels;

    /// A picture of 40×30 pixels whose squares are of one colour each, and latents that are four mixtures of its
    /// colours, of which the frame has some that mean nothing.
    fn mixed(gain: f32) -> (Raster, Vec<f32>) {
        let colour = |c: usize, x: usize, y: usize| ((x * (3 + c) + y * (5 + 2 * c)) % 7) as f32 / 8.0;
        let plane = |c: usize| Plane::from_fn(40, 30, |x, y| colour(c, x / 8, y / 8));
        let mixtures = [[1.0, 0.5, -0.3], [-0.7, 1.1, 0.2], [0.3, -0.4, 0.9], [0.2, 0.2, 0.2]];
        let latent = |[r, g, b]: [f32; 3], x: usize, y: usize| match x {
            5 => 9.0,
            _ => gain * (r * colour(0, x, y) + g * colour(1, x, y) + b * colour(2, x, y)) - 0.4,
        };
        let latents = mixtures
            .into_iter()
            .flat_map(|mixture| (0..4).flat_map(move |y| (0..6).map(move |x| latent(mixture, x, y))));
        (Raster::from_planes(&[plane(0), plane(1), plane(2)], Depth::Sixteen), latents.collect())
    }

    #[test]
    fn latents_that_are_mixtures_of_colours_show_the_colours() {
        let (picture, latents) = mixed(1.0);
        let seen = Projection::of(&latents, [6, 4], &picture).picture(&latents);
        assert_eq!((seen.width(), seen.height(), seen.channels()), (5, 4, Channels::Rgb));
        for (seen, own) in seen.planes().iter().zip(picture.planes()) {
            for (y, x) in (0..4).flat_map(|y| (0..5).map(move |x| (y, x))) {
                let (seen, own) = (seen.at(x, y), own.at(8 * x, (8 * y).min(29)));
                assert!((seen - own).abs() < 0.02, "{seen} for {own} at {x}, {y}");
            }
        }
    }

    #[test]
    fn what_is_learnt_from_one_picture_shows_another() {
        let (picture, latents) = mixed(1.0);
        let (_, fainter) = mixed(0.5);
        let seen = Projection::of(&latents, [6, 4], &picture).picture(&fainter).planes();
        let colours = seen.iter().zip(picture.planes());
        assert!(colours.into_iter().all(|(seen, own)| (seen.at(2, 1) - own.at(16, 8) / 2.0).abs() < 0.03));
    }

    #[test]
    fn a_picture_of_one_colour_shows_that_colour() {
        let grey = Raster::from_planes(&[Plane::filled(17, 8, 0.25)], Depth::Eight);
        let seen = Projection::of(&[0.5; 6], [3, 1], &grey).picture(&[1.0, -4.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!((seen.width(), seen.height(), seen.channels()), (3, 1, Channels::Grey));
        assert!(seen.planes()[0].data().iter().all(|v| (v - 0.25).abs() < 0.01));
    }
}
