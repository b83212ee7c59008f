//! Principal axes: a small Jacobi eigensolver, and subspace iteration on top of it for patches.
//! Fixed orders of summation throughout: the axes are the same on any number of threads.

use rayon::prelude::*;

use crate::random::Stream;
use crate::simd::{self, Kernel};

/// Eigenvalues of a symmetric `n × n` matrix, largest first, and their unit eigenvectors.
///
/// Cyclic Jacobi rotations (Golub & Van Loan, *Matrix Computations*, §8.5).
pub fn symmetric_eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    // Rows of `v` are the eigenvectors: both sides of a rotation then walk along rows.
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _sweep in 0..30 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off <= 1e-22 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|i| a[i * n + i]).collect();
    let vectors = order.iter().map(|i| v[i * n..(i + 1) * n].to_vec()).collect();
    (values, vectors)
}

/// Makes element (p, q) of `a` zero.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
    }
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
        let (x, y) = (v[p * n + k], v[q * n + k]);
        v[p * n + k] = c * x - s * y;
        v[q * n + k] = s * x + c * y;
    }
}

/// Mean and the leading `count` principal axes (fewer if the rows are shorter) of the rows of
/// `samples`, each of length `dim`.
pub fn principal_axes(samples: &[f32], dim: usize, count: usize) -> (Vec<f32>, Vec<Vec<f32>>) {
    let rows = (samples.len() / dim).max(1);
    let mut mean = vec![0.0f64; dim];
    for row in samples.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v));
    }
    mean.iter_mut().for_each(|m| *m /= rows as f64);
    let mean: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
    let covariance = covariance(samples, &mean, dim);
    (mean, leading(&covariance, dim, count.min(dim)))
}

/// Samples whose products are summed in single precision, and apart from others.
const TOGETHER: usize = 640;
/// Lines of the covariance that one thread works on: few enough to stay in the near cache.
const LINES: usize = 16;

/// Scatter of the samples around `mean`, divided by their number.
fn covariance(samples: &[f32], mean: &[f32], dim: usize) -> Vec<f64> {
    let count = (samples.len() / dim).max(1) as f64;
    let mut total = vec![0.0f64; dim * dim];
    total.par_chunks_mut(LINES * dim).enumerate().for_each(|(i, total)| {
        let mut sum = vec![0.0f32; total.len()];
        for rows in samples.chunks(TOGETHER * dim) {
            sum.fill(0.0);
            simd::run(Scatter { rows, mean, first: i * LINES, sum: &mut sum });
            total.iter_mut().zip(&sum).for_each(|(t, s)| *t += f64::from(*s) / count);
        }
    });
    for i in 0..dim {
        for j in 0..i {
            total[i * dim + j] = total[j * dim + i];
        }
    }
    total
}

/// Adds to some lines of a matrix, from line `first` on, the outer products of some rows around their mean; to the
/// upper triangle alone.
struct Scatter<'a> {
    rows: &'a [f32],
    mean: &'a [f32],
    first: usize,
    sum: &'a mut [f32],
}

impl Kernel for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Scatter { rows, mean, first, sum } = self;
        let dim = mean.len();
        let mean = &mean[first..];
        let width = mean.len();
        let mut centred = vec![0.0f32; 4 * width];
        for rows in rows.chunks(4 * dim) {
            centred.fill(0.0);
            for (out, row) in centred.chunks_exact_mut(width).zip(rows.chunks_exact(dim)) {
                for ((o, v), m) in out.iter_mut().zip(&row[first..]).zip(mean) {
                    *o = v - m;
                }
            }
            let (a, rest) = centred.split_at(width);
            let (b, rest) = rest.split_at(width);
            let (c, d) = rest.split_at(width);
            for (i, line) in sum.chunks_exact_mut(dim).enumerate() {
                let (ai, bi, ci, di) = (a[i], b[i], c[i], d[i]);
                let out = &mut line[first + i..];
                for ((((o, a), b), c), d) in
                    out.iter_mut().zip(&a[i..]).zip(&b[i..]).zip(&c[i..]).zip(&d[i..])
                {
                    *o += ai * a + bi * b + ci * c + di * d;
                }
            }
        }
    }
}

/// Rounds of the subspace iteration: the leading axes are exact after them, the last ones good enough to compare by.
const ROUNDS: usize = 5;

/// Leading eigenvectors by subspace iteration with a Rayleigh–Ritz step at the end.
fn leading(matrix: &[f64], dim: usize, count: usize) -> Vec<Vec<f32>> {
    let width = (count + 8).min(dim);
    let start = Stream::new(0, "patch subspace");
    let mut basis: Vec<Vec<f64>> =
        (0..width).map(|i| (0..dim).map(|j| start.uniform((i * dim + j) as u64) - 0.5).collect()).collect();
    orthonormalise(&mut basis);
    for _ in 0..ROUNDS {
        basis = multiply(matrix, dim, &basis);
        orthonormalise(&mut basis);
    }
    let image = multiply(matrix, dim, &basis);
    let mut small = vec![0.0; width * width];
    for i in 0..width {
        for j in 0..width {
            small[i * width + j] = 0.5 * (dot(&basis[i], &image[j]) + dot(&basis[j], &image[i]));
        }
    }
    let (_, ritz) = symmetric_eigen(small, width);
    ritz.iter()
        .take(count)
        .map(|weights| {
            let mut axis = vec![0.0f64; dim];
            for (weight, vector) in weights.iter().zip(&basis) {
                axis.iter_mut().zip(vector).for_each(|(a, v)| *a += weight * v);
            }
            axis.iter().map(|v| *v as f32).collect()
        })
        .collect()
}

fn multiply(matrix: &[f64], dim: usize, vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    vectors.par_iter().map(|vector| simd::run(Product { matrix, dim, vector })).collect()
}

/// A matrix of rows of `dim` times a vector.
struct Product<'a> {
    matrix: &'a [f64],
    dim: usize,
    vector: &'a [f64],
}

impl Kernel for Product<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self) -> Vec<f64> {
        let mut product = Vec::with_capacity(self.matrix.len() / self.dim.max(1));
        for row in self.matrix.chunks_exact(self.dim) {
            product.push(dot(row, self.vector));
        }
        product
    }
}

/// Modified Gram–Schmidt; a vector that vanishes stays zero.
fn orthonormalise(vectors: &mut [Vec<f64>]) {
    for i in 0..vectors.len() {
        let (done, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        for other in done.iter() {
            let part = dot(other, vector);
            vector.iter_mut().zip(other).for_each(|(v, o)| *v -= part * o);
        }
        let norm = dot(vector, vector).sqrt();
        let scale = if norm > 1e-12 { 1.0 / norm } else { 0.0 };
        vector.iter_mut().for_each(|v| *v *= scale);
    }
}

/// Dot product in eight running sums.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_of_a_symmetric_matrix_satisfy_their_equation() {
        let n = 7;
        let stream = Stream::new(1, "matrix");
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let v = stream.uniform((i * n + j) as u64) - 0.5;
                (a[i * n + j], a[j * n + i]) = (v, v);
            }
        }
        let (values, vectors) = symmetric_eigen(a.clone(), n);
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
        for (value, vector) in values.iter().zip(&vectors) {
            for i in 0..n {
                assert!((dot(&a[i * n..(i + 1) * n], vector) - value * vector[i]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_axes_find_the_directions_that_vary() {
        let stream = Stream::new(2, "samples");
        let dim = 20;
        let samples: Vec<f32> = (0..1000 * dim)
            .map(|i| {
                stream.normal(i as u64) as f32
                    * if i % dim == 4 {
                        9.0
                    } else if i % dim == 11 {
                        5.0
                    } else {
                        0.5
                    }
            })
            .collect();
        let (_, axes) = principal_axes(&samples, dim, 2);
        assert!(axes[0][4].abs() > 0.99 && axes[1][11].abs() > 0.99);
    }
}
