//! Large pictures in tiles, so that what is between the layers stays small.

use std::ops::Range;

use candle_core::Tensor;

use super::super::ops::numbers::{Numbers, tensor};
use super::SCALE;

/// Latents that are coded at once, and the longest side of a tile: a picture of 768 × 768 pixels.
const AT_ONCE: usize = 96 * 96;
const LONGEST: usize = 96;
/// Latents that neighbouring tiles have in common, at least: 128 pixels. Over half of them one passes into the other; the
/// outer quarters, which see too little of what is around them, hardly count.
const OVERLAP: usize = 16;
const RAMP: usize = OVERLAP / 2;

/// Tiles of one size that cover all latents; one, if they are few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    whole: [usize; 2],
    size: [usize; 2],
    tops: Vec<usize>,
    lefts: Vec<usize>,
}

/// Which way a picture is coded: how many numbers of a side stand for a latent before, and behind.
#[derive(Clone, Copy)]
pub struct Way {
    before: usize,
    behind: usize,
}

pub const ENCODE: Way = Way { before: SCALE, behind: 1 };
pub const DECODE: Way = Way { before: 1, behind: SCALE };

impl Tiles {
    /// Over so many rows and columns of latents.
    pub fn over(whole: [usize; 2]) -> Tiles {
        let at_once = whole[0].saturating_mul(whole[1]) <= AT_ONCE;
        let [(rows, tops), (columns, lefts)] =
            whole.map(|length| if at_once { (length, vec![0]) } else { along(length) });
        Tiles { whole, size: [rows, columns], tops, lefts }
    }

    /// Rows and columns of each.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    pub fn count(&self) -> usize {
        self.tops.len() * self.lefts.len()
    }

    /// What `code` makes of each tile of `x`, (1, channels, height, width), put together: where tiles overlap, their
    /// shares rise towards their middles, and make up one.
    pub fn each(
        &self,
        x: &Tensor,
        way: Way,
        mut code: impl FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        if self.count() == 1 {
            return code(x);
        }
        let [rows, columns] = self.size;
        let [height, width] = self.whole.map(|side| side * way.behind);
        let across = shares(&self.lefts, columns, self.whole[1], way.behind);
        let down = shares(&self.tops, rows, self.whole[0], way.behind);
        let mut all: Vec<f32> = Vec::new();
        let mut channels = 0;
        for (top, down) in self.tops.iter().zip(&down) {
            for (left, across) in self.lefts.iter().zip(&across) {
                let part = x.narrow(2, top * way.before, rows * way.before)?;
                let part = part.narrow(3, left * way.before, columns * way.before)?.contiguous()?;
                let made = code(&part)?.contiguous()?;
                let sides = [made.dim(2)?, made.dim(3)?];
                if sides != [rows * way.behind, columns * way.behind] {
                    candle_core::bail!("a tile of {sides:?} instead of {:?} latents", self.size);
                }
                channels = made.dim(1)?;
                all.resize(channels * height * width, 0.0);
                let corner = [top * way.behind, left * way.behind];
                add(&mut all, [height, width], &Numbers::of(&made)?, corner, [down, across]);
            }
        }
        tensor(all, (1, channels, height, width))
    }
}

/// Adds a tile's numbers by their shares.
fn add(
    all: &mut [f32],
    [height, width]: [usize; 2],
    tile: &[f32],
    [top, left]: [usize; 2],
    shares: [&[f32]; 2],
) {
    let [down, across] = shares;
    let planes = all.chunks_exact_mut(height * width).zip(tile.chunks_exact(down.len() * across.len()));
    for (all, tile) in planes {
        let rows = all.chunks_exact_mut(width).skip(top).zip(tile.chunks_exact(across.len()));
        for ((all, tile), of_row) in rows.zip(down) {
            for ((to, x), share) in all[left..].iter_mut().zip(tile).zip(across) {
                *to += x * share * of_row;
            }
        }
    }
}

/// Length of the tiles along a side, and where they begin: as few as do.
fn along(length: usize) -> (usize, Vec<usize>) {
    let count = length.saturating_sub(OVERLAP).div_ceil(LONGEST - OVERLAP).max(1);
    let size = (length + (count - 1) * OVERLAP).div_ceil(count);
    let begins = (0..count).map(|i| i * (length - size) / (count - 1).max(1));
    (size, begins.collect())
}

/// Of each tile along a side, the shares of its numbers, so many to a latent; those of all tiles make up one.
fn shares(begins: &[usize], size: usize, length: usize, scale: usize) -> Vec<Vec<f32>> {
    let near = |i: usize| i.min(size * scale - 1 - i) as f64 + 0.5 - (scale * (OVERLAP - RAMP) / 2) as f64;
    // At the picture's own edges there is no other tile, and the least share becomes all of it.
    let weight = |i: usize| (near(i) / (RAMP * scale) as f64).clamp(1e-6, 1.0);
    let of = |begin: usize| -> Range<usize> { begin * scale..(begin + size) * scale };
    let mut sums = vec![0.0; length * scale];
    for begin in begins {
        of(*begin).for_each(|at| sums[at] += weight(at - begin * scale));
    }
    let shares =
        |begin: &usize| of(*begin).map(|at| (weight(at - begin * scale) / sums[at]) as f32).collect();
    begins.iter().map(shares).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves([rows, columns]: [usize; 2], channels: usize) -> Tensor {
        let numbers = (0..channels * rows * columns).map(|i| (i as f32 * 0.37).sin()).collect();
        tensor(numbers, (1, channels, rows, columns)).expect("as many numbers")
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers")
    }

    const SIZES: [[usize; 2]; 5] = [[128, 128], [97, 96], [300, 40], [20, 1000], [241, 160]];

    #[test]
    fn tiles_cover_every_latent_are_bounded_and_overlap() {
        for whole in SIZES {
            let tiles = Tiles::over(whole);
            assert!(tiles.count() > 1 && tiles.size().iter().all(|side| *side <= LONGEST), "{tiles:?}");
            for (begins, size, length) in
                [(&tiles.tops, tiles.size[0], whole[0]), (&tiles.lefts, tiles.size[1], whole[1])]
            {
                assert!(begins[0] == 0 && begins[begins.len() - 1] + size == length, "{tiles:?}");
                assert!(
                    begins.windows(2).all(|two| two[1] > two[0] && two[1] + OVERLAP <= two[0] + size),
                    "{tiles:?}"
                );
            }
        }
        assert_eq!(Tiles::over([96, 96]).count(), 1);
        assert_eq!(Tiles::over([48, 190]).count(), 1, "a strip of as many latents");
        assert_eq!((Tiles::over([128, 128]).count(), Tiles::over([128, 128]).size()), (4, [72, 72]));
    }

    #[test]
    fn what_looks_at_single_numbers_is_the_same_in_tiles() {
        for whole in SIZES {
            let tiles = Tiles::over(whole);
            let x = waves(whole, 2);
            let decode = |x: &Tensor| {
                let (_, _, rows, columns) = x.dims4()?;
                x.upsample_nearest2d(SCALE * rows, SCALE * columns)? * 2.0
            };
            let expected = decode(&x).expect("it computes");
            let found = tiles.each(&x, DECODE, decode).expect("it computes");
            let most = |a: &Tensor, b: &Tensor| {
                values(a).iter().zip(values(b)).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()))
            };
            assert!(most(&found, &expected) < 1e-5, "{whole:?}");
            let back = tiles.each(&expected, ENCODE, |x| x.avg_pool2d(SCALE)? / 2.0).expect("it computes");
            assert!(most(&back, &x) < 1e-5, "{whole:?}");
        }
    }

    /// The worst there is: tiles that agree on nothing. From one pixel to the next no more than a ramp's stride changes.
    #[test]
    fn tiles_that_disagree_leave_no_seam() {
        let (whole, mut i) = ([130, 150], 0);
        let found = Tiles::over(whole).each(&waves(whole, 1), DECODE, |x| {
            i += 1;
            let (_, _, rows, columns) = x.dims4()?;
            tensor(
                vec![if i % 3 == 0 { 1.0 } else { -1.0 }; rows * columns * SCALE * SCALE],
                (1, 1, SCALE * rows, SCALE * columns),
            )
        });
        let (found, width) = (values(&found.expect("it blends")), SCALE * whole[1]);
        let beside = found
            .windows(2)
            .enumerate()
            .filter(|(at, _)| (at + 1) % width != 0)
            .map(|(_, two)| two[1] - two[0]);
        let below = found.iter().zip(&found[width..]).map(|(a, b)| b - a);
        let most = beside.chain(below).fold(0.0f32, |most, step| most.max(step.abs()));
        assert!(most > 0.0 && most < 1.01 * 2.0 / (RAMP * SCALE) as f32, "{most}");
    }
}
