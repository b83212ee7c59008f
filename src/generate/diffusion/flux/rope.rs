//! Where tokens stand, for the transformer: angles that queries and keys are turned by.

use candle_core::{Device, Tensor};

const THETA: f64 = 1e4;

/// Cosines and sines of every token, (tokens, half the width of a head). Made in f64: in 16 bits angles far from the
/// corner would be off by a tenth.
pub struct Rope {
    pub cos: Tensor,
    pub sin: Tensor,
}

impl Rope {
    /// For so many tokens of text, which all stand at the corner, and the packed latents of a picture, row by row; `axes`
    /// are the numbers of a head that tell each of three coordinates: the first, which is 0, row, and column.
    pub fn new(axes: [usize; 3], texts: usize, [rows, columns]: [usize; 2]) -> candle_core::Result<Rope> {
        let image = (0..rows).flat_map(|y| (0..columns).map(move |x| [0, y, x]));
        let tokens = std::iter::repeat_n([0; 3], texts).chain(image);
        let angles: Vec<f64> = tokens
            .flat_map(|position| axes.into_iter().zip(position).flat_map(|(axis, at)| angles(axis, at)))
            .collect();
        let shape = (texts + rows * columns, axes.iter().map(|axis| axis / 2).sum::<usize>());
        let table = |of: fn(f64) -> f64| {
            let numbers = angles.iter().map(|angle| of(*angle) as f32).collect();
            Tensor::from_vec(numbers, shape, &Device::Cpu)
        };
        Ok(Rope { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }

    /// The same in the memory of a device, in f32.
    pub fn on(&self, device: &Device) -> candle_core::Result<Rope> {
        Ok(Rope { cos: self.cos.to_device(device)?, sin: self.sin.to_device(device)? })
    }
}

fn angles(axis: usize, at: usize) -> impl Iterator<Item = f64> {
    (0..axis / 2).map(move |i| at as f64 / THETA.powf(2.0 * i as f64 / axis as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: with 4 numbers an axis has the frequencies 1 and 10000^(−2/4) = 1/100.
    #[test]
    fn text_stands_at_the_corner_and_a_picture_row_by_row() {
        let rope = Rope::new([2, 4, 4], 1, [2, 3]).expect("a small table");
        let sin = rope.sin.to_vec2::<f32>().expect("numbers");
        assert_eq!(sin.len(), 7);
        assert!(sin[0].iter().chain(&sin[1]).all(|v| *v == 0.0));
        // The last: row 1, column 2.
        let expected = [0.0, 1f64, 0.01, 2.0, 0.02].map(|angle| angle.sin() as f32);
        assert_eq!(sin[6], expected);
    }
}
