//! Bars and letters: patches of pure white or black with sharp outlines.

use crate::raster::Plane;

use super::super::super::Area;
use super::super::connected::{self, Touching};

/// Values from here on are ink, 1 being pure.
const INK: f32 = 0.92;
/// The same beside a bar, where the strokes of small letters are grey.
const FAINT: f32 = 0.7;
/// Values around a patch of ink are at least so much below it: nothing in a micrograph is as sharp. On a line of letters
/// half as much does.
const CONTRAST: f32 = 0.3;
/// Distance at which they are looked at, in pixels.
const BESIDE: isize = 2;
/// A bar is so much longer than high, so long at least (pixels, and share of the width), so high at most (share of
/// the height) and so full.
const LONG: usize = 3;
const LEAST_LENGTH: (usize, f32) = (12, 0.05);
const MOST_HEIGHT: f32 = 0.06;
const FULL: f32 = 0.93;
/// Heights of letters, in pixels and as a share of the picture's.
const LEAST_LETTER: usize = 6;
const LEAST_FAINT: usize = 4;
const MOST_LETTER: f32 = 0.12;
/// Letters of a word that stands alone.
const WORD: usize = 3;
/// More patches that could be letters, more bars or more lines are a texture and no annotation.
const MOST_LETTERS: usize = 3000;
const MOST_BARS: usize = 20;
const MOST_LINES: usize = 100;

/// A connected patch of ink.
#[derive(Clone, Debug)]
struct Patch {
    area: Area,
    pixels: usize,
    /// How far what lies around it is below ink.
    contrast: f32,
}

/// Bars with what is written beside them, and words.
pub fn find(luma: &Plane) -> Vec<Area> {
    let bright = luma.map(|v| v.clamp(0.0, 1.0));
    let dark = bright.map(|v| 1.0 - v);
    let mut found = Vec::new();
    for tone in [bright, dark] {
        let all = patches(&tone, INK);
        let sharp: Vec<&Patch> = all.iter().filter(|patch| patch.contrast >= CONTRAST).collect();
        let bars: Vec<Area> = sharp.iter().filter(|p| is_bar(p, &tone)).map(|p| p.area).collect();
        let letters = sharp.iter().filter(|p| is_letter(p, &tone, LEAST_LETTER)).map(|p| p.area);
        let letters: Vec<Area> = letters.collect();
        if bars.len() > MOST_BARS || letters.len() > MOST_LETTERS {
            continue;
        }
        let mut lines = words(letters, &all);
        if bars.is_empty() && lines.is_empty() {
            continue;
        }
        // Beside a bar smaller letters count, and on a line whatever is small.
        let faint = patches(&tone, FAINT);
        let small = faint.iter().filter(|p| p.contrast >= CONTRAST && is_letter(p, &tone, LEAST_FAINT));
        let small = small.filter(|p| bars.iter().any(|bar| beside(bar, &p.area, &tone)));
        lines.extend(small.map(|p| p.area));
        if lines.len() > MOST_LINES {
            continue;
        }
        let most = (MOST_LETTER * tone.height() as f32) as usize;
        let any = faint.iter().filter(|p| p.contrast >= CONTRAST / 2.0 && p.area.width <= 2 * most);
        let any: Vec<Area> = any.map(|p| p.area).take(MOST_LETTERS).collect();
        found.extend(lines.into_iter().map(|line| whole_line(line, &any)));
        found.extend(bars);
    }
    found
}

fn is_bar(patch: &Patch, tone: &Plane) -> bool {
    let Area { width, height, .. } = patch.area;
    let least = LEAST_LENGTH.0.max((LEAST_LENGTH.1 * tone.width() as f32) as usize);
    height >= 2
        && height as f32 <= (MOST_HEIGHT * tone.height() as f32).max(3.0)
        && width >= least.max(LONG * height)
        && patch.pixels as f32 >= FULL * (width * height) as f32
}

fn is_letter(patch: &Patch, tone: &Plane, least: usize) -> bool {
    let Area { width, height, .. } = patch.area;
    height >= least && height as f32 <= MOST_LETTER * tone.height() as f32 && width <= 2 * height
}

/// Whether a letter stands above, below or at the end of a bar.
fn beside(bar: &Area, letter: &Area, tone: &Plane) -> bool {
    let reach = (MOST_LETTER * tone.height() as f32) as usize;
    let near = Area {
        left: bar.left.saturating_sub(bar.width / 2 + reach),
        top: bar.top.saturating_sub(2 * reach),
        width: 2 * bar.width + 2 * reach,
        height: bar.height + 4 * reach,
    };
    near.overlaps(letter)
}

/// Words of at least three letters: as high as one another, on one line, close together, and not one row of many
/// specks, as foliage has.
fn words(mut letters: Vec<Area>, specks: &[Patch]) -> Vec<Area> {
    letters.sort_unstable_by_key(|area| area.left);
    let mut rows: Vec<(Area, Area, usize)> = Vec::new();
    for letter in letters {
        let follows = |(_, last, _): &(Area, Area, usize)| {
            let (low, high) = (last.height.min(letter.height), last.height.max(letter.height));
            let bottoms = (last.top + last.height).abs_diff(letter.top + letter.height);
            let gap = letter.left.saturating_sub(last.left + last.width);
            10 * high <= 17 * low && 3 * bottoms <= high && gap <= high
        };
        match rows.iter_mut().find(|row| follows(row)) {
            Some((whole, last, count)) => {
                (*whole, *last, *count) = (whole.around(&letter), letter, *count + 1)
            }
            None => rows.push((letter, letter, 1)),
        }
    }
    rows.retain(|(_, _, count)| *count >= WORD);
    let words: Vec<Area> = rows.iter().map(|(whole, ..)| *whole).collect();
    let alone = |(whole, _, count): &&(Area, Area, usize)| {
        let (left, top) = (whole.left.saturating_sub(whole.height), whole.top.saturating_sub(whole.height));
        let (width, height) = (whole.width + 2 * whole.height, 3 * whole.height);
        let around = Area { left, top, width, height };
        let near = specks.iter().map(|speck| &speck.area).filter(|speck| speck.overlaps(&around));
        near.filter(|speck| words.iter().all(|word| !word.overlaps(speck))).count() <= count / 2
    };
    rows.iter().filter(alone).map(|(whole, ..)| *whole).collect()
}

/// `word` with what stands on its line, gaps of up to one and a half letters apart.
fn whole_line(mut word: Area, letters: &[Area]) -> Area {
    let height = word.height;
    loop {
        let reach =
            Area { left: word.left.saturating_sub(3 * height / 2), width: word.width + 3 * height, ..word };
        let more = letters
            .iter()
            .find(|l| l.overlaps(&reach) && l.height <= 3 * height / 2 && word.around(l) != word);
        match more {
            Some(letter) => word = word.around(letter),
            None => return word,
        }
    }
}

/// The connected patches of at least `ink`.
fn patches(tone: &Plane, ink: f32) -> Vec<Patch> {
    let size = (tone.width(), tone.height());
    let sets = connected::sets(size, Touching::Corners, |at| tone.data()[at] >= ink).into_iter();
    sets.map(|own| Patch {
        area: connected::bounds(&own, size.0),
        pixels: own.len(),
        contrast: contrast(tone, &own, ink),
    })
    .collect()
}

/// How far what lies beside a patch is below `ink` in the mean; 0 for one that the border cuts: that is a part of the
/// scene.
fn contrast(tone: &Plane, own: &[usize], ink: f32) -> f32 {
    let (width, height) = (tone.width() as isize, tone.height() as isize);
    let (mut sum, mut count) = (0.0f32, 0usize);
    for at in own {
        let (x, y) = (*at as isize % width, *at as isize / width);
        for (dx, dy) in [(BESIDE, 0), (-BESIDE, 0), (0, BESIDE), (0, -BESIDE)] {
            let (x, y) = (x + dx, y + dy);
            if !(0..width).contains(&x) || !(0..height).contains(&y) {
                return 0.0;
            }
            let v = tone.at(x as usize, y as usize);
            if v < ink {
                sum += v;
                count += 1;
            }
        }
    }
    if count > 0 { ink - sum / count as f32 } else { 0.0 }
}
