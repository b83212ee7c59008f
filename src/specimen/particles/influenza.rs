//! Influenza virus: pleomorphic envelopes with a fringe of glycoprotein spikes.

use super::{Field, REACH, Shape, Touch, edge, placement};
use crate::random::Stream;
use crate::specimen::chance::{Dice, Noise, mix, smoothstep};

/// Typical radius of the envelope, and length and distance of the spikes, in nanometres.
const RADIUS: f32 = 46.0;
const SPIKE: f32 = 13.0;
const PITCH: f32 = 7.6;

pub fn scatter(field: Field, dice: &mut Dice) -> Vec<Box<dyn Shape>> {
    let area = field.width * field.height / 1e6;
    let count = (area * dice.range(17.0, 26.0)).round().max(3.0) as usize;
    let spots = placement::clusters(field, count, RADIUS + 0.9 * SPIKE, 0.3, dice);
    spots.into_iter().map(|at| Box::new(Envelope::new(at, field.pixel, dice)) as Box<dyn Shape>).collect()
}

struct Envelope {
    at: [f32; 2],
    pixel: f32,
    /// Direction of the long axis (sin, cos) and the two half axes.
    axis: (f32, f32),
    half: [f32; 2],
    /// Amplitude and phase of the outline's waves of 2, 3, 4… periods.
    waves: [(f32, f32); 4],
    spikes: Stream,
    core: Noise,
    /// How far the stain has entered, 0..=1.
    entered: f32,
}

impl Envelope {
    fn new(at: [f32; 2], pixel: f32, dice: &mut Dice) -> Self {
        let radius = RADIUS * dice.range(0.82, 1.06);
        let stretch = 1.0 + 0.12 * dice.range(0.0, 1.0) + if dice.chance(0.1) { 0.15 } else { 0.0 };
        let waves = std::array::from_fn(|i| (dice.range(0.0, 0.06) / (1.0 + 0.6 * i as f32), dice.angle()));
        Envelope {
            at,
            pixel,
            axis: dice.angle().sin_cos(),
            half: [radius * stretch, radius / stretch],
            waves,
            spikes: dice.stream(),
            core: Noise::new(dice.stream()),
            entered: if dice.chance(0.2) { dice.range(0.5, 0.9) } else { dice.range(0.0, 0.35) },
        }
    }

    /// Cover of the spikes at a height over the envelope, `turn` of the way round (0..1).
    fn fringe(&self, height: f32, turn: f32) -> f32 {
        let girth = std::f32::consts::PI * (self.half[0] + self.half[1]);
        let count = (girth / PITCH).round();
        let place = turn * count;
        let mut cover = 0.0f32;
        for neighbour in [-1.0, 0.0, 1.0] {
            let index = (place.floor() + neighbour).rem_euclid(count) as u64;
            let throw = |k: u64| self.spikes.uniform(8 * index + k) as f32;
            if throw(0) < 0.1 {
                continue;
            }
            let middle = place.floor() + neighbour + 0.5 + 0.8 * (throw(1) - 0.5);
            let length = SPIKE * mix(0.7, 1.1, throw(2));
            let lean = 0.5 * (throw(3) - 0.5) * height;
            let aside = ((place - middle) * PITCH * (1.0 + height / self.half[1]) - lean).abs();
            // A slender stalk below, a knob on top.
            let width = mix(1.3, 2.9, smoothstep(3.0, 7.5, height));
            let outside = (aside - width).max(height - length);
            cover = cover.max(edge(outside, self.pixel) * mix(0.35, 0.9, throw(4)));
        }
        cover
    }
}

impl Shape for Envelope {
    fn bounds(&self) -> [f32; 4] {
        let reach = 1.15 * self.half[0] + SPIKE + REACH;
        let [x, y] = self.at;
        [x - reach, y - reach, x + reach, y + reach]
    }

    fn touch(&self, x: f32, y: f32) -> Touch {
        let (x, y) = (x - self.at[0], y - self.at[1]);
        let (sin, cos) = self.axis;
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let [a, b] = self.half;
        let angle = (v / b).atan2(u / a);
        let wave: f32 =
            self.waves.iter().zip(2..).map(|((k, phase), n)| k * (n as f32 * angle + phase).cos()).sum();
        let level = (u / a).hypot(v / b);
        // First-order distance from the ellipse's level set.
        let steep = (u / (a * a)).hypot(v / (b * b)) / level.max(1e-3);
        let rough = 1.2 * self.core.at(u / 9.0 + 7.0, v / 9.0 - 80.0);
        let envelope = (level - 1.0 - wave) / steep.max(1e-4) + rough;
        let distance = envelope - 0.8 * SPIKE;
        if envelope > 1.3 * SPIKE {
            return Touch::beside(distance);
        }
        let turn = angle / std::f32::consts::TAU + 0.5;
        let body = edge(envelope, self.pixel);
        let fringe = if envelope > -3.0 { self.fringe(envelope, turn) } else { 0.0 };
        let inside = self.inside(u, v, envelope);
        let stain = mix(0.32, inside, body);
        Touch { distance, cover: body.max(0.85 * fringe), stain }
    }
}

impl Envelope {
    /// Stain inside: two leaflets of the membrane, the matrix below, and coiled nucleocapsids.
    fn inside(&self, u: f32, v: f32, depth: f32) -> f32 {
        let band = |at: f32, width: f32| (-((depth - at) / width).powi(2)).exp();
        let depth_in = smoothstep(-6.0, -26.0, depth);
        let warp = 5.0 * self.core.at(u / 17.0, v / 17.0 + 40.0);
        let coil = self.core.at((u + warp) / 6.5, (v - warp) / 6.5);
        let lump = self.core.fractal(u / 24.0 + 90.0, v / 24.0, 2);
        // Spikes of the upper face, seen end on.
        let pegs = self.core.at(u / 4.2 - 60.0, v / 4.2);
        let core = mix(0.62, 0.3, depth_in) + 0.17 * coil + 0.2 * lump + 0.13 * pegs;
        // Clear where the membrane stands upright, lost where it leans.
        let clear = 0.6 + 0.55 * self.core.at(u / 21.0 - 30.0, v / 21.0 + 30.0);
        let membrane = 0.42 * band(-4.4, 1.7) - 0.3 * band(-0.8, 1.9) - 0.22 * band(-8.0, 2.4);
        (core + clear * membrane + self.entered * 0.5 * depth_in).max(0.03)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_stand_apart_on_the_envelope() {
        let dice = &mut Dice::new(Stream::new(1, "envelope"));
        let envelope = Envelope::new([0.0, 0.0], 0.5, dice);
        let round: Vec<bool> =
            (0..4000).map(|i| envelope.fringe(0.5 * SPIKE, i as f32 / 4000.0) > 0.15).collect();
        let spikes = round.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((15..45).contains(&spikes), "{spikes}");
        assert_eq!(envelope.fringe(1.3 * SPIKE, 0.25), 0.0);
    }

    #[test]
    fn an_envelope_is_filled_in_its_middle_and_bare_outside() {
        let dice = &mut Dice::new(Stream::new(1, "envelope"));
        let envelope = Envelope::new([100.0, 100.0], 0.5, dice);
        assert!(envelope.touch(100.0, 100.0).cover > 0.99);
        assert_eq!(envelope.touch(100.0, 100.0 + 2.0 * RADIUS).cover, 0.0);
    }
}
