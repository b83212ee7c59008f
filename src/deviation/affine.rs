//! Affine placements of one picture on another, and their refinement by Gauss–Newton.

use crate::raster::Plane;
use crate::simd;

/// A map from output to reference positions. Positions count from the corner of the grid: the centre of
/// the first pixel is (0.5, 0.5), so that a change of grid is a mere scaling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// [a, b, c, d, e, f] of x′ = a x + b y + c, y′ = d x + e y + f.
    pub m: [f64; 6],
}

impl Affine {
    /// The map from a `width` × `height` picture under one of the eight symmetries back to the picture
    /// (bit 0: mirrored, bit 1: upside down, bit 2: transposed), and the size of the former.
    pub fn symmetry(symmetry: u8, width: usize, height: usize) -> (Affine, usize, usize) {
        let axis = |flip: bool, n: usize| if flip { (-1.0, n as f64) } else { (1.0, 0.0) };
        let ((sx, ox), (sy, oy)) = (axis(symmetry & 1 != 0, width), axis(symmetry & 2 != 0, height));
        if symmetry & 4 != 0 {
            (Affine { m: [0.0, sx, ox, sy, 0.0, oy] }, height, width)
        } else {
            (Affine { m: [sx, 0.0, ox, 0.0, sy, oy] }, width, height)
        }
    }

    /// The same map for positions that count from (`x`, `y`).
    pub fn shifted(&self, x: f64, y: f64) -> Affine {
        let (c, f) = self.at(x, y);
        let [a, b, _, d, e, _] = self.m;
        Affine { m: [a, b, c, d, e, f] }
    }

    #[inline]
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.m;
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// Reference pixels per output pixel: the square root of the area scale.
    pub fn scale(&self) -> f64 {
        let [a, b, _, d, e, _] = self.m;
        (a * e - b * d).abs().sqrt()
    }

    /// Ratio of the larger to the smaller singular value: 1 for a similarity, large for a sheared map.
    pub fn anisotropy(&self) -> f64 {
        let [a, b, _, d, e, _] = self.m;
        let (sum, det) = (a * a + b * b + d * d + e * e, (a * e - b * d).abs());
        let root = (sum * sum - 4.0 * det * det).max(0.0).sqrt();
        ((sum + root) / (sum - root).max(1e-12)).sqrt()
    }

    /// The same map between grids scaled by `output` and `reference` (x and y factors).
    pub fn rescaled(&self, output: (f64, f64), reference: (f64, f64)) -> Affine {
        let [a, b, c, d, e, f] = self.m;
        let ((ox, oy), (rx, ry)) = (output, reference);
        Affine { m: [a * rx / ox, b * rx / oy, c * rx, d * ry / ox, e * ry / oy, f * ry] }
    }
}

/// A placement and how well the two fields agree under it.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub map: Affine,
    /// |normalised cross-correlation| over the overlap, in 0..=1.
    pub ncc: f64,
    /// How much that says: Fisher's z of the correlation in standard errors, up to a factor that all
    /// placements of a pair share. A fair agreement everywhere outweighs a good one in a corner.
    pub evidence: f64,
}

impl Fit {
    /// A placement of which nothing is known yet.
    pub fn unknown(map: Affine) -> Fit {
        Fit { map, ncc: 0.0, evidence: 0.0 }
    }
}

/// Least overlap, as a share of the smaller picture, that a placement may have.
pub const LEAST_OVERLAP: f64 = 0.4;

/// The placement near `start` at which `reference` seen through it agrees best with `output` up to gain,
/// sign and offset: Gauss–Newton (Lucas and Kanade 1981; Baker and Matthews 2004), every `stride`-th pixel.
pub fn refine(output: &Plane, reference: &Plane, start: Affine, iterations: usize, stride: usize) -> Fit {
    let mut best = Fit::unknown(start);
    let mut map = start;
    for iteration in 0..=iterations {
        let Some(normal) = Normal::gather(output, reference, &map, stride) else { break };
        let (gain, ncc) = normal.gain_and_ncc();
        if ncc > best.ncc {
            let samples = normal.n * map.scale().powi(2).min(1.0);
            best = Fit { map, ncc, evidence: ncc.min(0.9999).atanh() * samples.sqrt() };
        } else if iteration > 3 && ncc < best.ncc - 0.01 {
            break;
        }
        let Some(step) = normal.step(gain) else { break };
        let half = half_side(output);
        let (cx, cy) = centre(output);
        // The step is in pixels at the edge of the picture, about its centre.
        let [a, b, c, d, e, f] = step.map(|v| v.clamp(-8.0, 8.0));
        let m = &mut map.m;
        m[0] += a / half;
        m[1] += b / half;
        m[2] += c - (a * cx + b * cy) / half;
        m[3] += d / half;
        m[4] += e / half;
        m[5] += f - (d * cx + e * cy) / half;
        if map.anisotropy() > 1.7 || !(0.2..5.0).contains(&map.scale()) {
            break;
        }
        if step.iter().all(|v| v.abs() < 0.01) {
            break;
        }
    }
    best
}

fn half_side(plane: &Plane) -> f64 {
    plane.width().max(plane.height()) as f64 / 2.0
}

fn centre(plane: &Plane) -> (f64, f64) {
    (plane.width() as f64 / 2.0, plane.height() as f64 / 2.0)
}

/// Sums of products of [∂x·X, ∂x·Y, ∂x, ∂y·X, ∂y·Y, ∂y, R, O, 1] over the overlap.
struct Normal {
    /// Pixels in the overlap.
    n: f64,
    s: [[f64; 9]; 9],
}

const R: usize = 6;
const O: usize = 7;
const ONE: usize = 8;

impl Normal {
    fn gather(output: &Plane, reference: &Plane, map: &Affine, stride: usize) -> Option<Normal> {
        let mut sums = [[0.0f64; 9]; 9];
        simd::run(Gather { output, reference, map, stride, sums: &mut sums });
        let n = sums[ONE][ONE];
        let area = |p: &Plane| (p.width() * p.height()) as f64;
        let seen = n * (stride * stride) as f64;
        // The smaller picture as seen on the output's grid.
        let smaller = area(output).min(area(reference) / map.scale().powi(2));
        if seen < LEAST_OVERLAP * smaller || n < 64.0 {
            return None;
        }
        // Means removed, symmetric.
        let mut s = [[0.0; 9]; 9];
        for i in 0..9 {
            for j in i..9 {
                s[i][j] = sums[i][j] - sums[i][ONE] * sums[j][ONE] / n;
                s[j][i] = s[i][j];
            }
        }
        Some(Normal { n, s })
    }

    fn gain_and_ncc(&self) -> (f64, f64) {
        let s = &self.s;
        let (vr, vo) = (s[R][R].max(1e-9), s[O][O].max(1e-9));
        (s[R][O] / vr, (s[R][O].abs() / (vr * vo).sqrt()).min(1.0))
    }

    /// Solves (JᵀJ + λ diag) δ = Jᵀr with J = gain · ∂R and r = O − gain · R.
    fn step(&self, gain: f64) -> Option<[f64; 6]> {
        if gain.abs() < 1e-3 {
            return None;
        }
        let s = &self.s;
        let mut a = [[0.0; 6]; 6];
        let mut b = [0.0; 6];
        for i in 0..6 {
            for j in 0..6 {
                a[i][j] = gain * gain * s[i][j];
            }
            a[i][i] += 1e-3 * a[i][i] + 1e-9;
            b[i] = gain * (s[i][O] - gain * s[i][R]);
        }
        solve(a, b)
    }
}

/// Adds up the products of every `stride`-th pixel in both directions, the upper triangle alone.
struct Gather<'a> {
    output: &'a Plane,
    reference: &'a Plane,
    map: &'a Affine,
    stride: usize,
    sums: &'a mut [[f64; 9]; 9],
}

/// Pixels whose products are added up side by side.
const LANES: usize = 8;
/// What is multiplied, of so many pixels.
type Lanes = [[f32; LANES]; 9];
/// Products of the upper triangle.
const PRODUCTS: usize = 45;

impl simd::Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run(self) {
        let Gather { output, reference, map, stride, sums } = self;
        let (cx, cy) = centre(output);
        let (cx, cy, inverse_half) = (cx as f32, cy as f32, (1.0 / half_side(output)) as f32);
        let (width, height) = (reference.width() as f32, reference.height() as f32);
        let m = map.m.map(|v| v as f32);
        let columns = output.width().saturating_sub(stride / 2).div_ceil(stride);
        let mut lanes: Vec<Lanes> = vec![[[0.0; LANES]; 9]; columns.div_ceil(LANES)];
        for y in (stride / 2..output.height()).step_by(stride) {
            let v = y as f32 + 0.5;
            let yn = (v - cy) * inverse_half;
            let values = output.row(y);
            let column = |i: usize| stride / 2 + i * stride;
            let place = |u: f32| (m[0] * u + m[1] * v + m[2] - 0.5, m[3] * u + m[4] * v + m[5] - 0.5);
            let is_inside = |i: &usize| {
                let (x, y) = place(column(*i) as f32 + 0.5);
                x >= 0.5 && y >= 0.5 && x < width - 2.5 && y < height - 2.5
            };
            // A line crosses the reference in one piece.
            let Some(first) = (0..columns).find(is_inside) else { continue };
            let end = (first..columns).rev().find(is_inside).unwrap_or(first) + 1;
            let used = (end - first).div_ceil(LANES);
            for (from, lanes) in (first..end).step_by(LANES).zip(&mut lanes) {
                let count = LANES.min(end - from);
                let (mut u, mut own) = ([0.0f32; LANES], [0.0f32; LANES]);
                for k in 0..LANES {
                    u[k] = column(from + k.min(count - 1)) as f32 + 0.5;
                    own[k] = values[column(from + k.min(count - 1))];
                }
                let (mut at, mut fx, mut fy) = ([0i32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
                for k in 0..LANES {
                    let (x, y) = place(u[k]);
                    let (x0, y0) = (x as i32, y as i32);
                    (fx[k], fy[k]) = (x - x0 as f32, y - y0 as f32);
                    at[k] = y0 * reference.width() as i32 + x0;
                }
                let corners = corners(reference, &at);
                for k in 0..LANES {
                    let [p0, p1, q0, q1] = [corners[0][k], corners[1][k], corners[2][k], corners[3][k]];
                    let (top, bottom) = (p0 + (p1 - p0) * fx[k], q0 + (q1 - q0) * fx[k]);
                    let dx = (p1 - p0) * (1.0 - fy[k]) + (q1 - q0) * fy[k];
                    let dy = bottom - top;
                    let xn = (u[k] - cx) * inverse_half;
                    lanes[0][k] = dx * xn;
                    lanes[1][k] = dx * yn;
                    lanes[2][k] = dx;
                    lanes[3][k] = dy * xn;
                    lanes[4][k] = dy * yn;
                    lanes[5][k] = dy;
                    lanes[6][k] = top + dy * fy[k];
                    lanes[7][k] = own[k];
                    lanes[8][k] = 1.0;
                }
                if count < LANES {
                    lanes.iter_mut().for_each(|lane| lane[count..].fill(0.0));
                }
            }
            // One row in single precision, rows in double: fast, and precise enough.
            let mut row = [[0.0f32; LANES]; PRODUCTS];
            add_products(&lanes[..used], &mut row);
            let mut products = row.iter();
            for (i, sums) in sums.iter_mut().enumerate() {
                for (sum, product) in sums[i..].iter_mut().zip(products.by_ref()) {
                    *sum += f64::from(product.iter().sum::<f32>());
                }
            }
        }
    }
}

/// The upper left, upper right, lower left and lower right of the four pixels from each place on.
#[inline(always)]
fn corners(plane: &Plane, at: &[i32; LANES]) -> [[f32; LANES]; 4] {
    let (width, data) = (plane.width(), plane.data());
    let mut corners = [[0.0; LANES]; 4];
    for (k, at) in at.iter().enumerate() {
        let at = *at as usize;
        let (p, q) = (&data[at..at + 2], &data[at + width..at + width + 2]);
        corners[0][k] = p[0];
        corners[1][k] = p[1];
        corners[2][k] = q[0];
        corners[3][k] = q[1];
    }
    corners
}

/// As many products in one pass as the registers hold the sums of.
#[inline(always)]
fn add_products(lanes: &[Lanes], row: &mut [[f32; LANES]; PRODUCTS]) {
    add_lines::<0, 1, 9>(lanes, row);
    add_lines::<1, 2, 8>(lanes, row);
    add_lines::<2, 3, 7>(lanes, row);
    add_lines::<3, 5, 11>(lanes, row);
    add_lines::<5, 9, 10>(lanes, row);
}

/// The products of lines `FROM..TO` of the triangle, `COUNT` of them.
#[inline(always)]
fn add_lines<const FROM: usize, const TO: usize, const COUNT: usize>(
    lanes: &[Lanes],
    row: &mut [[f32; LANES]; PRODUCTS],
) {
    let mut sums = [[0.0f32; LANES]; COUNT];
    for lanes in lanes {
        let mut at = 0;
        for i in FROM..TO {
            for j in i..9 {
                for k in 0..LANES {
                    sums[at][k] += lanes[i][k] * lanes[j][k];
                }
                at += 1;
            }
        }
    }
    // Lines before have 9, 8, 7 … products.
    let before = FROM * 9 - FROM * FROM.saturating_sub(1) / 2;
    row[before..before + COUNT].copy_from_slice(&sums);
}

/// Cholesky solution of a symmetric positive definite system; `None` where it is not.
fn solve(mut a: [[f64; 6]; 6], mut b: [f64; 6]) -> Option<[f64; 6]> {
    for i in 0..6 {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            if i == j {
                if sum <= 0.0 {
                    return None;
                }
                a[i][i] = sum.sqrt();
            } else {
                a[i][j] = sum / a[j][j];
            }
        }
    }
    for i in 0..6 {
        b[i] = (b[i] - (0..i).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    for i in (0..6).rev() {
        b[i] = (b[i] - (i + 1..6).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::filter::gaussian;

    const SHEARED: Affine = Affine { m: [1.02, 0.03, 2.4, -0.05, 0.97, -1.7] };

    fn field() -> Plane {
        let stream = crate::random::Stream::new(5, "field");
        let white = Plane::from_fn(80, 60, |x, y| stream.normal((y * 80 + x) as u64) as f32);
        gaussian(&white, 2.0, 4.0)
    }

    #[test]
    fn refinement_finds_a_small_affine_map_in_either_sign() {
        let reference = field();
        for gain in [1.0f32, -0.6] {
            let output = Plane::from_fn(80, 60, |x, y| {
                let (u, v) = SHEARED.at(x as f64 + 0.5, y as f64 + 0.5);
                gain * reference.bilinear(u as f32 - 0.5, v as f32 - 0.5) + 0.1
            });
            let start = Affine { m: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] };
            let fit = refine(&output, &reference, start, 20, 1);
            assert!(fit.ncc > 0.99, "{fit:?}");
            for (x, y) in [(5.0, 5.0), (75.0, 5.0), (40.0, 55.0)] {
                let (found, expected) = (fit.map.at(x, y), SHEARED.at(x, y));
                assert!((found.0 - expected.0).abs() + (found.1 - expected.1).abs() < 0.3, "{fit:?}");
            }
        }
    }

    #[test]
    fn a_change_of_grid_moves_no_point() {
        let (x, y) = (13.0, 7.5);
        let (u, v) = SHEARED.at(x, y);
        let there = SHEARED.rescaled((0.5, 0.25), (2.0, 3.0)).at(x * 0.5, y * 0.25);
        assert!((there.0 - u * 2.0).abs() < 1e-9 && (there.1 - v * 3.0).abs() < 1e-9);
        let counted_from_there = SHEARED.shifted(3.0, 4.0).at(x - 3.0, y - 4.0);
        assert!((counted_from_there.0 - u).abs() < 1e-9 && (counted_from_there.1 - v).abs() < 1e-9);
    }

    #[test]
    fn the_eight_symmetries_send_the_corner_to_the_four_corners() {
        let mut corners: Vec<(i64, i64)> = (0..8)
            .map(|s| {
                let (x, y) = Affine::symmetry(s, 30, 20).0.at(0.0, 0.0);
                (x as i64, y as i64)
            })
            .collect();
        corners.sort_unstable();
        corners.dedup();
        assert_eq!(corners, [(0, 0), (0, 20), (30, 0), (30, 20)]);
    }
}
