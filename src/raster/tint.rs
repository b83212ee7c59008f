//! A picture with some of it marked, for people to look at.

use super::Plane;

/// The tint, as R, G, B: amber, which no micrograph's grey hides and which the colour-blind can see.
const TINT: [f32; 3] = [1.0, 0.72, 0.0];
/// How much of the picture is left under the full tint, and how bright it is where there is none.
const UNDER: f32 = 0.35;
const DIM: f32 = 0.6;

/// `luma` dimmed, and tinted by `share`, 0..=1, of its size: red, green and blue.
pub fn tinted(luma: &Plane, share: &Plane) -> [Plane; 3] {
    TINT.map(|tint| {
        luma.zip(share, |v, share| {
            let full = UNDER * v + (1.0 - UNDER) * tint * (0.35 + 0.65 * v);
            (DIM * v * (1.0 - share) + full * share).clamp(0.0, 1.0)
        })
    })
}
