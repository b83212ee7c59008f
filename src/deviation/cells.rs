//! Local sums of products on a coarse grid of square cells: windowed statistics at little cost.

use crate::raster::Plane;
use crate::raster::filter::gaussian;

/// Sums of N quantities over cells of `side` × `side` pixels.
pub struct Cells<const N: usize> {
    pub side: usize,
    pub planes: Vec<Plane>,
}

impl<const N: usize> Cells<N> {
    /// Adds up `f(x, y)` over a grid of `width` × `height`; where `f` is `None` nothing is added.
    pub fn gather(
        width: usize,
        height: usize,
        side: usize,
        mut f: impl FnMut(usize, usize) -> Option<[f32; N]>,
    ) -> Self {
        Cells::gather_rows(width, height, side, |y, sums| {
            for (cell, sums) in sums.iter_mut().enumerate() {
                for x in cell * side..((cell + 1) * side).min(width) {
                    if let Some(values) = f(x, y) {
                        for (s, v) in sums.iter_mut().zip(values) {
                            *s += v;
                        }
                    }
                }
            }
        })
    }

    /// The same row by row: `f(y, sums)` adds what row y gives to each cell to sums of 0.
    pub fn gather_rows(
        width: usize,
        height: usize,
        side: usize,
        mut f: impl FnMut(usize, &mut [[f32; N]]),
    ) -> Self {
        let (columns, rows) = (width.div_ceil(side), height.div_ceil(side));
        let mut planes = vec![Plane::filled(columns, rows, 0.0); N];
        let mut sums = vec![[0.0f32; N]; columns];
        for y in 0..height {
            sums.fill([0.0; N]);
            f(y, &mut sums);
            for (k, plane) in planes.iter_mut().enumerate() {
                let line = &mut plane.data_mut()[y / side * columns..][..columns];
                line.iter_mut().zip(&sums).for_each(|(total, sums)| *total += sums[k]);
            }
        }
        Cells { side, planes }
    }

    /// Every sum spread by a Gaussian window of `sigma` pixels.
    pub fn windowed(&self, sigma: f32) -> Self {
        let sigma = sigma / self.side as f32;
        Cells { side: self.side, planes: self.planes.iter().map(|p| gaussian(p, sigma, 3.0)).collect() }
    }

    pub fn columns(&self) -> usize {
        self.planes[0].width()
    }

    pub fn rows(&self) -> usize {
        self.planes[0].height()
    }

    #[inline]
    pub fn at(&self, i: usize) -> [f32; N] {
        std::array::from_fn(|k| self.planes[k].data()[i])
    }
}
