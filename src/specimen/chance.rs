//! Randomness in two shapes: a sequence of throws, and a continuous field over the plane.

use crate::random::Stream;

/// Throws one after the other, for decisions taken in a fixed order on one thread.
pub struct Dice {
    stream: Stream,
    thrown: u64,
}

impl Dice {
    pub fn new(stream: Stream) -> Self {
        Dice { stream, thrown: 0 }
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        let index = self.next();
        low + (high - low) * self.stream.uniform(index) as f32
    }

    /// A direction in radians.
    pub fn angle(&mut self) -> f32 {
        self.range(0.0, std::f32::consts::TAU)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.range(0.0, 1.0) < probability
    }

    /// One of 0..n (n > 0).
    pub fn below(&mut self, n: usize) -> usize {
        let index = self.next();
        self.stream.below(index, n as u64) as usize
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f32 {
        let index = self.next();
        self.stream.normal(index) as f32
    }

    /// A stream of its own for what is decided pixel by pixel.
    pub fn stream(&mut self) -> Stream {
        let index = self.next();
        self.stream.child(index)
    }

    fn next(&mut self) -> u64 {
        self.thrown += 1;
        self.thrown
    }
}

/// Value noise: a smooth random field of correlation length 1, within −1..=1 (Perlin's quintic fade).
#[derive(Clone, Copy)]
pub struct Noise(Stream);

impl Noise {
    pub fn new(stream: Stream) -> Self {
        Noise(stream)
    }

    #[inline]
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let (ix, iy) = (x0 as i32, y0 as i32);
        let (fx, fy) = (fade(x - x0), fade(y - y0));
        let top = mix(self.knot(ix, iy), self.knot(ix + 1, iy), fx);
        let bottom = mix(self.knot(ix, iy + 1), self.knot(ix + 1, iy + 1), fx);
        mix(top, bottom, fy)
    }

    /// `octaves` fields of halving length and weight; about within −1..=1.
    #[inline]
    pub fn fractal(&self, x: f32, y: f32, octaves: u32) -> f32 {
        let (mut sum, mut scale) = (0.0, 1.0f32);
        for octave in 0..octaves {
            // The shift keeps the knots of the octaves from falling together.
            let shift = 17.3 * octave as f32;
            sum += self.at(x * scale + shift, y * scale - shift) / scale;
            scale *= 2.0;
        }
        sum
    }

    #[inline]
    fn knot(&self, x: i32, y: i32) -> f32 {
        let index = (u64::from(x as u32) << 32) | u64::from(y as u32);
        (self.0.bits(index) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

#[inline]
fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

#[inline]
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, smooth in between; falls instead of rising where `low > high`.
#[inline]
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_continuous_and_within_bounds() {
        let noise = Noise::new(Stream::new(1, "noise"));
        let mut last = noise.at(-3.0, 0.7);
        for i in 1..2000 {
            let value = noise.at(-3.0 + i as f32 * 0.005, 0.7);
            assert!(value.abs() <= 1.0);
            assert!((value - last).abs() < 0.03);
            last = value;
        }
    }

    #[test]
    fn throws_do_not_repeat() {
        let mut dice = Dice::new(Stream::new(1, "dice"));
        let throws: Vec<f32> = (0..50).map(|_| dice.range(2.0, 3.0)).collect();
        assert!(throws.iter().all(|t| (2.0..3.0).contains(t)));
        assert!(throws.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
