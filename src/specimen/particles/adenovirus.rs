//! Adenovirus: an icosahedral shell of 252 capsomers (T = 25) seen in projection, with fibres.

use super::{Field, REACH, Shape, Touch, edge, placement};
use crate::specimen::chance::{Dice, mix, smoothstep};

/// Vertex radius of the capsid in nanometres.
const RADIUS: f32 = 45.0;
/// Capsomers along an edge of the icosahedron: T = 5².
const EDGE: f32 = 5.0;
/// The real capsid bulges: share of a sphere in the outline.
const BULGE: f32 = 0.5;
/// Fibres are thinner than the stain: the share of it that they push aside.
const FIBRE: f32 = 0.32;

pub fn scatter(field: Field, dice: &mut Dice) -> Vec<Box<dyn Shape>> {
    let area = field.width * field.height / 1e6;
    let count = (area * dice.range(26.0, 40.0)).round().max(3.0) as usize;
    let spots = placement::clusters(field, count, 1.03 * RADIUS, 0.35, dice);
    spots.into_iter().map(|at| Box::new(Capsid::new(at, field.pixel, dice)) as Box<dyn Shape>).collect()
}

type Vector = [f32; 3];

struct Capsid {
    at: [f32; 2],
    radius: f32,
    pixel: f32,
    faces: Vec<Face>,
    /// Silhouette of the solid, counter-clockwise.
    outline: Vec<[f32; 2]>,
    fibres: Vec<Fibre>,
    /// 0 for a full particle, up to 1 for one whose core the stain has filled.
    emptied: f32,
    /// Absorbance of the stain film lying over the whole particle.
    veil: f32,
}

/// A triangular facet; `across` and `down` turn a point of its plane into barycentric coordinates.
struct Face {
    normal: Vector,
    corner: Vector,
    across: Vector,
    down: Vector,
}

struct Fibre {
    root: [f32; 2],
    tip: [f32; 2],
}

impl Capsid {
    fn new(at: [f32; 2], pixel: f32, dice: &mut Dice) -> Self {
        let radius = RADIUS * dice.range(0.97, 1.03);
        let turn = rotation(dice);
        let vertices: Vec<Vector> = icosahedron().iter().map(|v| scale(apply(&turn, *v), radius)).collect();
        let faces = faces(&vertices);
        let outline = hull(vertices.iter().map(|v| [v[0], v[1]]).collect());
        let mut fibres = Vec::new();
        for v in &vertices {
            let reach = v[0].hypot(v[1]);
            if reach > 0.75 * radius && dice.chance(0.45) {
                let (sin, cos) = (v[1].atan2(v[0]) + 0.25 * dice.normal()).sin_cos();
                let length = dice.range(18.0, 30.0) * reach / radius;
                fibres.push(Fibre { root: [v[0], v[1]], tip: [v[0] + length * cos, v[1] + length * sin] });
            }
        }
        let emptied = if dice.chance(0.07) { dice.range(0.6, 1.0) } else { dice.range(0.0, 0.15) };
        Capsid { at, radius, pixel, faces, outline, fibres, emptied, veil: dice.range(0.0, 0.1) }
    }

    /// Height of the upper and of the lower surface over (x, y), and how near each is to a capsomer (0..=1).
    fn surfaces(&self, x: f32, y: f32) -> Option<[(f32, f32); 2]> {
        let (mut top, mut bottom) = ((f32::MAX, 0), (f32::MIN, 0));
        for (i, face) in self.faces.iter().enumerate() {
            let n = face.normal;
            let height = (dot(n, face.corner) - n[0] * x - n[1] * y) / n[2];
            if n[2] > 1e-3 && height < top.0 {
                top = (height, i);
            } else if n[2] < -1e-3 && height > bottom.0 {
                bottom = (height, i);
            }
        }
        let capsomer = |(z, i): (f32, usize)| (z, self.faces[i].capsomer([x, y, z]));
        (top.0 > bottom.0).then(|| [capsomer(top), capsomer(bottom)])
    }
}

impl Shape for Capsid {
    fn bounds(&self) -> [f32; 4] {
        let reach = self.radius + REACH;
        let [x, y] = self.at;
        [x - reach, y - reach, x + reach, y + reach]
    }

    fn touch(&self, x: f32, y: f32) -> Touch {
        let (x, y) = (x - self.at[0], y - self.at[1]);
        let r = x.hypot(y);
        let solid = polygon_distance(&self.outline, x, y);
        // Capsomers seen from the side make the outline bumpy.
        let bumps = 0.8 * (y.atan2(x) * 29.0).cos();
        let distance = mix(solid, r - 0.96 * self.radius, BULGE) - bumps;
        let fibre = self.fibres.iter().map(|f| f.cover(x, y, self.pixel)).fold(0.0, f32::max);
        let cover = edge(distance, self.pixel);
        if cover <= 0.0 {
            return Touch { distance, cover: FIBRE * fibre, stain: 0.3 };
        }
        // Points of the bulge borrow the relief of the solid below them.
        let shrink = if solid > -0.5 { 1.0 - (solid + 0.5) / r } else { 1.0 };
        let (thick, relief) = match self.surfaces(x * shrink, y * shrink) {
            Some([(top, near), (bottom, far)]) => {
                ((top - bottom) / (2.0 * self.radius), 0.7 * near + 0.3 * far)
            }
            None => (0.0, 0.5),
        };
        let rim = (1.0 - thick).clamp(0.0, 1.0);
        let full = 0.08 + 0.95 * rim * rim + 0.42 * (0.55 - relief) * (0.55 + 0.45 * thick);
        let core = smoothstep(-7.0, -13.0, distance);
        let stain = full + self.emptied * core * (0.75 - 0.3 * relief) + self.veil;
        Touch { distance, cover: cover.max(FIBRE * fibre), stain: stain.max(0.0) }
    }
}

impl Face {
    /// 1 at the centre of a capsomer, 0 in the groove between three.
    fn capsomer(&self, point: Vector) -> f32 {
        let from = sub(point, self.corner);
        let (i, j) = (EDGE * dot(from, self.across), EDGE * dot(from, self.down));
        let (i0, j0) = (i.floor(), j.floor());
        let mut nearest = f32::MAX;
        for (a, b) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            let (di, dj) = (i - i0 - a, j - j0 - b);
            // The axes of the lattice stand at 60°.
            nearest = nearest.min(di * di + dj * dj + di * dj);
        }
        smoothstep(0.58, 0.18, nearest.sqrt())
    }
}

impl Fibre {
    fn cover(&self, x: f32, y: f32, pixel: f32) -> f32 {
        let (dx, dy) = (self.tip[0] - self.root[0], self.tip[1] - self.root[1]);
        let along = ((x - self.root[0]) * dx + (y - self.root[1]) * dy) / (dx * dx + dy * dy);
        let t = along.clamp(0.0, 1.0);
        let shaft = (x - self.root[0] - t * dx).hypot(y - self.root[1] - t * dy) - 1.0;
        let knob = (x - self.tip[0]).hypot(y - self.tip[1]) - 2.4;
        edge(shaft.min(knob), pixel)
    }
}

/// The twelve unit vertices.
fn icosahedron() -> Vec<Vector> {
    let golden = (1.0 + 5f32.sqrt()) / 2.0;
    let norm = (1.0 + golden * golden).sqrt();
    let mut vertices = Vec::with_capacity(12);
    for a in [-1.0, 1.0] {
        for b in [-golden, golden] {
            let (a, b) = (a / norm, b / norm);
            vertices.extend([[0.0, a, b], [a, b, 0.0], [b, 0.0, a]]);
        }
    }
    vertices
}

/// All triples of neighbouring vertices.
fn faces(vertices: &[Vector]) -> Vec<Face> {
    // Neighbours stand 63.4° apart, all others at least 116.6°.
    let near = |a: Vector, b: Vector| dot(a, b) > 0.0;
    let mut faces = Vec::with_capacity(20);
    for (i, a) in vertices.iter().enumerate() {
        for (j, b) in vertices.iter().enumerate().skip(i + 1) {
            for c in vertices.iter().skip(j + 1) {
                if near(*a, *b) && near(*b, *c) && near(*a, *c) {
                    faces.push(Face::new(*a, *b, *c));
                }
            }
        }
    }
    faces
}

impl Face {
    fn new(a: Vector, b: Vector, c: Vector) -> Self {
        let (u, v) = (sub(b, a), sub(c, a));
        let (uu, vv, uv) = (dot(u, u), dot(v, v), dot(u, v));
        let det = uu * vv - uv * uv;
        // Dual basis of the facet's plane: what is along u is 1 across and 0 down.
        let across = scale(sub(scale(u, vv), scale(v, uv)), 1.0 / det);
        let down = scale(sub(scale(v, uu), scale(u, uv)), 1.0 / det);
        let centre = scale([a[0] + b[0] + c[0], a[1] + b[1] + c[1], a[2] + b[2] + c[2]], 1.0 / 3.0);
        let normal = scale(centre, 1.0 / dot(centre, centre).sqrt());
        Face { normal, corner: a, across, down }
    }
}

/// A random rotation, uniform (Shoemake 1992, by a random unit quaternion).
fn rotation(dice: &mut Dice) -> [Vector; 3] {
    let q = [dice.normal(), dice.normal(), dice.normal(), dice.normal()];
    let norm = q.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
    let [w, x, y, z] = q.map(|v| v / norm);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

/// Convex hull, counter-clockwise (Andrew's monotone chain).
fn hull(mut points: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let half = |points: &mut dyn Iterator<Item = [f32; 2]>| {
        let mut chain: Vec<[f32; 2]> = Vec::new();
        for p in points {
            while let [.., a, b] = chain[..] {
                if (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut chain = half(&mut points.iter().copied());
    chain.extend(half(&mut points.iter().rev().copied()));
    chain
}

/// Signed distance from a convex counter-clockwise polygon, negative inside.
fn polygon_distance(polygon: &[[f32; 2]], x: f32, y: f32) -> f32 {
    let (mut inside, mut nearest) = (f32::MIN, f32::MAX);
    for (i, a) in polygon.iter().enumerate() {
        let b = polygon[(i + 1) % polygon.len()];
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.hypot(dy).max(1e-6);
        inside = inside.max(((x - a[0]) * dy - (y - a[1]) * dx) / length);
        let t = (((x - a[0]) * dx + (y - a[1]) * dy) / (length * length)).clamp(0.0, 1.0);
        nearest = nearest.min((x - a[0] - t * dx).hypot(y - a[1] - t * dy));
    }
    if inside < 0.0 { inside } else { nearest }
}

fn apply(m: &[Vector; 3], v: Vector) -> Vector {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn scale(a: Vector, k: f32) -> Vector {
    a.map(|v| v * k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn a_capsid_has_twenty_facets_and_a_convex_outline() {
        let capsid = Capsid::new([0.0, 0.0], 1.0, &mut Dice::new(Stream::new(5, "capsid")));
        assert_eq!(capsid.faces.len(), 20);
        assert!((6..=10).contains(&capsid.outline.len()));
        assert!(polygon_distance(&capsid.outline, 0.0, 0.0) < -0.7 * RADIUS);
    }

    #[test]
    fn the_corners_of_a_facet_are_capsomers() {
        let vertices: Vec<Vector> = icosahedron().iter().map(|v| scale(*v, RADIUS)).collect();
        for face in faces(&vertices) {
            assert!(face.capsomer(face.corner) > 0.99);
        }
    }
}
