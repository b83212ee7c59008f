//! Coverage: how much of each pixel lettering and shapes cover, 0..=1.

use super::glyphs::{Glyph, glyph};

/// How large letters are, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Lettering {
    /// Height of capitals, from the middle of one stroke to that of another.
    pub cap: f32,
    /// Width of strokes.
    pub pen: f32,
}

/// A dot is wider than a stroke, or it would look thinner.
const DOT: f32 = 1.22;

impl Lettering {
    /// Width of `text` in pixels, from edge to edge of what is drawn.
    pub fn width(self, text: &str) -> f32 {
        let glyphs: Vec<Glyph> = text.chars().filter_map(glyph).collect();
        let (Some(first), Some(last)) = (glyphs.first(), glyphs.last()) else { return 0.0 };
        let all: f32 = glyphs.iter().map(|glyph| self.advance(glyph)).sum();
        all - (first.left + last.right) * self.cap
    }

    fn advance(self, glyph: &Glyph) -> f32 {
        (glyph.left + glyph.width + glyph.right) * self.cap + self.pen
    }
}

/// A field of coverages, row by row from the top.
pub struct Cover {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Cover {
    pub fn new(width: usize, height: usize) -> Self {
        Cover { width, height, values: vec![0.0; width * height] }
    }

    /// Draws `text`; `left` is the edge of its first letter, `base` the middle of the strokes on the line.
    pub fn text(&mut self, text: &str, size: Lettering, left: f32, base: f32) {
        let mut at = left;
        for (index, glyph) in text.chars().filter_map(glyph).enumerate() {
            if index == 0 {
                at -= glyph.left * size.cap;
            }
            let x = at + glyph.left * size.cap + size.pen / 2.0;
            for stroke in &glyph.strokes {
                let points: Vec<[f32; 2]> =
                    stroke.iter().map(|[u, v]| [x + u * size.cap, base - v * size.cap]).collect();
                self.stroke(&points, size.pen / 2.0);
            }
            at += size.advance(&glyph);
        }
    }

    /// A line through `points` with round ends, or a dot for one of them.
    fn stroke(&mut self, points: &[[f32; 2]], half: f32) {
        let [first, ..] = points else { return };
        if points.len() == 1 {
            return self.segment(*first, *first, half * DOT);
        }
        points.windows(2).for_each(|pair| self.segment(pair[0], pair[1], half));
    }

    fn segment(&mut self, a: [f32; 2], b: [f32; 2], half: f32) {
        let reach = half + 1.0;
        let range = |a: f32, b: f32, end: usize| {
            let low = (a.min(b) - reach).floor().max(0.0) as usize;
            low.min(end)..((a.max(b) + reach).ceil().max(0.0) as usize).min(end)
        };
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx * dx + dy * dy;
        for y in range(a[1], b[1], self.height) {
            for x in range(a[0], b[0], self.width) {
                let (px, py) = (x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]);
                let t = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
                let distance = (px - t * dx).hypot(py - t * dy);
                let value = &mut self.values[y * self.width + x];
                *value = value.max((half + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }

    /// A box with round corners over the whole field, but for `inset` pixels all round.
    pub fn rounded(&mut self, inset: f32, radius: f32) {
        let (width, height) = (self.width as f32, self.height as f32);
        let (half_w, half_h) = (width / 2.0 - inset, height / 2.0 - inset);
        let radius = (radius - inset).clamp(0.0, half_w.min(half_h));
        for y in 0..self.height {
            for x in 0..self.width {
                let qx = (x as f32 + 0.5 - width / 2.0).abs() - (half_w - radius);
                let qy = (y as f32 + 0.5 - height / 2.0).abs() - (half_h - radius);
                let outside = qx.max(0.0).hypot(qy.max(0.0)) + qx.max(qy).min(0.0) - radius;
                self.values[y * self.width + x] = (0.5 - outside).clamp(0.0, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fills_exactly_the_width_that_it_is_said_to_have() {
        for text in ["AI", "KI-generiert", "źródło 0123456789ab", "L"] {
            let size = Lettering { cap: 40.0, pen: 6.0 };
            let width = size.width(text);
            let mut cover = Cover::new(width.ceil() as usize + 20, 90);
            cover.text(text, size, 10.0, 65.0);
            let columns: Vec<usize> = (0..cover.width)
                .filter(|x| (0..cover.height).any(|y| cover.values[y * cover.width + x] > 0.5))
                .collect();
            let (first, last) = (columns[0] as f32, columns[columns.len() - 1] as f32 + 1.0);
            // Round bowls end within a pixel of their box, sloping marks may hang over.
            assert!(
                (first - 10.0).abs() <= 1.5 && (last - 10.0 - width).abs() <= 1.5,
                "{text}: {first} {last} {width}"
            );
        }
        assert_eq!(Lettering { cap: 40.0, pen: 6.0 }.width(""), 0.0);
    }

    #[test]
    fn a_stroke_covers_its_width_and_no_more_and_what_lies_outside_is_harmless() {
        let mut cover = Cover::new(9, 9);
        cover.stroke(&[[-5.0, 4.5], [20.0, 4.5]], 1.5);
        let column: Vec<f32> = (0..9).map(|y| cover.values[y * 9 + 4]).collect();
        assert_eq!(column, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        cover.stroke(&[[-50.0, -50.0], [-40.0, 90.0]], 2.0);
        cover.stroke(&[[f32::NAN, 0.0], [1.0, 1.0]], 1.0);
        assert!(cover.values.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
