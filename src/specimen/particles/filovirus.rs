//! Filovirus: long bent filaments with cross-striation, ending in hooks and loops.

use std::f32::consts::TAU;

use super::{Field, REACH, Shape, Touch, edge};
use crate::specimen::chance::{Dice, Noise, mix, smoothstep};

/// Radius of the filament in nanometres.
const RADIUS: f32 = 40.0;
/// Distance between two points of the centre line in nanometres.
const STEP: f32 = 6.0;
/// Pitch of the nucleocapsid helix in nanometres.
const PITCH: f32 = 5.4;
/// How many passes over one point are told apart.
const LAYERS: usize = 3;
/// Side of a cell of the lookup grid in nanometres.
const CELL: f32 = 40.0;

pub fn scatter(field: Field, dice: &mut Dice) -> Vec<Box<dyn Shape>> {
    let area = field.width * field.height / 1e6;
    let long = (area * dice.range(0.5, 1.1)).round().max(1.0) as usize;
    let short = if dice.chance(0.5) { (area * dice.range(0.0, 1.2)).round() as usize } else { 0 };
    let mut shapes: Vec<Box<dyn Shape>> = Vec::new();
    for i in 0..long + short {
        let length = if i < long { dice.range(1500.0, 2600.0) } else { dice.range(250.0, 520.0) };
        let line = best_line(field, length, dice);
        shapes.push(Box::new(Filament::new(line, field.pixel, dice)));
    }
    shapes
}

/// Of a few walks the one that shows most of itself.
fn best_line(field: Field, length: f32, dice: &mut Dice) -> Vec<[f32; 2]> {
    let hidden = |line: &Vec<[f32; 2]>| {
        let seen = |[x, y]: &&[f32; 2]| (0.0..field.width).contains(x) && (0.0..field.height).contains(y);
        line.len() - line.iter().filter(seen).count()
    };
    let walks: Vec<_> = (0..6).map(|_| centre_line(field, length, dice)).collect();
    walks.into_iter().min_by_key(hidden).unwrap_or_default()
}

/// A walk of slowly changing curvature; one end rolls up into a hook, and the field's border turns it back.
fn centre_line(field: Field, length: f32, dice: &mut Dice) -> Vec<[f32; 2]> {
    let bending = Noise::new(dice.stream());
    let roundness = dice.range(62.0, 100.0);
    let hook = if dice.chance(0.85) { (roundness * dice.range(2.0, 5.6)).min(0.5 * length) } else { 0.0 };
    let tight = if dice.chance(0.5) { 1.0 } else { -1.0 } / roundness;
    let middle = [field.width / 2.0, field.height / 2.0];
    let mut at = [field.width * dice.range(0.12, 0.88), field.height * dice.range(0.15, 0.85)];
    let mut heading = (middle[1] - at[1]).atan2(middle[0] - at[0]) + 0.6 * dice.normal();
    let mut line = vec![at];
    let mut gone = 0.0;
    while gone < length {
        let loose = bending.fractal(gone / 300.0, 0.5, 2) / 105.0;
        let roll = smoothstep(length - hook - 60.0, length - hook + 60.0, gone);
        heading += STEP * (mix(loose, tight, roll) + steer(field, at, heading) * (1.0 - roll));
        at = [at[0] + STEP * heading.cos(), at[1] + STEP * heading.sin()];
        line.push(at);
        gone += STEP;
    }
    line
}

/// Curvature that turns a walk near the border back to the middle.
fn steer(field: Field, at: [f32; 2], heading: f32) -> f32 {
    let margin = 0.16 * field.height.min(field.width);
    let nearest = at[0].min(at[1]).min(field.width - at[0]).min(field.height - at[1]);
    let home = (field.height / 2.0 - at[1]).atan2(field.width / 2.0 - at[0]);
    let off = (home - heading + 2.5 * TAU).rem_euclid(TAU) - TAU / 2.0;
    smoothstep(margin, -margin, nearest) * off.clamp(-1.0, 1.0) / 130.0
}

struct Filament {
    line: Vec<[f32; 2]>,
    bounds: [f32; 4],
    /// For every cell of the bounds the segments within reach of it, in order.
    cells: Vec<Vec<u32>>,
    columns: usize,
    pixel: f32,
    texture: Noise,
    /// Weight of the stain-filled axial channel.
    channel: f32,
}

/// The filament passing a point once: distance from its centre line, place along and across it.
#[derive(Clone, Copy)]
struct Pass {
    away: f32,
    along: f32,
    across: f32,
}

impl Filament {
    fn new(line: Vec<[f32; 2]>, pixel: f32, dice: &mut Dice) -> Self {
        let reach = RADIUS + REACH;
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for [x, y] in &line {
            bounds = [
                bounds[0].min(x - reach),
                bounds[1].min(y - reach),
                bounds[2].max(x + reach),
                bounds[3].max(y + reach),
            ];
        }
        let columns = ((bounds[2] - bounds[0]) / CELL) as usize + 1;
        let rows = ((bounds[3] - bounds[1]) / CELL) as usize + 1;
        let mut cells = vec![Vec::new(); columns * rows];
        for (i, [x, y]) in line.iter().enumerate().take(line.len() - 1) {
            let span = |at: f32, from: f32, count: usize| {
                let first = ((at - reach - STEP - from) / CELL).max(0.0) as usize;
                first..=(((at + reach + STEP - from) / CELL) as usize).min(count - 1)
            };
            for row in span(*y, bounds[1], rows) {
                for column in span(*x, bounds[0], columns) {
                    cells[row * columns + column].push(i as u32);
                }
            }
        }
        Filament {
            line,
            bounds,
            cells,
            columns,
            pixel,
            texture: Noise::new(dice.stream()),
            channel: dice.range(0.0, 0.3),
        }
    }

    /// The nearest few passes at (x, y), in order along the filament: several where it crosses itself.
    fn passes(&self, x: f32, y: f32) -> [Option<Pass>; LAYERS] {
        let column = ((x - self.bounds[0]) / CELL).max(0.0) as usize;
        let row = ((y - self.bounds[1]) / CELL).max(0.0) as usize;
        let mut found = [None::<Pass>; LAYERS];
        let Some(cell) = self.cells.get(row * self.columns + column.min(self.columns - 1)) else {
            return found;
        };
        for i in cell {
            let pass = self.pass(*i as usize, x, y);
            // The same stretch of filament seen from its next segment, or another stretch?
            let same = |f: &Pass| (pass.along - f.along).abs() < 4.0 * RADIUS;
            let away = |f: &Option<Pass>| f.map_or(f32::MAX, |f| f.away);
            let slot = found.iter_mut().reduce(|kept, next| {
                let keep = kept.as_ref().is_some_and(same)
                    || (!next.as_ref().is_some_and(same) && away(kept) >= away(next));
                if keep { kept } else { next }
            });
            if let Some(slot) = slot.filter(|slot| pass.away < away(slot)) {
                *slot = Some(pass);
            }
        }
        let order = |f: &Option<Pass>| f.map_or(f32::MAX, |f| f.along);
        found.sort_by(|a, b| order(a).total_cmp(&order(b)));
        found
    }

    fn pass(&self, i: usize, x: f32, y: f32) -> Pass {
        let (a, b) = (self.line[i], self.line[i + 1]);
        let (dx, dy) = ((b[0] - a[0]) / STEP, (b[1] - a[1]) / STEP);
        let (px, py) = (x - a[0], y - a[1]);
        let ahead = px * dx + py * dy;
        let t = ahead.clamp(0.0, STEP);
        let side = (dx * py - dy * px).signum();
        let away = (px - t * dx).hypot(py - t * dy);
        // The round ends go on counting, so that they are striated too.
        let end = (i == 0 && ahead < 0.0) || i + 2 == self.line.len();
        let along = i as f32 * STEP + if end { ahead.max(t - RADIUS).min(t + RADIUS) } else { t };
        Pass { away, along, across: side * away }
    }

    fn layer(&self, pass: Pass) -> Touch {
        let Pass { away, along, across } = pass;
        let beads =
            2.6 * self.texture.at(along / 15.0, across / 14.0) + 2.5 * self.texture.at(along / 55.0, 50.0);
        let distance = away - RADIUS * 0.95 - beads;
        let cover = edge(distance, self.pixel);
        if cover <= 0.0 {
            return Touch::beside(distance);
        }
        let v = (away / RADIUS).min(1.0);
        let striae = (TAU * (along + 2.5 * v * v) / PITCH).cos();
        let segments = self.texture.at(along / 12.0, across / 24.0);
        let mottle = self.texture.fractal(along / 34.0 + 200.0, across / 22.0, 3);
        let open = self.channel * (0.5 + 0.8 * self.texture.at(along / 70.0, 300.0)).max(0.0);
        let channel = open * smoothstep(15.0, 4.0, away);
        let clear = 0.07 + 0.05 * self.texture.at(along / 45.0, across / 30.0 + 400.0);
        let body = 0.16 + 0.4 * v.powi(4) + clear * striae + 0.09 * segments + 0.16 * mottle + channel;
        Touch { distance, cover, stain: body.max(0.03) }
    }
}

impl Shape for Filament {
    fn bounds(&self) -> [f32; 4] {
        self.bounds
    }

    fn touch(&self, x: f32, y: f32) -> Touch {
        let layers = self.passes(x, y).into_iter().flatten().map(|pass| self.layer(pass));
        layers.fold(Touch::beside(REACH), Touch::under)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn loop_line() -> Vec<[f32; 2]> {
        // Straight along y = 0, a full turn of radius 150, and on along the same straight line.
        let mut line: Vec<[f32; 2]> = (0..60).map(|i| [i as f32 * STEP, 0.0]).collect();
        let turn = STEP / 150.0;
        let [mut at, mut heading] = [*line.last().unwrap(), [0.0, 0.0]];
        while heading[0] < TAU + 0.01 {
            heading[0] += turn;
            at = [at[0] + STEP * heading[0].cos(), at[1] + STEP * heading[0].sin()];
            line.push(at);
        }
        line.extend((1..60).map(|i| [at[0] + i as f32 * STEP, at[1]]));
        line
    }

    #[test]
    fn a_filament_passes_twice_where_it_crosses_itself() {
        let filament = Filament::new(loop_line(), 1.0, &mut Dice::new(Stream::new(1, "filament")));
        let passes = |x, y| {
            let found = filament.passes(x, y);
            found.iter().flatten().filter(|pass| pass.away < RADIUS).count()
        };
        assert_eq!(passes(100.0, 5.0), 1);
        assert_eq!(passes(358.0, 0.0), 2);
        assert_eq!(passes(100.0, 60.0), 0);
    }

    #[test]
    fn a_walk_stays_near_the_field() {
        let field = Field { width: 1600.0, height: 1000.0, pixel: 2.0 };
        let dice = &mut Dice::new(Stream::new(2, "walks"));
        for _ in 0..20 {
            let line = best_line(field, 2000.0, dice);
            let seen = |[x, y]: &&[f32; 2]| (-100.0..1700.0).contains(x) && (-100.0..1100.0).contains(y);
            assert!(line.iter().filter(seen).count() * 10 > line.len() * 7);
        }
    }
}
