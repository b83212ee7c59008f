//! Filovirus: long bent filaments with cross-striation, ending in hooks and loops.

use std::f32::consts::TAU;

use super::{Field, REACH, Shape, Touch, edge};
use crate::random::Stream;
use crate::specimen::chance::{Dice, Noise, mix, smoothstep};

/// Radius of the filament in nanometres.
const RADIUS: f32 = 40.0;
/// Distance between two points of the centre line in nanometres.
const STEP: f32 = 6.0;
/// Pitch of the nucleocapsid helix in nanometres.
const PITCH: f32 = 5.4;
/// Side of a cell of the lookup grid in nanometres.
const CELL: f32 = 40.0;

pub fn scatter(field: Field, dice: &mut Dice) -> Vec<Box<dyn Shape>> {
    let area = field.width * field.height / 1e6;
    let long = (area * dice.range(0.5, 1.1)).round().max(1.0) as usize;
    let short = if dice.chance(0.5) { (area * dice.range(0.0, 1.2)).round() as usize } else { 0 };
    let mut shapes: Vec<Box<dyn Shape>> = Vec::new();
    for i in 0..long + short {
        let length = if i < long { dice.range(1500.0, 2600.0) } else { dice.range(250.0, 520.0) };
        let line = centre_line(field, length, dice);
        shapes.push(Box::new(Filament::new(line, field.pixel, dice)));
    }
    shapes
}

/// A walk of slowly changing curvature; one end rolls up into a hook, and the field's border turns it back.
fn centre_line(field: Field, length: f32, dice: &mut Dice) -> Vec<[f32; 2]> {
    let bending = Noise::new(dice.stream());
    let hook = if dice.chance(0.8) { dice.range(220.0, 460.0).min(0.5 * length) } else { 0.0 };
    let tight = if dice.chance(0.5) { 1.0 } else { -1.0 } / dice.range(62.0, 95.0);
    let middle = [field.width / 2.0, field.height / 2.0];
    let mut at = [field.width * dice.range(0.12, 0.88), field.height * dice.range(0.15, 0.85)];
    let mut heading = (middle[1] - at[1]).atan2(middle[0] - at[0]) + 0.6 * dice.normal();
    let mut line = vec![at];
    let mut gone = 0.0;
    while gone < length {
        let loose = bending.fractal(gone / 420.0, 0.5, 2) / 170.0;
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
        let stream: Stream = dice.stream();
        Filament {
            line,
            bounds,
            cells,
            columns,
            pixel,
            texture: Noise::new(stream),
            channel: dice.range(0.0, 0.3),
        }
    }

    /// The passes near (x, y), in order along the filament; where it crosses itself there are two.
    fn passes(&self, x: f32, y: f32) -> [Option<Pass>; 2] {
        let column = ((x - self.bounds[0]) / CELL).max(0.0) as usize;
        let row = ((y - self.bounds[1]) / CELL).max(0.0) as usize;
        let mut found: [Option<Pass>; 2] = [None, None];
        let Some(cell) = self.cells.get(row * self.columns + column.min(self.columns - 1)) else {
            return found;
        };
        for i in cell {
            let pass = self.pass(*i as usize, x, y);
            // The same stretch of filament seen from its next segment, or another stretch?
            let slot =
                found.iter().position(|f| f.is_none_or(|f| (pass.along - f.along).abs() < 4.0 * RADIUS));
            match slot {
                Some(s) if found[s].is_none_or(|f| pass.away < f.away) => found[s] = Some(pass),
                Some(_) => {}
                None => {
                    let worse =
                        usize::from(found[1].is_some_and(|b| found[0].is_some_and(|a| b.away > a.away)));
                    if found[worse].is_some_and(|f| pass.away < f.away) {
                        found[worse] = Some(pass);
                    }
                }
            }
        }
        if let [Some(a), Some(b)] = found
            && a.along > b.along
        {
            found.swap(0, 1);
        }
        found
    }

    fn pass(&self, i: usize, x: f32, y: f32) -> Pass {
        let (a, b) = (self.line[i], self.line[i + 1]);
        let (dx, dy) = ((b[0] - a[0]) / STEP, (b[1] - a[1]) / STEP);
        let (px, py) = (x - a[0], y - a[1]);
        let t = (px * dx + py * dy).clamp(0.0, STEP);
        let side = (dx * py - dy * px).signum();
        let away = (px - t * dx).hypot(py - t * dy);
        Pass { away, along: i as f32 * STEP + t, across: side * away }
    }

    fn layer(&self, pass: Pass) -> Touch {
        let Pass { away, along, across } = pass;
        let beads = 1.5 * self.texture.at(along / 17.0, 3.0 + across.signum() * 9.0)
            + 1.2 * self.texture.at(along / 60.0, 50.0);
        let distance = away - RADIUS * 0.95 - beads;
        let cover = edge(distance, self.pixel);
        if cover <= 0.0 {
            return Touch::beside(distance);
        }
        let v = (away / RADIUS).min(1.0);
        let striae = (TAU * (along + 2.5 * v * v) / PITCH).cos();
        let segments = self.texture.at(along / 13.0, across / 55.0);
        let mottle = self.texture.fractal(along / 34.0 + 200.0, across / 22.0, 3);
        let channel = self.channel * smoothstep(12.0, 6.0, away);
        let body = 0.14 + 0.3 * v * v * v + 0.08 * striae + 0.1 * segments + 0.09 * mottle + channel;
        Touch { distance, cover, stain: body.max(0.03) }
    }
}

impl Shape for Filament {
    fn bounds(&self) -> [f32; 4] {
        self.bounds
    }

    fn touch(&self, x: f32, y: f32) -> Touch {
        let layers = self.passes(x, y).map(|pass| pass.map(|p| self.layer(p)));
        match layers {
            [None, None] => Touch::beside(REACH),
            [Some(only), None] | [None, Some(only)] => only,
            [Some(below), Some(above)] => below.under(above),
        }
    }
}
