//! Dense products and exponentials for the exact posterior, in plain loops that vectorise.
//!
//! Only additions and multiplications in a fixed order: the same bits on every machine.

/// Columns of a panel: two of the wider vectors.
const WIDE: usize = 16;
/// Rows that share a panel's loads.
const TALL: usize = 4;

/// A `depth × columns` matrix, packed in panels of sixteen columns (zeros fill the last).
pub struct Panels {
    depth: usize,
    panels: usize,
    data: Vec<f32>,
}

impl Panels {
    /// Element (k, j) is `f(k, j)`.
    pub fn new(depth: usize, columns: usize, f: impl Fn(usize, usize) -> f32) -> Self {
        let panels = columns.div_ceil(WIDE);
        let mut data = Vec::with_capacity(panels * depth * WIDE);
        for p in 0..panels {
            for k in 0..depth {
                data.extend((p * WIDE..(p + 1) * WIDE).map(|j| if j < columns { f(k, j) } else { 0.0 }));
            }
        }
        Panels { depth, panels, data }
    }

    /// Columns of a product, padding included.
    pub fn stride(&self) -> usize {
        self.panels * WIDE
    }

    /// `rows` (each of `depth` values, a multiple of four of them) times this matrix, into `out`.
    #[inline(always)]
    pub fn multiply(&self, rows: &[f32], out: &mut [f32]) {
        let stride = self.stride();
        for (p, panel) in self.data.chunks_exact(self.depth * WIDE).enumerate() {
            for (group, out) in rows.chunks_exact(TALL * self.depth).zip(out.chunks_exact_mut(TALL * stride))
            {
                let sums = self.tile(group, panel);
                for (row, sums) in out.chunks_exact_mut(stride).zip(sums) {
                    row[p * WIDE..(p + 1) * WIDE].copy_from_slice(&sums);
                }
            }
        }
    }

    #[inline(always)]
    fn tile(&self, group: &[f32], panel: &[f32]) -> [[f32; WIDE]; TALL] {
        let (a, rest) = group.split_at(self.depth);
        let (b, rest) = rest.split_at(self.depth);
        let (c, d) = rest.split_at(self.depth);
        let mut sums = [[0.0f32; WIDE]; TALL];
        for ((((a, b), c), d), line) in a.iter().zip(b).zip(c).zip(d).zip(panel.chunks_exact(WIDE)) {
            for i in 0..WIDE {
                sums[0][i] += a * line[i];
                sums[1][i] += b * line[i];
                sums[2][i] += c * line[i];
                sums[3][i] += d * line[i];
            }
        }
        sums
    }
}

/// eˣ for x ≤ 0 to six digits; below −80 it is e⁻⁸⁰.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to a whole number, and leaves that number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let z = x.max(-80.0) * std::f32::consts::LOG2_E;
    let whole = z + ROUND;
    let t = (z - (whole - ROUND)) * std::f32::consts::LN_2;
    let p = 1.0 + t * (1.0 + t * (0.5 + t * (1.0 / 6.0 + t * (1.0 / 24.0 + t * (1.0 / 120.0)))));
    f32::from_bits(p.to_bits().wrapping_add(whole.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_six_digits() {
        for i in 0..8000 {
            let x = -f64::from(i) / 100.0;
            let error = (f64::from(exp(x as f32)) / x.exp() - 1.0).abs();
            assert!(error < 1e-5, "{x}: {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-30);
    }

    #[test]
    fn a_product_in_panels_is_the_product() {
        let (depth, columns) = (13, 21);
        let element = |k: usize, j: usize| ((k * 7 + j * 3) % 11) as f32 - 5.0;
        let panels = Panels::new(depth, columns, element);
        let rows: Vec<f32> = (0..8 * depth).map(|i| (i % 5) as f32 - 2.0).collect();
        let mut out = vec![0.0; 8 * panels.stride()];
        panels.multiply(&rows, &mut out);
        for r in 0..8 {
            for j in 0..columns {
                let sum: f32 = (0..depth).map(|k| rows[r * depth + k] * element(k, j)).sum();
                assert_eq!(out[r * panels.stride() + j], sum);
            }
        }
    }
}
