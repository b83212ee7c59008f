//! Virions as shapes: where they lie, and how much stain each of their points lets in.

mod adenovirus;
mod bullet;
mod filovirus;
mod influenza;
mod placement;

use super::chance::Dice;
use super::kind::Kind;
use crate::random::Stream;

/// The part of the grid that the picture shows, in nanometres; the origin is its upper left corner.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub width: f32,
    pub height: f32,
    /// Nanometres between two pixels: the width of every antialiased edge.
    pub pixel: f32,
}

/// What a particle does at one point.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// Distance from the particle's outline in nanometres, negative inside.
    pub distance: f32,
    /// Share of the point that the particle fills, 0..=1: there is no pooled stain there.
    pub cover: f32,
    /// Absorbance of the stain that got into or onto the particle here.
    pub stain: f32,
}

impl Touch {
    /// A point that the particle does not fill.
    pub fn beside(distance: f32) -> Self {
        Touch { distance, cover: 0.0, stain: 0.0 }
    }
}

/// A particle that can be asked about any point of the field.
pub trait Shape: Send + Sync {
    /// The box that holds all points nearer than [`REACH`]: left, top, right, bottom in nanometres.
    fn bounds(&self) -> [f32; 4];

    /// What the particle does at (x, y).
    fn touch(&self, x: f32, y: f32) -> Touch;
}

/// How far from a particle its stain meniscus is felt, in nanometres.
pub const REACH: f32 = 70.0;

/// The particles of one specimen, the lowest first.
pub fn scatter(kind: Kind, field: Field, stream: Stream) -> Vec<Box<dyn Shape>> {
    let dice = &mut Dice::new(stream);
    match kind {
        Kind::Adenovirus => adenovirus::scatter(field, dice),
        Kind::Influenza => influenza::scatter(field, dice),
        Kind::Filovirus => filovirus::scatter(field, dice),
        Kind::Bullet => bullet::scatter(field, dice),
    }
}

/// Edge of a body: 1 inside, 0 outside, softened over a pixel and the resolution of the stain.
#[inline]
fn edge(distance: f32, pixel: f32) -> f32 {
    let soft = 0.6 * pixel + 0.5;
    super::chance::smoothstep(soft, -soft, distance)
}
