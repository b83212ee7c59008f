//! Convolutions of one picture, (channels, height, width).

use super::pack::{Lefts, Rights};
use super::pairs::Term;
use super::tile::{Onto, product};
use super::winograd;

/// Bytes of pixels that are laid out for a product at a time.
const BLOCK: usize = 16 << 20;

/// The weights of a convolution, laid out for products: terms go by place, and then by channel, or by two of them.
pub struct Filters<T = f32> {
    pub(super) packed: Lefts<T>,
    pub(super) inputs: usize,
    side: usize,
}

impl<T: Term> Filters<T> {
    /// Of (outputs, inputs, side, side) numbers.
    pub fn of(weight: &[f32], [outputs, inputs, side]: [usize; 3]) -> Filters<T> {
        let (places, terms) = (side * side, inputs.div_ceil(T::NUMBERS));
        assert_eq!(weight.len(), outputs * inputs * places);
        let packed = Lefts::filled(outputs, terms * places, |first, height, to| {
            for (row, weight) in
                weight.chunks_exact((inputs * places).max(1)).skip(first).take(height).enumerate()
            {
                for (term, weight) in weight.chunks((T::NUMBERS * places).max(1)).enumerate() {
                    for place in 0..places {
                        let second = weight.get(places + place).copied().unwrap_or_default();
                        to[(place * terms + term) * height + row] = T::of(weight[place], second);
                    }
                }
            }
        });
        Filters { packed, inputs, side }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.packed.rows()
    }
}

/// A picture's channels, one after another.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    pub numbers: &'a [f32],
    pub height: usize,
    pub width: usize,
}

/// How filters move: from pixel to pixel or by several; and how many zeros are seen before the first pixel and behind
/// the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    pub stride: usize,
    pub before: usize,
    pub behind: usize,
}

impl Steps {
    /// Height and width of what is made of `sides`.
    pub fn sides<T>(self, sides: [usize; 2], filters: &Filters<T>) -> [usize; 2] {
        sides.map(|side| {
            let room = (side + self.before + self.behind).checked_sub(filters.side);
            room.map_or(0, |room| room / self.stride + 1)
        })
    }
}

/// Adds what the filters make of a picture to `made`, (outputs, height, width).
pub fn convolve<T: Term>(x: Picture, filters: &Filters<T>, steps: Steps, made: &mut [f32]) {
    let [height, width] = steps.sides([x.height, x.width], filters);
    assert_eq!(x.numbers.len(), filters.inputs * x.height * x.width);
    assert_eq!(made.len(), filters.outputs() * height * width);
    let keeps = filters.side == 3 && steps == Steps { stride: 1, before: 1, behind: 1 };
    if keeps && winograd::is_worth::<T>(height, width, filters.inputs, filters.outputs()) {
        return winograd::convolve(x, filters, made);
    }
    let (pixels, depth) = (height * width, filters.packed.depth());
    let planes = T::planes(x.numbers, x.height * x.width);
    let seen = Seen { planes: &planes, sides: [x.height, x.width], side: filters.side, steps };
    let most = (BLOCK / size_of::<T>() / depth.max(1)).next_multiple_of(64);
    for start in (0..pixels).step_by(most) {
        let count = most.min(pixels - start);
        let right = Rights::filled(count, depth, |first, count, to| {
            seen.gather([start + first, count, width], to);
        });
        product(&filters.packed, &right, made, start, pixels, Onto::There);
    }
}

/// What filters of so many pixels to a side look at.
struct Seen<'a, T> {
    planes: &'a [T],
    sides: [usize; 2],
    side: usize,
    steps: Steps,
}

impl<T: Term> Seen<'_, T> {
    /// What they see at `count` pixels from `first` on, in a panel of zeros.
    fn gather(&self, [first, count, width]: [usize; 3], to: &mut [T]) {
        let ([height, across], side, steps) = (self.sides, self.side, self.steps);
        let plane = (height * across).max(1);
        let terms = self.planes.len() / plane;
        let panel = to.len() / (side * side * terms).max(1);
        for place in 0..side * side {
            let (down, right) = (place / side, place % side);
            // Runs of pixels in a row that are there: where they go, where they are, and how many.
            let mut runs = [(0, 0, 0); 32];
            let mut found = 0;
            let mut pixel = first;
            while pixel < first + count {
                let (y, from) = (pixel / width, pixel % width);
                let until = width.min(from + first + count - pixel);
                let at = pixel - first;
                pixel += until - from;
                let Some(row) =
                    (y * steps.stride + down).checked_sub(steps.before).filter(|row| *row < height)
                else {
                    continue;
                };
                // Those whose place lies within the row.
                let begin = from.max(steps.before.saturating_sub(right).div_ceil(steps.stride));
                let most = (across + steps.before).saturating_sub(right).div_ceil(steps.stride);
                let end = until.min(most);
                if begin < end {
                    let source = row * across + begin * steps.stride + right - steps.before;
                    runs[found] = (at + begin - from, source, end - begin);
                    found += 1;
                }
            }
            let planes = self.planes.chunks_exact(plane);
            let rows = to[place * terms * panel..].chunks_exact_mut(panel.max(1));
            for (plane, to) in planes.zip(rows) {
                for (at, source, long) in &runs[..found] {
                    let to = &mut to[*at..at + long];
                    if let (1, Ok(to)) = (steps.stride, <&mut [T; 32]>::try_from(&mut *to)) {
                        // A whole panel of the widest unit, which needs no call.
                        to.copy_from_slice(&plane[*source..source + 32]);
                    } else if steps.stride == 1 {
                        to.copy_from_slice(&plane[*source..source + long]);
                    } else {
                        let from = plane[*source..].iter().step_by(steps.stride);
                        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
    }
}
