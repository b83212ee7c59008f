//! Rhabdovirus: striated bullets, round at one end and flat at the other, packed side by side.

use std::collections::HashMap;

use super::{Field, REACH, Shape, Touch, edge};
use crate::specimen::chance::{Dice, Noise, mix, smoothstep};

/// Radius of the bullet and length of its spikes in nanometres.
const RADIUS: f32 = 36.0;
const SPIKE: f32 = 8.0;
/// Pitch of the nucleocapsid helix in nanometres.
const PITCH: f32 = 5.3;

pub fn scatter(field: Field, dice: &mut Dice) -> Vec<Box<dyn Shape>> {
    let poses = pack(field, dice);
    poses.into_iter().map(|pose| Box::new(Bullet::new(pose, field.pixel, dice)) as Box<dyn Shape>).collect()
}

/// Where a bullet lies: its middle, the direction of its round end, half its length.
#[derive(Clone, Copy)]
struct Pose {
    at: [f32; 2],
    angle: f32,
    half: f32,
}

impl Pose {
    /// The axis of the capsule that stands for the bullet when room is measured.
    fn spine(&self) -> [[f32; 2]; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let reach = self.half - RADIUS;
        [-reach, reach].map(|t| [self.at[0] + t * cos, self.at[1] + t * sin])
    }
}

/// Particles settle beside older ones, nearly parallel, or fall anywhere; a later layer may overlap a little.
fn pack(field: Field, dice: &mut Dice) -> Vec<Pose> {
    let mut crowd = Crowd::default();
    let full = (field.width * field.height / (4.0 * RADIUS * 90.0)) as usize;
    for (room, throws) in [(2.0, 120), (1.6, 120)] {
        for _ in 0..throws * full {
            let half = dice.range(80.0, 96.0);
            let pose = if crowd.poses.is_empty() || dice.chance(0.3) {
                let at = [dice.range(-60.0, field.width + 60.0), dice.range(-60.0, field.height + 60.0)];
                Pose { at, angle: dice.angle(), half }
            } else {
                beside(&crowd.poses[dice.below(crowd.poses.len())], half, dice)
            };
            let [x, y] = pose.at;
            let inside = x > -80.0 && y > -80.0 && x < field.width + 80.0 && y < field.height + 80.0;
            if inside && crowd.leaves(room * RADIUS, &pose) {
                crowd.push(pose);
            }
        }
    }
    crowd.poses
}

/// Poses, and for every square of the field the poses with their middle in it.
#[derive(Default)]
struct Crowd {
    poses: Vec<Pose>,
    squares: HashMap<[i32; 2], Vec<Pose>>,
}

impl Crowd {
    /// Side of a square in nanometres: no two bullets meet from farther apart.
    const SQUARE: f32 = 200.0;

    fn square(pose: &Pose) -> [i32; 2] {
        pose.at.map(|at| (at / Self::SQUARE).floor() as i32)
    }

    fn push(&mut self, pose: Pose) {
        self.poses.push(pose);
        self.squares.entry(Self::square(&pose)).or_default().push(pose);
    }

    /// Whether `pose` keeps at least `room` from all others.
    fn leaves(&self, room: f32, pose: &Pose) -> bool {
        let [column, row] = Self::square(pose);
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| [column + dx, row + dy]));
        around.filter_map(|square| self.squares.get(&square)).flatten().all(|o| clearance(pose, o) > room)
    }
}

fn beside(neighbour: &Pose, half: f32, dice: &mut Dice) -> Pose {
    let (sin, cos) = neighbour.angle.sin_cos();
    let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
    let apart = side * RADIUS * dice.range(2.0, 2.3);
    let slip = dice.range(-70.0, 70.0);
    let turned = if dice.chance(0.5) { std::f32::consts::PI } else { 0.0 };
    Pose {
        at: [neighbour.at[0] + slip * cos - apart * sin, neighbour.at[1] + slip * sin + apart * cos],
        angle: neighbour.angle + turned + 0.2 * dice.normal(),
        half,
    }
}

/// Distance between the spines of two bullets.
fn clearance(a: &Pose, b: &Pose) -> f32 {
    if (a.at[0] - b.at[0]).hypot(a.at[1] - b.at[1]) > a.half + b.half {
        return f32::MAX;
    }
    let ([p, q], [r, s]) = (a.spine(), b.spine());
    let side = |a: [f32; 2], b: [f32; 2], c: [f32; 2]| {
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0
    };
    if side(p, q, r) != side(p, q, s) && side(r, s, p) != side(r, s, q) {
        return 0.0;
    }
    [
        point_to_segment(p, r, s),
        point_to_segment(q, r, s),
        point_to_segment(r, p, q),
        point_to_segment(s, p, q),
    ]
    .into_iter()
    .fold(f32::MAX, f32::min)
}

fn point_to_segment(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let t = (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (p[0] - a[0] - t * dx).hypot(p[1] - a[1] - t * dy)
}

struct Bullet {
    pose: Pose,
    direction: (f32, f32),
    radius: f32,
    pixel: f32,
    texture: Noise,
    /// Absorbance of the stain that soaked the whole inside.
    soaked: f32,
    /// Length of the stain-filled channel from the flat end, in nanometres; 0 for none.
    channel: f32,
    /// Slope of the stain across the particle, which lies tilted in it.
    tilt: f32,
}

impl Bullet {
    fn new(pose: Pose, pixel: f32, dice: &mut Dice) -> Self {
        let soaked = match dice.range(0.0, 1.0) {
            t if t < 0.58 => dice.range(0.0, 0.14),
            t if t < 0.86 => dice.range(0.2, 0.5),
            _ => dice.range(0.6, 1.0),
        };
        let channel = if dice.chance(0.22) { dice.range(25.0, 110.0) } else { 0.0 };
        Bullet {
            pose,
            direction: pose.angle.sin_cos(),
            radius: RADIUS * dice.range(0.93, 1.05),
            pixel,
            texture: Noise::new(dice.stream()),
            soaked,
            channel,
            tilt: 0.12 * dice.normal(),
        }
    }

    /// Signed distance in the bullet's own axes, the round end towards +u.
    fn distance(&self, u: f32, v: f32) -> f32 {
        let half = self.pose.half;
        // The tip is a little longer than a half circle.
        let tip = (u - (half - 1.25 * self.radius)).max(0.0) / 1.25;
        let round = tip.hypot(v) - self.radius;
        let flat = -half - u;
        // Rounded corner where the flat end meets the sides.
        let corner = 9.0;
        let (a, b) = (round + corner, flat + corner);
        if a > 0.0 && b > 0.0 { a.hypot(b) - corner } else { round.max(flat) }
    }
}

impl Shape for Bullet {
    fn bounds(&self) -> [f32; 4] {
        let reach = self.pose.half + SPIKE + REACH;
        let [x, y] = self.pose.at;
        [x - reach, y - reach, x + reach, y + reach]
    }

    fn touch(&self, x: f32, y: f32) -> Touch {
        let (x, y) = (x - self.pose.at[0], y - self.pose.at[1]);
        let (sin, cos) = self.direction;
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let uneven = 1.3 * self.texture.fractal(u / 34.0, v / 34.0 + 7.0, 3);
        let distance = self.distance(u, v) + uneven;
        let spikes = self.spikes(u, v, distance);
        let body = edge(distance, self.pixel);
        if body <= 0.0 {
            return Touch { distance, cover: spikes, stain: 0.4 };
        }
        Touch { distance, cover: body.max(spikes), stain: self.inside(u, v, distance) }
    }
}

impl Bullet {
    /// A thin fringe; short and crowded, so drawn as a noise along the outline.
    fn spikes(&self, u: f32, v: f32, height: f32) -> f32 {
        if !(0.0..SPIKE).contains(&height) {
            return 0.0;
        }
        let along = if u > self.pose.half - self.radius { 30.0 * v.atan2(u) } else { u };
        let peg = self.texture.at(along / 2.6, v.signum() * 31.0);
        0.5 * smoothstep(0.0, 0.5, peg) * smoothstep(SPIKE, 0.5 * SPIKE, height)
    }

    fn inside(&self, u: f32, v: f32, distance: f32) -> f32 {
        let band = |at: f32, width: f32| (-((distance - at) / width).powi(2)).exp();
        let deep = smoothstep(-3.0, -13.0, distance);
        let across = (v / self.radius).clamp(-1.0, 1.0);
        let bend = 2.0 * across * across;
        let striae = (std::f32::consts::TAU * (u + bend) / PITCH).cos();
        let mottle = self.texture.fractal(u / 22.0, v / 22.0, 3);
        let round = 0.24 * across * across;
        // Stain drawn in from the flat end, to a ragged round tip.
        let past = (u + self.pose.half - self.channel).max(0.0);
        let ragged = 3.0 * self.texture.at(u / 12.0 + 70.0, v / 12.0);
        let hollow = smoothstep(12.0, 3.0, v.hypot(past) + ragged);
        let channel = if self.channel > 0.0 { 0.5 * hollow } else { 0.0 };
        let clear = 0.045 + 0.045 * self.texture.at(u / 40.0 - 90.0, v / 40.0);
        let nucleocapsid = 0.13 + round + clear * striae + 0.13 * mottle + self.tilt * across;
        let filled =
            nucleocapsid + self.soaked * (1.0 - 0.35 * across * across) * (1.0 + 0.35 * mottle) + channel;
        // The envelope keeps stain out: a light line round what lies below.
        mix(0.12, filled, deep).max(0.02) + 0.16 * band(-4.5, 1.8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn a_bullet_is_round_at_one_end_and_flat_at_the_other() {
        let pose = Pose { at: [0.0, 0.0], angle: 0.0, half: 90.0 };
        let bullet = Bullet::new(pose, 1.0, &mut Dice::new(Stream::new(1, "bullet")));
        let corner = 0.6 * bullet.radius;
        assert!(bullet.distance(88.0, corner) > 3.0);
        assert!(bullet.distance(-88.0, corner) < 0.0);
        assert!(bullet.distance(0.0, 0.0) < -30.0);
        assert!((bullet.distance(-100.0, 0.0) - 10.0).abs() < 1.0);
    }

    #[test]
    fn packed_bullets_lie_apart_or_overlap_a_little() {
        let field = Field { width: 900.0, height: 600.0, pixel: 2.0 };
        let poses = pack(field, &mut Dice::new(Stream::new(1, "pack")));
        assert!(poses.len() > 25, "{}", poses.len());
        for (i, a) in poses.iter().enumerate() {
            assert!(poses[..i].iter().all(|b| clearance(a, b) > 1.6 * RADIUS));
        }
    }
}
