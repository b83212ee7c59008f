//! Where round particles lie: in clusters that grew by contact, without overlap.

use super::Field;
use crate::specimen::chance::Dice;

/// Share of particles that start a cluster of their own instead of touching an older one.
const LONERS: f32 = 0.1;

/// `count` discs of `radius` (fewer where the field is full), the contacts up to `slack` radii wide.
pub fn clusters(field: Field, count: usize, radius: f32, slack: f32, dice: &mut Dice) -> Vec<[f32; 2]> {
    let mut placed: Vec<[f32; 2]> = Vec::new();
    for _ in 0..200 * count {
        if placed.len() == count {
            break;
        }
        let spot = if placed.is_empty() {
            // The first lies near the middle, so that no picture is empty.
            [field.width * dice.range(0.3, 0.7), field.height * dice.range(0.3, 0.7)]
        } else if dice.chance(LONERS) {
            [dice.range(0.0, field.width), dice.range(0.0, field.height)]
        } else {
            // Of two chances the one nearer the middle: clusters are compact, and seen.
            let off = |spot: &[f32; 2]| (spot[0] - field.width / 2.0).hypot(spot[1] - field.height / 2.0);
            let [a, b] = [(); 2].map(|()| beside(&placed, radius, slack, dice));
            if off(&a) < off(&b) { a } else { b }
        };
        let inside = |at: f32, size: f32| at > -0.4 * radius && at < size + 0.4 * radius;
        let free = |other: &[f32; 2]| (spot[0] - other[0]).hypot(spot[1] - other[1]) >= 1.99 * radius;
        if inside(spot[0], field.width) && inside(spot[1], field.height) && placed.iter().all(free) {
            placed.push(spot);
        }
    }
    placed
}

/// A spot in contact with one of the discs.
fn beside(placed: &[[f32; 2]], radius: f32, slack: f32, dice: &mut Dice) -> [f32; 2] {
    let [x, y] = placed[dice.below(placed.len())];
    let (sin, cos) = dice.angle().sin_cos();
    let apart = 2.0 * radius + radius * slack * dice.range(0.0, 1.0).powi(2);
    [x + apart * cos, y + apart * sin]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn placed_discs_do_not_overlap() {
        let field = Field { width: 900.0, height: 560.0, pixel: 1.0 };
        let spots = clusters(field, 20, 45.0, 0.4, &mut Dice::new(Stream::new(3, "spots")));
        assert_eq!(spots.len(), 20);
        for (i, a) in spots.iter().enumerate() {
            for b in &spots[..i] {
                assert!((a[0] - b[0]).hypot(a[1] - b[1]) >= 1.99 * 45.0);
            }
        }
    }

    #[test]
    fn a_full_field_takes_no_more() {
        let field = Field { width: 100.0, height: 100.0, pixel: 1.0 };
        let spots = clusters(field, 50, 45.0, 0.4, &mut Dice::new(Stream::new(3, "spots")));
        assert!((1..8).contains(&spots.len()));
    }
}
