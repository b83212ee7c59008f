//! Linear filters with mirrored borders (the edge pixel is not repeated: …2 1 | 0 1 2…).

use rayon::prelude::*;

use super::Plane;

/// Index of the mirrored sample for `i`, which may lie outside `0..n`.
#[inline]
pub fn mirror(i: isize, n: usize) -> usize {
    let n = n as isize;
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let j = i.rem_euclid(period);
    (if j < n { j } else { period - j }) as usize
}

/// Gaussian blur of standard deviation `sigma` pixels, cut off at `reach` × sigma (3 or 4 are usual).
///
/// The result is the same for any number of threads.
pub fn gaussian(plane: &Plane, sigma: f32, reach: f32) -> Plane {
    if sigma <= 0.0 {
        return plane.clone();
    }
    separable(plane, &half_kernel(sigma, (reach * sigma).ceil() as usize))
}

/// Normalised half kernel: weight of the centre, then of each distance up to `radius`.
fn half_kernel(sigma: f32, radius: usize) -> Vec<f32> {
    let weights: Vec<f64> =
        (0..=radius).map(|i| (-0.5 * (i as f64 / f64::from(sigma)).powi(2)).exp()).collect();
    let total = 2.0 * weights.iter().sum::<f64>() - weights[0];
    weights.iter().map(|w| (w / total) as f32).collect()
}

/// Convolution with a symmetric kernel along rows, then along columns.
pub fn separable(plane: &Plane, half: &[f32]) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let radius = half.len() - 1;
    let mut rows = vec![0.0f32; width * height];
    rows.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        let row = plane.row(y);
        let padded: Vec<f32> =
            (-(radius as isize)..(width + radius) as isize).map(|x| row[mirror(x, width)]).collect();
        for (o, v) in out.iter_mut().zip(&padded[radius..]) {
            *o = half[0] * v;
        }
        for (i, weight) in half.iter().enumerate().skip(1) {
            let (left, right) = (&padded[radius - i..], &padded[radius + i..]);
            for ((o, l), r) in out.iter_mut().zip(left).zip(right) {
                *o += weight * (l + r);
            }
        }
    });
    let mut data = vec![0.0f32; width * height];
    data.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        let line = |dy: isize| {
            let at = mirror(y as isize + dy, height) * width;
            &rows[at..at + width]
        };
        for (o, v) in out.iter_mut().zip(line(0)) {
            *o = half[0] * v;
        }
        for (i, weight) in half.iter().enumerate().skip(1) {
            for ((o, a), b) in out.iter_mut().zip(line(-(i as isize))).zip(line(i as isize)) {
                *o += weight * (a + b);
            }
        }
    });
    Plane::new(width, height, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_indices_do_not_repeat_the_edge() {
        let seen: Vec<usize> = (-4..8).map(|i| mirror(i, 4)).collect();
        assert_eq!(seen, [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(mirror(-9, 1), 0);
    }

    #[test]
    fn a_blurred_constant_is_the_constant() {
        let flat = gaussian(&Plane::filled(9, 5, 0.25), 2.0, 4.0);
        assert!(flat.data().iter().all(|v| (v - 0.25).abs() < 1e-6));
    }

    #[test]
    fn a_blurred_point_has_the_variance_of_the_kernel() {
        let mut point = Plane::filled(41, 41, 0.0);
        point.data_mut()[20 * 41 + 20] = 1.0;
        let blurred = gaussian(&point, 3.0, 4.0);
        let variance: f32 = (0..41)
            .flat_map(|y| (0..41).map(move |x| (x, y)))
            .map(|(x, y)| blurred.at(x, y) * (x as f32 - 20.0).powi(2))
            .sum();
        assert!((variance - 9.0).abs() < 0.05, "{variance}");
    }
}
