//! A picture as SigLIP wants it: a square of 8-bit colours, whatever its aspect. Rounded as Pillow's `resize` rounds, so
//! that the tower sees what it would see elsewhere.

use crate::raster::{Plane, Raster};

/// Bits behind the point of a weight.
const BITS: u32 = 22;

/// The colours of `picture` (grey counts for all three; alpha is not looked at) in −1..=1, one after another.
pub fn of(picture: &Raster, side: usize) -> Vec<f32> {
    let planes = picture.planes();
    let squares: Vec<Vec<u8>> = planes.iter().map(|plane| square(plane, side)).collect();
    let all = squares.iter().cycle().take(3).flatten();
    all.map(|value| (f32::from(*value) / 255.0 - 0.5) / 0.5).collect()
}

fn square(plane: &Plane, side: usize) -> Vec<u8> {
    let (width, height) = (plane.width(), plane.height());
    let numbers: Vec<u8> = plane.data().iter().map(|v| (255.0 * v).round().clamp(0.0, 255.0) as u8).collect();
    // Across, and then down: columns of one pass are rows of the other.
    let across = turned(&rows(&numbers, width, side), side, height);
    turned(&rows(&across, height, side), side, side)
}

/// Each row of `from` numbers as one of `to`.
fn rows(numbers: &[u8], from: usize, to: usize) -> Vec<u8> {
    if from == to {
        return numbers.to_vec();
    }
    let taps: Vec<(usize, Vec<i64>)> = (0..to).map(|i| taps(i, from, to)).collect();
    let pixel = |row: &[u8], (first, weights): &(usize, Vec<i64>)| {
        let sum: i64 = row[*first..].iter().zip(weights).map(|(v, w)| i64::from(*v) * w).sum();
        ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
    };
    numbers.chunks_exact(from).flat_map(|row| taps.iter().map(move |taps| pixel(row, taps))).collect()
}

/// The first pixel that counts for pixel `i`, and weights from there on: a cubic that widens when the picture shrinks. What
/// lies beyond the edge does not count.
fn taps(i: usize, from: usize, to: usize) -> (usize, Vec<i64>) {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let (centre, reach) = ((i as f64 + 0.5) * scale, 2.0 * stretch);
    let first = (centre - reach + 0.5).max(0.0) as usize;
    let end = ((centre + reach + 0.5) as usize).min(from);
    let weights: Vec<f64> = (first..end).map(|x| cubic((x as f64 - centre + 0.5) / stretch)).collect();
    let sum: f64 = weights.iter().sum();
    (first, weights.iter().map(|w| (w / sum * f64::from(1 << BITS)).round() as i64).collect())
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// Columns of so many numbers as rows.
fn turned(numbers: &[u8], width: usize, height: usize) -> Vec<u8> {
    (0..width * height).map(|i| numbers[i % height * width + i / height]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Depth;

    #[test]
    fn a_picture_becomes_a_square_of_its_colours() {
        let plane = |value: f32| Plane::filled(31, 12, value);
        let colours = Raster::from_planes(&[plane(0.0), plane(1.0), plane(0.5)], Depth::Sixteen);
        let seen = of(&colours, 14);
        assert_eq!(seen.len(), 3 * 14 * 14);
        let expected = [-1.0, 1.0, 128.0 / 127.5 - 1.0];
        let near = |(i, v): (usize, &f32)| (v - expected[i / (14 * 14)]).abs() < 1e-6;
        assert!(seen.iter().enumerate().all(near), "{:?}", &seen[..3]);
        let grey = of(&Raster::from_planes(&[plane(1.0)], Depth::Eight), 14);
        assert!(grey.iter().all(|v| *v == 1.0));
    }

    /// By hand: four pixels in the place of two. Between them the farther weighs cubic(0.75) of cubic(0.25) + cubic(0.75),
    /// 0.2266 of 1.0937; at the edge cubic(1.25) = −0.0703 takes away from cubic(0.25) = 0.8672.
    #[test]
    fn rows_are_as_wide_as_is_asked_for_and_edges_count_for_themselves() {
        assert_eq!(rows(&[0, 200], 2, 2), [0, 200]);
        let wide = rows(&[0, 200, 200, 0], 2, 4);
        assert_eq!(wide[..4], [0, 41, 159, 218]);
        assert_eq!(wide[4..], [218, 159, 41, 0]);
        assert_eq!(rows(&[255; 9], 9, 2), [255; 2]);
        assert_eq!(turned(&[1, 2, 3, 4, 5, 6], 3, 2), [1, 4, 2, 5, 3, 6]);
    }
}
