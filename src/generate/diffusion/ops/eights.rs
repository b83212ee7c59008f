//! Q8_0's blocks, laid out for products without being widened before: they are as many as the numbers of a panel.

use super::kernels::{Kernel, Rights, Term, Vector, run};
use super::widen::at;

/// Numbers of a block; its bytes are their scale and they.
const NUMBERS: usize = 32;
pub const BLOCK: usize = 2 + NUMBERS;
/// The most columns that a panel has on any machine.
const WIDEST: usize = 32;

/// Rows of `blocks` blocks, as the columns of a right side; to `room`, if that is of use. The same numbers as from rows
/// that were widened.
pub fn to_panels<T: Term>(bytes: &[u8], rows: usize, blocks: usize, room: Vec<T>) -> Rights<T> {
    let (row, terms) = (blocks * BLOCK, blocks * NUMBERS / T::NUMBERS);
    Rights::filled_in(room, rows, terms, |first, count, to| {
        let width = to.len() / terms.max(1);
        run(Panel { bytes: &bytes[first * row..], row, count, to, width });
    })
}

/// The first `count` rows of so many bytes each.
struct Panel<'a, T> {
    bytes: &'a [u8],
    row: usize,
    count: usize,
    to: &'a mut [T],
    width: usize,
}

impl<T: Term> Kernel for Panel<'_, T> {
    type Output = ();

    /// Without vectors of its own: the loops are compiled for those that there are.
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Panel { bytes, row, count, to, width } = self;
        // Two numbers of all rows at a time, which a vector each is made of.
        let mut twos = [[0u16; WIDEST]; NUMBERS / 2];
        let mut scales = [0.0f32; WIDEST];
        let panels = to.chunks_exact_mut((NUMBERS / T::NUMBERS * width).max(1));
        for (block, to) in panels.enumerate() {
            for i in 0..count {
                let block = &bytes[i * row + block * BLOCK..][..BLOCK];
                scales[i] = at(block, 0);
                for (twos, two) in twos.iter_mut().zip(block[2..].as_chunks::<2>().0) {
                    twos[i] = u16::from_le_bytes(*two);
                }
            }
            for (twos, to) in twos.iter().zip(to.chunks_exact_mut((2 / T::NUMBERS * width).max(1))) {
                let mut two = [[0.0f32; WIDEST]; 2];
                for i in 0..WIDEST {
                    let [lower, upper] = twos[i].to_le_bytes();
                    two[0][i] = scales[i] * f32::from(lower as i8);
                    two[1][i] = scales[i] * f32::from(upper as i8);
                }
                let [lower, upper] = &two;
                T::two_rows(&lower[..count], &upper[..count], to, width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::types::Type;
    use super::super::kernels::{Pair, Strides};
    use super::super::widen::widen;
    use super::*;

    /// To the bit, of numbers of 32 bits and of pairs, in rooms of any size.
    #[test]
    fn blocks_are_laid_out_as_their_numbers_are() {
        fn alike<T: Term + PartialEq + std::fmt::Debug>(rows: usize, blocks: usize, room: Vec<T>) {
            let scales = [[0x00, 0x3c], [0x66, 0xae], [0x03, 0x00], [0x00, 0x00]];
            let numbers = |i: usize| (0..32).map(move |j| (i * 77 + j * 13 + i * j) as u8);
            let bytes: Vec<u8> =
                (0..rows * blocks).flat_map(|i| scales[i % 4].into_iter().chain(numbers(i))).collect();
            let mut wide = vec![0.0; rows * blocks * 32];
            widen(Type::Q8_0, &bytes, &mut wide);
            let depth = blocks * 32;
            let expected = Rights::<T>::of(&wide, rows, depth, Strides { row: depth, term: 1 }, 1.0);
            let found = to_panels(&bytes, rows, blocks, room);
            assert_eq!((found.columns(), found.depth()), (expected.columns(), expected.depth()));
            for i in 0..rows.div_ceil(expected.width()) {
                assert_eq!(found.panel(i), expected.panel(i), "panel {i} of {rows} rows of {blocks} blocks");
            }
        }
        for (rows, blocks) in [(1, 1), (7, 3), (32, 1), (33, 2), (70, 17), (0, 4)] {
            alike::<f32>(rows, blocks, Vec::new());
            alike::<f32>(rows, blocks, vec![f32::NAN; 3000]);
            alike::<Pair>(rows, blocks, Vec::new());
            alike::<Pair>(rows, blocks, vec![Pair::of(1.0, f32::NAN); 3000]);
        }
    }
}
