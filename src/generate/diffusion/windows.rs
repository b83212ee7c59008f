//! Pictures larger than a model was trained for: each step is drawn in windows that overlap, and what the model makes of
//! each is blended (MultiDiffusion, Bar-Tal et al. 2023).

use candle_core::{Device, Tensor};

use crate::generate::GenerateError;

/// How many times the side that a model was trained for is drawn at once: a little more does no harm, and people are used
/// to it.
const AT_ONCE: f64 = 1.5;
/// Share of a window that the next one overlaps, at least. Over this share its weight rises from its edge.
const OVERLAP: f64 = 0.25;
/// Shortest side of a window in latents: less shows nothing, and takes for ever.
const LEAST: usize = 8;

/// The windows of one size that latents are drawn in; one, if they are few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Rows and columns of all latents.
    whole: [usize; 2],
    /// Those of a window.
    size: [usize; 2],
    tops: Vec<usize>,
    lefts: Vec<usize>,
}

impl Windows {
    /// Over so many rows and columns for a model that was trained on squares of `trained` latents; windows begin at
    /// multiples of `unit`, which `whole` is made of, too.
    pub fn over(whole: [usize; 2], trained: usize, unit: usize) -> Windows {
        let trained = trained.max(LEAST).next_multiple_of(unit);
        let [(size_y, tops), (size_x, lefts)] = whole.map(|length| along(length, trained, unit));
        Windows { whole, size: [size_y, size_x], tops, lefts }
    }

    pub fn count(&self) -> usize {
        self.tops.len() * self.lefts.len()
    }

    /// Rows and columns of each.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Rows and columns of all latents.
    pub fn whole(&self) -> [usize; 2] {
        self.whole
    }

    /// Row and column at which each begins.
    pub fn corners(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        self.tops.iter().flat_map(|top| self.lefts.iter().map(|left| [*top, *left]))
    }

    /// What `draw` makes of the latents of each window, which it is told the number of, blended to one tensor.
    pub fn each(
        &self,
        latents: &Tensor,
        failed: &dyn Fn(candle_core::Error) -> GenerateError,
        mut draw: impl FnMut(usize, &Tensor) -> Result<Tensor, GenerateError>,
    ) -> Result<Tensor, GenerateError> {
        if self.count() == 1 {
            return draw(0, latents);
        }
        let weights = self.weights().map_err(failed)?;
        let mut sum: Option<(Tensor, Tensor)> = None;
        for (i, corner) in self.corners().enumerate() {
            let drawn = draw(i, &self.cut(latents, corner).map_err(failed)?)?;
            let add = || {
                let drawn = self.placed(&drawn.broadcast_mul(&weights)?, corner)?;
                let weight = self.placed(&weights, corner)?;
                match &sum {
                    Some((all, total)) => Ok(((all + drawn)?, (total + weight)?)),
                    None => Ok((drawn, weight)),
                }
            };
            sum = Some(add().map_err(failed)?);
        }
        let blended = sum.map(|(all, total)| all.broadcast_div(&total));
        blended.unwrap_or_else(|| latents.zeros_like()).map_err(failed)
    }

    fn cut(&self, latents: &Tensor, [top, left]: [usize; 2]) -> candle_core::Result<Tensor> {
        latents.narrow(2, top, self.size[0])?.narrow(3, left, self.size[1])?.contiguous()
    }

    /// A window's numbers among zeros.
    fn placed(&self, window: &Tensor, [top, left]: [usize; 2]) -> candle_core::Result<Tensor> {
        let [below, right] = [self.whole[0] - top - self.size[0], self.whole[1] - left - self.size[1]];
        window.pad_with_zeros(2, top, below)?.pad_with_zeros(3, left, right)
    }

    /// (1, 1, rows, columns): full in the middle, and next to nothing at the edges.
    fn weights(&self) -> candle_core::Result<Tensor> {
        let ramp = |size: usize| {
            let rise = (OVERLAP * size as f64).max(1.0);
            let near = move |i: usize| i.min(size - 1 - i) as f64 + 0.5;
            (0..size).map(move |i| (near(i) / rise).min(1.0))
        };
        let down = ramp(self.size[0]);
        let numbers: Vec<f32> = down.flat_map(|y| ramp(self.size[1]).map(move |x| (x * y) as f32)).collect();
        Tensor::from_vec(numbers, (1, 1, self.size[0], self.size[1]), &Device::Cpu)
    }
}

/// Length of the windows along a side, and where they begin.
fn along(length: usize, trained: usize, unit: usize) -> (usize, Vec<usize>) {
    if length as f64 <= AT_ONCE * trained as f64 {
        return (length, vec![0]);
    }
    // Beginnings are rounded down by less than a unit, so that two windows may lie a unit further apart.
    let stride = ((1.0 - OVERLAP) * trained as f64) as usize;
    let stride = stride.saturating_sub(unit - 1).max(unit);
    let strides = (length - trained).div_ceil(stride);
    let begins = (0..=strides).map(|i| i * (length - trained) / strides / unit * unit);
    (trained, begins.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error: candle_core::Error) -> GenerateError {
        GenerateError::Model { engine: "test", doing: "draw", cause: error.to_string() }
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers")
    }

    /// (1, 2, rows, columns) of waves.
    fn waves([rows, columns]: [usize; 2]) -> Tensor {
        let count = 2 * rows * columns;
        let numbers: Vec<f32> =
            (0..count).map(|i| (i as f32 * 0.37).sin() + (i as f32 / 91.0).cos()).collect();
        Tensor::from_vec(numbers, (1, 2, rows, columns), &Device::Cpu).expect("as many numbers")
    }

    const SIZES: [([usize; 2], usize, usize); 6] = [
        ([64, 64], 64, 1),
        ([96, 40], 64, 1),
        ([97, 40], 64, 1),
        ([192, 130], 64, 1),
        ([98, 300], 32, 2),
        ([40, 26], 16, 2),
    ];

    #[test]
    fn windows_cover_every_latent_and_overlap_by_a_quarter() {
        for (whole, trained, unit) in SIZES {
            let windows = Windows::over(whole, trained, unit);
            let [rows, columns] = windows.size();
            let mut seen = vec![0u32; whole[0] * whole[1]];
            for [top, left] in windows.corners() {
                assert_eq!((top % unit, left % unit), (0, 0), "{whole:?}");
                for (y, x) in (top..top + rows).flat_map(|y| (left..left + columns).map(move |x| (y, x))) {
                    seen[y * whole[1] + x] += 1;
                }
            }
            assert!(seen.iter().all(|times| *times > 0), "{whole:?}");
            for (starts, size) in [(&windows.tops, rows), (&windows.lefts, columns)] {
                let least = (OVERLAP * size as f64) as usize;
                assert!(
                    starts.windows(2).all(|two| two[1] > two[0] && two[0] + size - two[1] >= least),
                    "{whole:?}"
                );
            }
        }
    }

    #[test]
    fn a_picture_that_is_hardly_larger_is_drawn_at_once() {
        for (whole, count) in [([64, 96], 1), ([64, 97], 2), ([97, 97], 4), ([64, 400], 8)] {
            assert_eq!(Windows::over(whole, 64, 1).count(), count, "{whole:?}");
        }
        assert_eq!(Windows::over([64, 96], 64, 1).size(), [64, 96]);
    }

    #[test]
    fn a_model_that_looks_at_single_latents_draws_the_same_in_windows() {
        for (whole, trained, unit) in SIZES {
            let latents = waves(whole);
            let model = |part: &Tensor| (part.sin()? * 2.0)? + part.sqr()?;
            let expected = values(&model(&latents).expect("it computes"));
            let windows = Windows::over(whole, trained, unit);
            let found =
                windows.each(&latents, &failed, |_, part| model(part).map_err(failed)).expect("it blends");
            let off =
                values(&found).iter().zip(&expected).fold(0.0f32, |most, (f, e)| most.max((f - e).abs()));
            assert!(off < 2e-6, "{whole:?}: off by {off}");
        }
    }

    /// The worst there is: windows that agree on nothing. From one latent to the next no more than a ramp's stride changes.
    #[test]
    fn windows_that_disagree_leave_no_seam() {
        let windows = Windows::over([150, 200], 64, 1);
        let said = |i: usize| ((i * 7) % 5) as f32 - 2.0;
        let apart = 4.0;
        let draw = |i: usize, part: &Tensor| {
            (part.zeros_like().and_then(|zeros| zeros + f64::from(said(i)))).map_err(failed)
        };
        let blended = windows.each(&waves([150, 200]), &failed, draw).expect("it blends");
        let numbers = values(&blended);
        let at = |y: usize, x: usize| numbers[y * 200 + x];
        let steps = (0..149).flat_map(|y| (0..199).map(move |x| (y, x)));
        let most = steps.map(|(y, x)| (at(y, x) - at(y + 1, x)).abs().max((at(y, x) - at(y, x + 1)).abs()));
        let most = most.fold(0.0, f32::max);
        assert!(most < apart / 10.0 && most > 0.0, "a step of {most}");
    }
}
