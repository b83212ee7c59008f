//! The likest descriptions for another, in any pose, at the price of one pose.
//!
//! The poses of [`posed`] are two swaps of the numbers that can be done in either order. So a description falls into
//! four parts, of 16 numbers each, that a swap leaves as they are or only changes the sign of, and its product with
//! another, in any pose, is the sum of the products of their parts under four signs. All of them are quarters of
//! whole numbers below 2²⁴ / 4, which single precision holds exactly.

use super::keypoints::{Description, NUMBERS, posed};
use crate::simd;

/// Descriptions that lie side by side.
const BLOCK: usize = 32;
/// Descriptions that one block is asked for while it is in the cache.
const TOGETHER: usize = 16;
/// Numbers of a part.
const PART: usize = NUMBERS / 4;

type Parts = [f32; NUMBERS];
/// For every number of the parts, that of each description.
type Block = [[f32; BLOCK]; NUMBERS];

/// One of many descriptions, in a pose (bit 0: mirrored, bit 1: turned).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Like {
    /// The two descriptions' product.
    pub product: f32,
    pub pose: usize,
    pub at: usize,
}

impl Like {
    /// Whether it comes before `other`: of equals the earlier pose does, and of one pose the earlier description.
    #[inline(always)]
    fn before(&self, other: &Like) -> bool {
        self.product > other.product
            || self.product == other.product && (self.pose, self.at) < (other.pose, other.at)
    }
}

/// For each of `those` the `N` descriptions of `all` that are likest to it, in any pose, the likest first. A place that
/// nothing takes has a product of 0.
pub fn likest<const N: usize>(those: &[Description], all: &[Description]) -> Vec<[Like; N]> {
    let blocks: Vec<Block> = all.chunks(BLOCK).map(block).collect();
    let mut found = vec![[Like::default(); N]; those.len()];
    for (those, found) in those.chunks(TOGETHER).zip(found.chunks_mut(TOGETHER)) {
        // A product counts every part four times.
        let those: Vec<Parts> = those.iter().map(|d| parts(d).map(|v| v / 4.0)).collect();
        simd::run(Search { those: &those, blocks: &blocks, found });
    }
    found
}

fn block(descriptions: &[Description]) -> Block {
    let mut block = [[0.0; BLOCK]; NUMBERS];
    for (i, description) in descriptions.iter().enumerate() {
        for (line, value) in block.iter_mut().zip(parts(description)) {
            line[i] = value;
        }
    }
    block
}

/// The four parts one after the other: part k under a pose keeps its sign where `k & pose` has an even number of bits.
fn parts(description: &Description) -> Parts {
    let poses = [0, 1, 2, 3].map(|pose| posed(description, pose & 1 != 0, pose & 2 != 0));
    std::array::from_fn(|i| {
        // Each number of the quarter of the rows and columns that no pose leads to itself.
        let (part, number) = (i / PART, i % PART);
        let at = 16 * (number / 8) + number % 8;
        let [a, b, c, d] =
            [0, 1, 2, 3].map(|pose| if is_odd(part & pose) { -poses[pose][at] } else { poses[pose][at] });
        f32::from(a + b + c + d)
    })
}

fn is_odd(bits: usize) -> bool {
    bits.count_ones() % 2 == 1
}

struct Search<'a, const N: usize> {
    those: &'a [Parts],
    blocks: &'a [Block],
    found: &'a mut [[Like; N]],
}

impl<const N: usize> simd::Kernel for Search<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, block) in self.blocks.iter().enumerate() {
            for (parts, found) in self.those.iter().zip(&mut *self.found) {
                let products = in_poses(parts, block);
                for (pose, products) in products.iter().enumerate() {
                    let least = found[N - 1].product;
                    if !products.iter().fold(false, |any, product| any | (*product >= least)) {
                        continue;
                    }
                    for (i, product) in products.iter().enumerate() {
                        let like = Like { product: *product, pose, at: index * BLOCK + i };
                        // What fills the last block up has a product of 0.
                        if *product > 0.0 && like.before(&found[N - 1]) {
                            let place = found.iter().position(|other| like.before(other)).unwrap_or(N - 1);
                            found[place..].rotate_right(1);
                            found[place] = like;
                        }
                    }
                }
            }
        }
    }
}

/// The products of one description, in each pose, with those of a block.
#[inline(always)]
fn in_poses(those: &Parts, block: &Block) -> [[f32; BLOCK]; 4] {
    let mut of = [[0.0f32; BLOCK]; 4];
    for (sums, (those, lines)) in of.iter_mut().zip(those.chunks_exact(PART).zip(block.chunks_exact(PART))) {
        let mut own = [0.0f32; BLOCK];
        for (value, line) in those.iter().zip(lines) {
            for (sum, other) in own.iter_mut().zip(line) {
                *sum += value * other;
            }
        }
        *sums = own;
    }
    let mut out = [[0.0f32; BLOCK]; 4];
    for i in 0..BLOCK {
        let [a, b, c, d] = [of[0][i], of[1][i], of[2][i], of[3][i]];
        let (even, odd) = ((a + c, a - c), (b + d, b - d));
        out[0][i] = even.0 + odd.0;
        out[1][i] = even.0 - odd.0;
        out[2][i] = even.1 + odd.1;
        out[3][i] = even.1 - odd.1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptions of small and of the largest numbers, some of them alike.
    fn descriptions(count: usize) -> Vec<Description> {
        let stream = crate::random::Stream::new(9, "descriptions");
        let number = |n: usize, i: usize| (stream.uniform((n % 60 * NUMBERS + i) as u64) * 255.99) as i16;
        let mut all: Vec<Description> = (0..count).map(|n| std::array::from_fn(|i| number(n, i))).collect();
        all.extend([[255; NUMBERS], [0; NUMBERS]]);
        all
    }

    #[test]
    fn the_likest_are_those_of_the_products_of_all_poses_in_order() {
        let all = descriptions(70);
        let those =
            [all[3], posed(&all[40], true, false), posed(&all[69], true, true), [255; NUMBERS], [0; NUMBERS]];
        for (own, found) in those.iter().zip(likest::<4>(&those, &all)) {
            let mut expected: Vec<Like> = (0..4)
                .flat_map(|pose| (0..all.len()).map(move |at| (pose, at)))
                .map(|(pose, at)| {
                    let posed = posed(own, pose & 1 != 0, pose & 2 != 0);
                    let products = posed.iter().zip(&all[at]).map(|(a, b)| i32::from(*a) * i32::from(*b));
                    let product: i32 = products.sum();
                    Like { product: product as f32, pose, at }
                })
                .filter(|like| like.product > 0.0)
                .collect();
            // Stable: of equals the earlier pose and description stays first.
            expected.sort_by(|a, b| b.product.total_cmp(&a.product));
            expected.resize(expected.len().max(4), Like::default());
            assert_eq!(found[..], expected[..4]);
        }
    }

    #[test]
    fn likeness_is_the_same_on_any_machine() {
        let all = descriptions(40);
        let blocks: Vec<Block> = all.chunks(BLOCK).map(block).collect();
        let those: Vec<Parts> = all.iter().map(parts).collect();
        let (mut wide, mut plain) =
            (vec![[Like::default(); 4]; all.len()], vec![[Like::default(); 4]; all.len()]);
        simd::run(Search { those: &those, blocks: &blocks, found: &mut wide });
        simd::Kernel::run(Search { those: &those, blocks: &blocks, found: &mut plain });
        assert_eq!(wide, plain);
    }
}
