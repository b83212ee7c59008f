//! What is written in one ink: bars, words, and marks that stand alone.

use rayon::prelude::*;

use crate::raster::{Plane, Raster};

use super::super::super::Area;
use super::patches::{self, Patch};
use super::{bars, tone, words};

/// Values from which on pixels are taken for ink, one after the other: ink on a bright ground shows at high ones, thin
/// strokes with soft edges at low ones.
const LEVELS: [f32; 7] = [0.985, 0.95, 0.9, 0.83, 0.74, 0.64, 0.54];
/// Where more of the picture is of a level, it is the ground.
const GROUND: f32 = 0.35;
/// Heights of letters, in pixels and as a share of the picture's.
const LEAST_LETTER: usize = 5;
const MOST_LETTER: f32 = 0.12;
/// More patches that could be letters, more bars, words or marks are a texture and no annotation.
const MOST_LETTERS: usize = 3000;
const MOST_BARS: usize = 20;
const MOST_WORDS: usize = 100;
const MOST_MARKS: usize = 5;

/// Where a picture is written upon.
pub fn find(reference: &Raster) -> Vec<Area> {
    tone::tones(reference).par_iter().flat_map_iter(of_one).collect()
}

fn of_one(tone: &Plane) -> Vec<Area> {
    let mut bars = bars::find(tone);
    if bars.len() > MOST_BARS {
        bars.clear();
    }
    let most = (MOST_LETTER * tone.height() as f32) as usize;
    let small = |area: &Area| (2..=most).contains(&area.height) && area.width <= 4 * most;
    let level = |level: &f32| {
        let inked = tone.data().iter().filter(|v| *v >= level).count();
        if inked as f32 > GROUND * tone.data().len() as f32 {
            Vec::new()
        } else {
            patches::find(tone, *level, small)
        }
    };
    let levels: Vec<Vec<Patch>> = LEVELS.par_iter().map(level).collect();
    let words = levels.iter().flat_map(|patches| {
        let letters: Vec<&Patch> = patches.iter().filter(|patch| is_letter(patch)).collect();
        let few = letters.len() <= MOST_LETTERS;
        if few { words::find(letters, patches, &bars) } else { Vec::new() }
    });
    let words: Vec<words::Word> = words.collect();
    let all: Vec<&Patch> = levels.iter().flatten().collect();
    let marks: Vec<Area> = all.iter().filter(|patch| patch.alone).map(|patch| patch.area).collect();
    let words = if words.len() <= MOST_WORDS { words } else { Vec::new() };
    let marks = if marks.len() <= MOST_MARKS * LEVELS.len() { marks } else { Vec::new() };
    words.iter().map(|word| word.line(&all)).chain(bars).chain(marks).collect()
}

/// Drawn in strokes, neither too thick nor too thin for its height.
fn is_letter(patch: &Patch) -> bool {
    let Area { width, height, .. } = patch.area;
    height >= LEAST_LETTER
        && width <= 2 * height
        && patch.stroke <= (2 * height / 5).max(2)
        && height <= 12 * patch.stroke + 4
        && patch.contrast >= words::CONTRAST
}
