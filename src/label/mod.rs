//! What people see: the word "AI" in a badge on the picture, and a strip below it that says what it is.
//!
//! Words stand on a ground of their own, so that their contrast does not depend on the picture. It is measured on the
//! finished file as well: what cannot be read there is no label.

mod badge;
mod caption;
mod glyphs;
mod ink;
mod words;

pub use badge::{Badge, ParseSizeError, Position, Size};
pub use ink::{Cover, Lettering};
pub use words::{Language, ParseLanguageError, Wording};

use crate::raster::{Raster, Samples};
use badge::Placed;
use caption::Strip;

/// Least contrast of words with their ground (WCAG 2.2, success criterion 1.4.3).
pub const CONTRAST: f64 = 4.5;

/// What is to be drawn on a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Visible {
    /// Whether a badge is, and a strip.
    pub label: bool,
    pub caption: bool,
    /// The badge, and the language of both: also where only a policy asks for them.
    pub style: Badge,
}

/// A picture with a badge, a strip, or both.
pub struct Labelled {
    pub raster: Raster,
    /// Of the picture itself; below it is the strip.
    height: u32,
    badge: Option<Placed>,
    strip: Option<Strip>,
}

/// `picture` with a badge on it, and a strip below it that says `caption`. Nothing else of it is changed.
pub fn draw(picture: &Raster, badge: Option<&Badge>, caption: Option<&[String]>) -> Labelled {
    let picture = picture.clone().flatten();
    let (width, height) = (picture.width(), picture.height());
    let badge = badge.map(|badge| badge.place(width, height));
    let strip = caption.map(|parts| caption::strip(width, height, parts));
    let mut canvas = Canvas::of(&picture);
    if let Some(badge) = &badge {
        canvas.blend(badge.left, badge.top, &badge.opacity, &badge.brightness);
    }
    if let Some(strip) = &strip {
        canvas.extend(&strip.brightness);
    }
    let rows = strip.as_ref().map_or(0, |strip| strip.rows as u32);
    Labelled { raster: canvas.into_raster(height + rows), height, badge, strip }
}

impl Labelled {
    /// `finished`, which was made of this picture, without its strip, and with what `picture` has where the badge is: what
    /// was drawn for people to see counts for nothing when pictures are compared.
    ///
    /// # Panics
    /// If one of them has another size than it has to have: a fault of the caller.
    pub fn uncovered(&self, finished: &Raster, picture: &Raster) -> Raster {
        let picture = picture.clone().flatten();
        let width = self.raster.width();
        assert_eq!(
            (finished.width(), finished.height()),
            (width, self.raster.height()),
            "the finished picture"
        );
        assert_eq!((picture.width(), picture.height()), (width, self.height), "the picture");
        let (mut planes, under) = (finished.planes(), picture.planes());
        for (index, plane) in planes.iter_mut().enumerate() {
            let rows = self.height as usize * width as usize;
            let mut data = plane.data()[..rows].to_vec();
            if let Some(badge) = &self.badge {
                // A grey picture may be finished as three channels.
                let from = &under[index.min(under.len() - 1)];
                for y in badge.top..badge.top + badge.opacity.height {
                    let row = y * width as usize + badge.left;
                    let row = row..row + badge.opacity.width;
                    data[row.clone()].copy_from_slice(&from.data()[row]);
                }
            }
            *plane = crate::raster::Plane::new(width as usize, self.height as usize, data);
        }
        Raster::from_planes(&planes, finished.depth())
    }

    /// The least contrast of words with their ground that `finished` has: 1 for none, 21 for black on white. It is at
    /// least [`CONTRAST`] where a label can be read.
    pub fn contrast(&self, finished: &Raster) -> f64 {
        let luma = finished.luma();
        let brightness = |x: usize, y: usize| f64::from(luma.at(x, y));
        let badge = self.badge.as_ref().map(|badge| {
            let ground = |x: usize, y: usize| badge.is_ground(x, y);
            contrast(&badge.word, ground, |x, y| brightness(badge.left + x, badge.top + y))
        });
        let strip = self.strip.as_ref().map(|strip| {
            let ground = |_: usize, y: usize| y > strip.rows / 4;
            contrast(&strip.words, ground, |x, y| brightness(x, self.height as usize + y))
        });
        badge.into_iter().chain(strip).fold(21.0, f64::min)
    }
}

/// Between the pixels that words cover most and those of `ground` that they do not cover.
fn contrast(
    words: &Cover,
    ground: impl Fn(usize, usize) -> bool,
    brightness: impl Fn(usize, usize) -> f64,
) -> f64 {
    let most = words.values.iter().copied().fold(0.0, f32::max);
    let (mut on, mut off) = (Mean::default(), Mean::default());
    for y in 0..words.height {
        for x in 0..words.width {
            let cover = words.values[y * words.width + x];
            if cover >= 0.9 * most {
                on.add(luminance(brightness(x, y)));
            } else if cover == 0.0 && ground(x, y) {
                off.add(luminance(brightness(x, y)));
            }
        }
    }
    let (on, off) = (on.value(), off.value());
    (on.max(off) + 0.05) / (on.min(off) + 0.05)
}

/// Relative luminance of a grey of brightness `v` in sRGB (WCAG 2.2).
fn luminance(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    fn value(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }
}

/// Samples that are painted on.
struct Canvas<'a> {
    picture: &'a Raster,
    samples: Samples,
}

impl<'a> Canvas<'a> {
    fn of(picture: &'a Raster) -> Self {
        Canvas { picture, samples: picture.samples().clone() }
    }

    fn blend(&mut self, left: usize, top: usize, opacity: &Cover, brightness: &[f32]) {
        let (width, channels) = (self.picture.width() as usize, self.picture.channels().count());
        for (index, (cover, bright)) in opacity.values.iter().zip(brightness).enumerate() {
            let (x, y) = (left + index % opacity.width, top + index / opacity.width);
            for channel in 0..channels {
                let at = (y * width + x) * channels + channel;
                let old = self.samples.unit(at);
                let new = old + (bright - old) * cover;
                let max = self.samples.depth().max();
                match &mut self.samples {
                    Samples::Eight(v) => v[at] = (new * max).round() as u8,
                    Samples::Sixteen(v) => v[at] = (new * max).round() as u16,
                }
            }
        }
    }

    /// Further rows below.
    fn extend(&mut self, brightness: &[f32]) {
        let channels = self.picture.channels().count();
        let values = brightness.iter().flat_map(|value| std::iter::repeat_n(*value, channels));
        match (&mut self.samples, Samples::from_unit(values, self.picture.depth())) {
            (Samples::Eight(v), Samples::Eight(more)) => v.extend(more),
            (Samples::Sixteen(v), Samples::Sixteen(more)) => v.extend(more),
            _ => {}
        }
    }

    fn into_raster(self, height: u32) -> Raster {
        Raster::new(self.picture.width(), height, self.picture.channels(), self.samples, None)
    }
}

#[cfg(test)]
mod tests;
