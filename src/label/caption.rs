//! The caption: a light strip below the picture with a line or a few of dark words.

use super::ink::{Cover, Lettering};

/// Brightness of strip, words and the line between picture and strip.
const GROUND: f32 = 1.0;
const WORDS: f32 = 0.12;
const RULE: f32 = 0.72;

/// Height of capitals as a share of the picture's short side, and at least in pixels.
const CAP: f32 = 0.022;
const LEAST_CAP: f32 = 8.0;
/// Measures as shares of the height of capitals.
const PEN: f32 = 0.13;
const PADDING: f32 = 1.15;
const LEADING: f32 = 2.0;
/// Between parts of a caption on one line.
const BETWEEN: &str = "  ·  ";

/// A strip for a picture of a certain width.
pub(super) struct Strip {
    pub rows: usize,
    /// Brightness of its pixels, row by row.
    pub brightness: Vec<f32>,
    pub words: Cover,
}

/// The strip below a picture of `width` × `height` pixels that says `parts`, on as few lines as they need.
pub(super) fn strip(width: u32, height: u32, parts: &[String]) -> Strip {
    let mut cap = (width.min(height) as f32 * CAP).max(LEAST_CAP);
    let room = |cap: f32| width as f32 - 2.0 * PADDING * cap;
    // Only a word of its own that is too long makes letters smaller.
    while cap > 4.0 && parts.iter().any(|part| lettering(cap).width(part) > room(cap)) {
        cap -= 0.5;
    }
    let lettering = lettering(cap);
    let lines = lines(parts, |line| lettering.width(line) <= room(cap));
    let rule = (cap / 12.0).round().max(1.0);
    let tall = rule + (2.0 * PADDING + 1.0 + LEADING * (lines.len().max(1) - 1) as f32) * cap + lettering.pen;
    let rows = tall.round() as usize;
    let mut words = Cover::new(width as usize, rows);
    for (index, line) in lines.iter().enumerate() {
        let base = rule + (PADDING + 1.0 + LEADING * index as f32) * cap + lettering.pen / 2.0;
        words.text(line, lettering, PADDING * cap, base);
    }
    let ground = |row: usize| if row < rule as usize { RULE } else { GROUND };
    let shade = |(index, cover): (usize, &f32)| {
        let under = ground(index / width as usize);
        under + (WORDS - under) * cover
    };
    let brightness = words.values.iter().enumerate().map(shade).collect();
    Strip { rows, brightness, words }
}

fn lettering(cap: f32) -> Lettering {
    Lettering { cap, pen: (PEN * cap).max(1.3) }
}

/// `parts` on lines that fit, each as full as it can be.
fn lines(parts: &[String], fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line}{BETWEEN}{part}")) => {
                line.push_str(BETWEEN);
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_a_line_while_they_fit() {
        let parts = ["aa", "bb", "cc"].map(str::to_owned);
        let within = |most: usize| lines(&parts, |line| line.chars().count() <= most);
        assert_eq!(within(16), ["aa  ·  bb  ·  cc"]);
        assert_eq!(within(15), ["aa  ·  bb", "cc"]);
        assert_eq!(within(1), ["aa", "bb", "cc"], "what does not fit stands alone");
    }

    #[test]
    fn a_strip_is_as_tall_as_its_lines_and_keeps_words_inside() {
        let parts = ["AI-generated", "source a99ff1a5a84a", "strength 0.70"].map(str::to_owned);
        let (narrow, wide) = (strip(200, 300, &parts), strip(1000, 300, &parts));
        assert!(narrow.rows > wide.rows && wide.rows < 40, "{} {}", narrow.rows, wide.rows);
        for strip in [&narrow, &wide, &strip(200, 200, &parts)] {
            let (width, rows) = (strip.words.width, strip.rows);
            let inked = |x: usize, y: usize| strip.words.values[y * width + x] > 0.0;
            assert!((0..rows).any(|y| (0..width).any(|x| inked(x, y))));
            assert!((0..rows).all(|y| !inked(0, y) && !inked(width - 1, y)), "{width}");
            assert!((0..width).all(|x| !inked(x, 0) && !inked(x, rows - 1)), "{width}");
        }
    }
}
