//! Convolutions of one picture, (channels, height, width).

use super::pack::{Lefts, Rights};
use super::tile::product;
use super::winograd;

/// Bytes of pixels that are laid out for a product at a time.
const BLOCK: usize = 16 << 20;

/// The weights of a convolution, laid out for products: terms go by place, and then by channel.
pub struct Filters {
    pub(super) packed: Lefts,
    pub(super) inputs: usize,
    side: usize,
}

impl Filters {
    /// Of (outputs, inputs, side, side) numbers.
    pub fn of(weight: &[f32], [outputs, inputs, side]: [usize; 3]) -> Filters {
        let places = side * side;
        assert_eq!(weight.len(), outputs * inputs * places);
        let packed = Lefts::filled(outputs, inputs * places, |first, height, to| {
            for (row, weight) in
                weight.chunks_exact((inputs * places).max(1)).skip(first).take(height).enumerate()
            {
                for (channel, weight) in weight.chunks_exact(places).enumerate() {
                    for (place, weight) in weight.iter().enumerate() {
                        to[(place * inputs + channel) * height + row] = *weight;
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
    pub fn sides(self, sides: [usize; 2], filters: &Filters) -> [usize; 2] {
        sides.map(|side| {
            let room = (side + self.before + self.behind).checked_sub(filters.side);
            room.map_or(0, |room| room / self.stride + 1)
        })
    }
}

/// Adds what the filters make of a picture to `made`, (outputs, height, width).
pub fn convolve(x: Picture, filters: &Filters, steps: Steps, made: &mut [f32]) {
    let [height, width] = steps.sides([x.height, x.width], filters);
    assert_eq!(x.numbers.len(), filters.inputs * x.height * x.width);
    assert_eq!(made.len(), filters.outputs() * height * width);
    let keeps = filters.side == 3 && steps == Steps { stride: 1, before: 1, behind: 1 };
    if keeps && winograd::is_worth(height, width, filters.inputs, filters.outputs()) {
        return winograd::convolve(x, filters, made);
    }
    let (pixels, depth) = (height * width, filters.packed.depth());
    let most = (BLOCK / size_of::<f32>() / depth.max(1)).next_multiple_of(64);
    for start in (0..pixels).step_by(most) {
        let count = most.min(pixels - start);
        let right = Rights::filled(count, depth, |first, count, to| {
            gather(x, filters, steps, [start + first, count, width], to);
        });
        product(&filters.packed, &right, made, start, pixels, true);
    }
}

/// What the filters see at `count` pixels from `first` on, in a panel of zeros.
fn gather(x: Picture, filters: &Filters, steps: Steps, [first, count, width]: [usize; 3], to: &mut [f32]) {
    let (places, plane) = (filters.side * filters.side, x.height * x.width);
    let panel = to.len() / (places * filters.inputs).max(1);
    for place in 0..places {
        let (down, right) = (place / filters.side, place % filters.side);
        // Runs of pixels in a row that are there: where they go, where they are, and how many.
        let mut runs = [(0, 0, 0); 32];
        let mut found = 0;
        let mut pixel = first;
        while pixel < first + count {
            let (y, from) = (pixel / width, pixel % width);
            let until = width.min(from + first + count - pixel);
            let at = pixel - first;
            pixel += until - from;
            let Some(row) = (y * steps.stride + down).checked_sub(steps.before).filter(|row| *row < x.height)
            else {
                continue;
            };
            // Those whose place lies within the row.
            let begin = from.max(steps.before.saturating_sub(right).div_ceil(steps.stride));
            let most = (x.width + steps.before).saturating_sub(right).div_ceil(steps.stride);
            let end = until.min(most);
            if begin < end {
                let source = row * x.width + begin * steps.stride + right - steps.before;
                runs[found] = (at + begin - from, source, end - begin);
                found += 1;
            }
        }
        let planes = x.numbers.chunks_exact(plane.max(1));
        let rows = to[place * filters.inputs * panel..].chunks_exact_mut(panel.max(1));
        for (plane, to) in planes.zip(rows) {
            for (at, source, long) in &runs[..found] {
                let to = &mut to[*at..at + long];
                if steps.stride == 1 {
                    to.copy_from_slice(&plane[*source..source + long]);
                } else {
                    let from = plane[*source..].iter().step_by(steps.stride);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}
