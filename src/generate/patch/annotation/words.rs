//! Words: letters of one ink and one stroke side by side on one base line.

use super::super::super::Area;
use super::patches::Patch;

/// How many letters at least make a word, and the least contrast of so many.
const WORDS: [(usize, f32); 3] = [(3, 0.3), (4, 0.15), (5, 0.1)];
/// The same beside a bar.
const NUMBERS: [(usize, f32); 2] = [(1, 0.3), (2, 0.12)];
/// The least of them.
pub const CONTRAST: f32 = 0.1;
/// Letters of one word have inks so near to one another, or as near as half of the contrast.
const EVEN: f32 = 0.06;
/// What is not so far below a word's ink is of the same.
const ALIKE: f32 = 0.02;

/// Letters of one line, from the left.
pub struct Word {
    whole: Area,
    last: Area,
    /// Lower end of each letter.
    bottoms: Vec<usize>,
    contrast: f32,
    /// Faintest and strongest letter.
    inks: [f32; 2],
    /// Thinnest and thickest stroke.
    strokes: [usize; 2],
}

/// The words that `letters` make: of at least three, fewer where `bars` are, and not one row of many specks, as
/// foliage has.
pub fn find(mut letters: Vec<&Patch>, specks: &[Patch], bars: &[Area]) -> Vec<Word> {
    letters.sort_unstable_by_key(|letter| letter.area.left);
    let mut words: Vec<Word> = Vec::new();
    for letter in letters {
        match words.iter_mut().find(|word| word.takes(letter)) {
            Some(word) => word.add(letter),
            None => words.push(Word::of(letter)),
        }
    }
    let numbers = |word: &Word| bars.iter().any(|bar| beside(bar, &word.whole));
    words.retain(|word| {
        let least: &[(usize, f32)] = if numbers(word) { &NUMBERS } else { &WORDS };
        least.iter().any(|(count, contrast)| word.aligned() >= *count && word.contrast >= *contrast)
    });
    let all: Vec<Area> = words.iter().map(|word| word.whole).collect();
    words.retain(|word| numbers(word) || word.stands_alone(specks, &all));
    words
}

/// Whether letters stand above, below or at the end of a bar.
fn beside(bar: &Area, letters: &Area) -> bool {
    let reach = 2 * letters.height;
    let near = Area {
        left: bar.left.saturating_sub(reach),
        top: bar.top.saturating_sub(reach),
        width: bar.width + 2 * reach,
        height: bar.height + 2 * reach,
    };
    near.overlaps(letters) && !bar.overlaps(letters)
}

impl Word {
    fn of(letter: &Patch) -> Word {
        Word {
            whole: letter.area,
            last: letter.area,
            bottoms: vec![letter.area.top + letter.area.height],
            contrast: letter.contrast,
            inks: [letter.ink; 2],
            strokes: [letter.stroke; 2],
        }
    }

    /// Whether `letter` is the next: as high, close by, of the same ink and stroke.
    fn takes(&self, letter: &Patch) -> bool {
        let (last, next) = (&self.last, &letter.area);
        let (low, high) = (last.height.min(next.height), last.height.max(next.height));
        let bottoms = (last.top + last.height).abs_diff(next.top + next.height);
        let end = last.left + last.width;
        let inks = self.inks[1].max(letter.ink) - self.inks[0].min(letter.ink);
        let strokes = self.strokes[1].max(letter.stroke) - self.strokes[0].min(letter.stroke);
        10 * high <= 17 * low
            && 3 * bottoms <= high
            && next.left + 1 >= end
            && next.left.saturating_sub(end) <= high
            && inks <= EVEN.max(self.contrast.min(letter.contrast) / 2.0)
            && strokes <= 1
    }

    fn add(&mut self, letter: &Patch) {
        self.whole = self.whole.around(&letter.area);
        self.last = letter.area;
        self.bottoms.push(letter.area.top + letter.area.height);
        self.contrast = self.contrast.min(letter.contrast);
        self.inks = [self.inks[0].min(letter.ink), self.inks[1].max(letter.ink)];
        self.strokes = [self.strokes[0].min(letter.stroke), self.strokes[1].max(letter.stroke)];
    }

    /// How many of the letters stand on one base line.
    fn aligned(&self) -> usize {
        let off = self.whole.height / 14;
        let on = |base: &usize| self.bottoms.iter().filter(|bottom| base.abs_diff(**bottom) <= off).count();
        self.bottoms.iter().map(on).max().unwrap_or(0)
    }

    /// Whether few `specks` of the same ink are around that are in no word.
    fn stands_alone(&self, specks: &[Patch], words: &[Area]) -> bool {
        let Area { left, top, width, height } = self.whole;
        let around = Area {
            left: left.saturating_sub(height),
            top: top.saturating_sub(height),
            width: width + 2 * height,
            height: 3 * height,
        };
        let alike = specks.iter().filter(|speck| speck.ink >= self.inks[0] - ALIKE);
        let near = alike.filter(|speck| speck.area.overlaps(&around));
        let strays = near.filter(|speck| words.iter().all(|word| !word.overlaps(&speck.area))).count();
        strays <= self.bottoms.len() / 2
    }

    /// The word with what stands on its line in the same ink, gaps of up to one and a half letters apart.
    pub fn line(&self, patches: &[&Patch]) -> Area {
        let Area { top, height, .. } = self.whole;
        let ink = self.inks[0] - EVEN.max(self.inks[1] - self.inks[0]);
        let fits = |patch: &&&Patch| {
            patch.area.top + height / 2 >= top
                && patch.area.top + patch.area.height <= top + height + height / 2
                && patch.contrast >= CONTRAST.min(self.contrast / 2.0)
                && patch.ink >= ink
                && patch.stroke <= self.strokes[1] + 1
        };
        let fitting: Vec<&Area> = patches.iter().filter(fits).map(|patch| &patch.area).collect();
        let mut line = self.whole;
        loop {
            let left = line.left.saturating_sub(3 * height / 2);
            let reach = Area { left, top, width: line.left + line.width + 3 * height / 2 - left, height };
            match fitting.iter().find(|area| area.overlaps(&reach) && line.around(area) != line) {
                Some(area) => line = line.around(area),
                None => return line,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(left: usize, top: usize, (width, height): (usize, usize), ink: f32, contrast: f32) -> Patch {
        Patch { area: Area { left, top, width, height }, ink, contrast, stroke: 2, alone: false }
    }

    /// Letters of 6 × 9 on a line at (20, 40).
    fn letters(count: usize, contrast: f32) -> Vec<Patch> {
        (0..count).map(|i| patch(20 + 8 * i, 40, (6, 9), 0.97, contrast)).collect()
    }

    fn found(letters: &[Patch], specks: &[Patch], bars: &[Area]) -> Vec<Area> {
        let all = [letters, specks].concat();
        let words = find(letters.iter().collect(), &all, bars);
        words.iter().map(|word| word.line(&all.iter().collect::<Vec<_>>())).collect()
    }

    #[test]
    fn the_fainter_letters_are_the_more_make_a_word() {
        let counts = [0.35, 0.2, 0.12, 0.08]
            .map(|contrast| (1..8).find(|count| !found(&letters(*count, contrast), &[], &[]).is_empty()));
        assert_eq!(counts, [Some(3), Some(4), Some(5), None]);
    }

    #[test]
    fn two_faint_letters_are_a_number_beside_a_bar() {
        let bar = |top: usize| [Area { left: 10, top, width: 60, height: 4 }];
        let two = letters(2, 0.15);
        assert_eq!(found(&two, &[], &bar(55)), [Area { left: 20, top: 40, width: 14, height: 9 }]);
        assert_eq!(found(&two, &[], &bar(90)), []);
    }

    #[test]
    fn letters_among_specks_of_their_ink_are_no_word() {
        let specks = |ink: f32| -> Vec<Patch> {
            (0..8).map(|i| patch(18 + 7 * i, 32 + 21 * (i % 2), (3, 3), ink, 0.3)).collect()
        };
        assert_eq!(found(&letters(5, 0.35), &specks(0.97), &[]), []);
        assert_eq!(found(&letters(5, 0.35), &specks(0.9), &[]).len(), 1);
    }

    #[test]
    fn uneven_rows_are_no_words() {
        let uneven = |change: fn(usize, &mut Patch)| {
            let mut letters = letters(5, 0.2);
            letters.iter_mut().enumerate().for_each(|(i, letter)| change(i, letter));
            found(&letters, &[], &[])
        };
        assert_eq!(uneven(|_, _| ()).len(), 1);
        assert_eq!(uneven(|i, letter| letter.area.top += i % 2), []);
        assert_eq!(uneven(|i, letter| letter.ink -= 0.15 * (i % 2) as f32), []);
        assert_eq!(uneven(|i, letter| letter.stroke += 2 * (i % 2)), []);
        assert_eq!(uneven(|i, letter| letter.area.left += 8 * i), []);
    }

    #[test]
    fn a_line_takes_in_what_stands_on_it_and_no_more() {
        let dot = patch(62, 47, (2, 2), 0.97, 0.3);
        let below = patch(40, 60, (6, 9), 0.97, 0.3);
        let lines = found(&letters(5, 0.35), &[dot, below], &[]);
        assert_eq!(lines, [Area { left: 20, top: 40, width: 44, height: 9 }]);
    }
}
