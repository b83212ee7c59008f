//! From a match field to a picture: the overlapping patches vote on every pixel.

use rayon::prelude::*;

use crate::raster::filter::mirror;
use crate::simd::{self, Kernel};

use super::dense::exp;
use super::field::Field;
use super::image::Image;

/// Kernel weights below this are left out.
const NEGLIGIBLE: f32 = 0.004;

/// Every pixel as the mean of what the patches around it propose; a proposal weighs by its distance
/// (relative to the median, so that dense textures stay sharp) and by a Gaussian of standard
/// deviation `kernel` pixels within the patch.
pub fn vote(sources: &[&Image], field: &Field, patch: usize, kernel: f64) -> Image {
    match sources[0].channels {
        1 => vote_channels::<1>(sources, field, patch, kernel),
        2 => vote_channels::<2>(sources, field, patch, kernel),
        4 => vote_channels::<4>(sources, field, patch, kernel),
        _ => vote_channels::<3>(sources, field, patch, kernel),
    }
}

fn vote_channels<const C: usize>(sources: &[&Image], field: &Field, patch: usize, kernel: f64) -> Image {
    let (width, height) = (field.width, field.height);
    let (across, down) = (sources[0].width, sources[0].height);
    let weights = trust(field);
    let taps = taps(patch, kernel);
    let mut data = vec![0.0f32; width * height * C];
    data.par_chunks_mut(width * C).enumerate().for_each(|(y, row)| {
        simd::run(Row::<C> { sources, field, weights: &weights, taps: &taps, size: (across, down), y, row });
    });
    Image { width, height, channels: C, data }
}

/// One row of the picture.
struct Row<'a, const C: usize> {
    sources: &'a [&'a Image],
    field: &'a Field,
    weights: &'a [f32],
    taps: &'a [(i32, i32, f32)],
    /// Width and height of a source.
    size: (usize, usize),
    y: usize,
    row: &'a mut [f32],
}

impl<const C: usize> Kernel for Row<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (width, height, (across, down)) = (self.field.width, self.field.height, self.size);
        for (x, out) in self.row.chunks_exact_mut(C).enumerate() {
            let (mut sum, mut total) = ([0.0f32; C], 1e-20f32);
            for (dy, dx, g) in self.taps {
                let (qy, qx) = (self.y as i32 + dy, x as i32 + dx);
                if qy as u32 >= height as u32 || qx as u32 >= width as u32 {
                    continue;
                }
                let q = qy as usize * width + qx as usize;
                let m = self.field.matches[q];
                let (my, mx) = (i32::from(m.y) - dy, i32::from(m.x) - dx);
                let at = (inside(my, down) * across + inside(mx, across)) * C;
                let weight = g * self.weights[q];
                let value = &self.sources[m.copy as usize].data[at..at + C];
                for c in 0..C {
                    sum[c] += weight * value[c];
                }
                total += weight;
            }
            let scale = 1.0 / total;
            for c in 0..C {
                out[c] = sum[c] * scale;
            }
        }
    }
}

/// `i`, mirrored where it leaves `0..n`.
#[inline(always)]
fn inside(i: i32, n: usize) -> usize {
    if (i as u32) < n as u32 { i as usize } else { mirror(i as isize, n) }
}

/// How much a patch's proposals count.
fn trust(field: &Field) -> Vec<f32> {
    let scale = -1.0 / field.median_distance();
    field.distances.par_iter().map(|d| exp(*d as f32 * scale) + 1e-6).collect()
}

/// Offsets (dy, dx) from a pixel to the patch centres that cover it, and their weights.
fn taps(patch: usize, kernel: f64) -> Vec<(i32, i32, f32)> {
    let reach = (patch / 2) as i32;
    let line = |d: i32| (-f64::from(d * d) / (2.0 * kernel * kernel)).exp();
    (-reach..=reach)
        .flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx)))
        .map(|(dy, dx)| (dy, dx, (line(dy) * line(dx)) as f32))
        .filter(|tap| tap.2 >= NEGLIGIBLE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_in_place_gives_back_its_source() {
        let data: Vec<f32> = (0..30 * 20 * 3).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let source = Image { width: 30, height: 20, channels: 3, data };
        let mut field = Field::in_place(30, 20);
        field.distances = vec![5; 600];
        let voted = vote(&[&source], &field, 7, 1.5);
        assert!(voted.data.iter().zip(&source.data).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
