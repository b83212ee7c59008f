//! Times and sizes as the network reads them: sines and cosines of many frequencies, then two layers.

use candle_core::{Device, Tensor};

use super::super::super::ops::Compute;
use super::super::super::ops::layers::{Linear, Vars};
use super::{Condition, Shape};

pub(super) struct Embedding {
    waves: Waves,
    /// How many numbers the time is embedded in.
    numbers: usize,
    time: [Linear; 2],
    added: Option<(usize, [Linear; 2])>,
    compute: Compute,
}

#[derive(Clone, Copy)]
struct Waves {
    cosines_first: bool,
    shift: f64,
}

impl Embedding {
    pub fn new(shape: &Shape, numbers: usize, vb: Vars) -> candle_core::Result<Embedding> {
        let width = width(numbers);
        let pair = |inputs: usize, vb: Vars| {
            Ok::<_, candle_core::Error>([
                Linear::new(inputs, width, vb.pp("linear_1"))?,
                Linear::new(width, width, vb.pp("linear_2"))?,
            ])
        };
        let added = match shape.added {
            Some(added) => Some((added.numbers, pair(added.width, vb.pp("add_embedding"))?)),
            None => None,
        };
        let waves = Waves { cosines_first: shape.cosines_first, shift: shape.frequency_shift };
        let (time, compute) = (pair(numbers, vb.pp("time_embedding"))?, vb.compute().clone());
        Ok(Embedding { waves, numbers, time, added, compute })
    }

    /// (1, 4 × numbers).
    pub fn forward(&self, timestep: f64, condition: &Condition) -> candle_core::Result<Tensor> {
        let waves = |values: &[f64], numbers| self.compute.taken(&self.waves.of(values, numbers)?);
        let time = through(&self.time, &waves(&[timestep], self.numbers)?)?;
        match (&self.added, &condition.added) {
            (Some((numbers, layers)), Some(sizes)) => {
                let pooled = self.compute.taken(&sizes.pooled)?;
                let sizes = waves(&sizes.numbers, *numbers)?;
                time + through(layers, &Tensor::cat(&[&pooled, &sizes], 1)?)?
            }
            (None, None) => Ok(time),
            _ => candle_core::bail!("a network and its condition of two kinds"),
        }
    }
}

/// Width of the embedded time of a network whose first level has this many channels.
pub(super) fn width(channels: usize) -> usize {
    4 * channels
}

fn through([first, second]: &[Linear; 2], x: &Tensor) -> candle_core::Result<Tensor> {
    second.forward(&first.forward(x)?.silu()?)
}

impl Waves {
    /// Each of `values` in so many numbers, (1, values × numbers); in f32, as diffusers does it: at a thousand its
    /// rounding shows in what a network makes of it.
    fn of(self, values: &[f64], numbers: usize) -> candle_core::Result<Tensor> {
        let half = numbers / 2;
        let frequency =
            |i: usize| (-(10_000f64.ln() as f32) * i as f32 / (half as f64 - self.shift) as f32).exp();
        let mut all = Vec::with_capacity(values.len() * numbers);
        for value in values {
            let angles: Vec<f32> = (0..half).map(|i| *value as f32 * frequency(i)).collect();
            let (sines, cosines) = (angles.iter().map(|a| a.sin()), angles.iter().map(|a| a.cos()));
            if self.cosines_first {
                all.extend(cosines.chain(sines));
            } else {
                all.extend(sines.chain(cosines));
            }
        }
        let count = all.len();
        Tensor::from_vec(all, (1, count), &Device::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: two frequencies, 1 and 10000^(−1/2) = 1/100.
    #[test]
    fn a_number_becomes_cosines_and_sines_of_falling_frequencies() {
        let of = |cosines_first, values: &[f64]| {
            let waves = Waves { cosines_first, shift: 0.0 };
            waves.of(values, 4).and_then(|t| t.flatten_all()?.to_vec1::<f32>()).expect("numbers")
        };
        let near = |found: &[f32], expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-5), "{found:?}");
        };
        let [c2, s2, c002, s002] = [2f32.cos(), 2f32.sin(), 0.02f32.cos(), 0.02f32.sin()];
        near(&of(true, &[2.0]), &[c2, c002, s2, s002]);
        near(&of(false, &[2.0, 0.0]), &[s2, s002, c2, c002, 0.0, 0.0, 1.0, 1.0]);
    }
}
