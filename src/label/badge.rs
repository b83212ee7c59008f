//! The badge: a word on a dark ground of its own, with a light rim for dark pictures.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::ink::{Cover, Lettering};
use super::words::{Language, Wording};

/// Least height in pixels: below it the word could not be read.
const LEAST_HEIGHT: f32 = 20.0;

/// Brightness of ground, rim and word. Word on ground has a contrast of 18:1, whatever lies around.
const GROUND: f32 = 0.08;
const RIM: f32 = 0.92;
const WORD: f32 = 1.0;

/// Measures as shares of the badge's height.
const CAP: f32 = 0.43;
const PEN: f32 = 0.088;
const PADDING: f32 = 0.34;
const RADIUS: f32 = 0.28;
const RIM_WIDTH: f32 = 0.035;
const MARGIN: f32 = 0.5;

/// Where a badge is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    TopLeft,
    #[default]
    TopRight,
    BottomLeft,
    BottomRight,
}

impl Position {
    pub const ALL: [Position; 4] =
        [Position::TopLeft, Position::TopRight, Position::BottomLeft, Position::BottomRight];

    pub fn name(self) -> &'static str {
        match self {
            Position::TopLeft => "top-left",
            Position::TopRight => "top-right",
            Position::BottomLeft => "bottom-left",
            Position::BottomRight => "bottom-right",
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Height of a badge as a share of the picture's short side, 0.03..=0.25.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Size(f64);

impl Size {
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Default for Size {
    fn default() -> Self {
        Size(0.065)
    }
}

/// No share that a badge can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 0.03 to 0.25 of the short side, for example 0.065 or 6.5%, found {0:?}")]
pub struct ParseSizeError(String);

impl FromStr for Size {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let trimmed = text.trim();
        let value = match trimmed.strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().map(|value| value / 100.0),
            None => trimmed.parse(),
        };
        let found = value.ok().filter(|value| (0.03..=0.25).contains(value)).map(Size);
        found.ok_or_else(|| ParseSizeError(text.to_owned()))
    }
}

/// A badge that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Badge {
    pub wording: Wording,
    pub language: Language,
    pub position: Position,
    pub size: Size,
}

/// A badge on a picture of a certain size.
pub(super) struct Placed {
    pub left: usize,
    pub top: usize,
    /// Brightness of each pixel of the badge's box, and how much of it replaces the picture's.
    pub brightness: Vec<f32>,
    pub opacity: Cover,
    /// Where its dark ground is, and the word.
    ground: Cover,
    pub word: Cover,
}

impl Placed {
    /// Whether the pixel is wholly ground, whatever is written on it.
    pub fn is_ground(&self, x: usize, y: usize) -> bool {
        self.ground.values[y * self.ground.width + x] >= 1.0
    }
}

impl Badge {
    pub fn text(&self) -> &'static str {
        self.language.badge(self.wording)
    }

    /// As large as it is to be, but smaller where its word is too long for the picture.
    pub(super) fn place(&self, width: u32, height: u32) -> Placed {
        let text = self.text();
        let wanted = (width.min(height) as f32 * self.size.0 as f32).max(LEAST_HEIGHT);
        let room = width as f32;
        let fits = |tall: f32| {
            let lettering = lettering(tall);
            let wide = (lettering.width(text) + 2.0 * PADDING * tall).max(1.4 * tall);
            (wide, wide + 2.0 * MARGIN * tall <= room)
        };
        let mut tall = wanted.round();
        while tall > 8.0 && !fits(tall).1 {
            tall -= 1.0;
        }
        let (wide, lettering) = (fits(tall).0, lettering(tall));
        let (box_w, box_h) =
            ((wide.ceil() as usize).min(width as usize), (tall as usize).min(height as usize));
        let radius = RADIUS * tall;
        let mut opacity = Cover::new(box_w, box_h);
        opacity.rounded(0.0, radius);
        let mut ground = Cover::new(box_w, box_h);
        ground.rounded((RIM_WIDTH * tall).max(1.0), radius);
        let mut word = Cover::new(box_w, box_h);
        let base = (tall + lettering.cap) / 2.0;
        word.text(text, lettering, (box_w as f32 - lettering.width(text)) / 2.0, base);
        let shade = |(ground, word): (&f32, &f32)| {
            let under = RIM + (GROUND - RIM) * ground;
            under + (WORD - under) * word
        };
        let brightness = ground.values.iter().zip(&word.values).map(shade).collect();
        let margin = (MARGIN * tall).round() as usize;
        let (right, bottom) = (
            (width as usize).saturating_sub(margin + box_w),
            (height as usize).saturating_sub(margin + box_h),
        );
        let (left, top) = match self.position {
            Position::TopLeft => (margin, margin),
            Position::TopRight => (right, margin),
            Position::BottomLeft => (margin, bottom),
            Position::BottomRight => (right, bottom),
        };
        let (left, top) = (left.min(width as usize - box_w), top.min(height as usize - box_h));
        Placed { left, top, brightness, opacity, ground, word }
    }
}

fn lettering(tall: f32) -> Lettering {
    Lettering { cap: CAP * tall, pen: (PEN * tall).max(1.6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_is_inside_its_corner_of_any_picture_and_as_tall_as_it_is_asked_for() {
        for (width, height) in [(200, 200), (2000, 1200), (200, 4000), (5000, 210)] {
            for position in Position::ALL {
                for language in Language::ALL {
                    for wording in [Wording::Plain, Wording::Generated, Wording::Modified] {
                        let badge =
                            Badge { wording, language, position, size: "0.25".parse().expect("in range") };
                        let placed = badge.place(width, height);
                        let (w, h) = (placed.opacity.width, placed.opacity.height);
                        let (right, bottom) = (placed.left + w, placed.top + h);
                        assert!(right <= width as usize && bottom <= height as usize);
                        let middle = ((placed.left + right) / 2, (placed.top + bottom) / 2);
                        let is_left = matches!(position, Position::TopLeft | Position::BottomLeft);
                        let is_top = matches!(position, Position::TopLeft | Position::TopRight);
                        assert!((middle.1 < height as usize / 2) == is_top, "{position} {height}");
                        assert!(wording != Wording::Plain || (middle.0 < width as usize / 2) == is_left);
                    }
                }
            }
        }
        let tall = |size: &str, side: u32| {
            let size = size.parse().expect("in range");
            Badge { size, ..Badge::default() }.place(side, side).opacity.height
        };
        assert_eq!((tall("10%", 1000), tall("0.03", 2000), tall("0.03", 200)), (100, 60, 20));
    }

    #[test]
    fn shares_that_no_badge_can_have_are_refused() {
        assert_eq!("6.5 %".parse::<Size>(), Ok(Size::default()));
        for text in ["", "0", "0.02", "30%", "NaN", "large"] {
            assert!(text.parse::<Size>().is_err_and(|e| e.to_string().contains("0.03 to 0.25")), "{text}");
        }
    }
}
