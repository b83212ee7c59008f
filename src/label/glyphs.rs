//! Letters as strokes: a small geometric sans of our own, drawn with a round pen.
//!
//! Units are the height of capitals, from the middle of one stroke to that of another; y goes up from the baseline.
//! A stroke is a list of points `x,y` and of arcs `@cx,cy,rx,ry,from,to` in degrees, anticlockwise from the right; what
//! follows in one stroke is joined by a line. A stroke of one point is a dot.

/// A letter: the room on its left, its width, the room on its right, and its strokes.
pub(super) struct Glyph {
    pub left: f32,
    pub width: f32,
    pub right: f32,
    pub strokes: Vec<Vec<[f32; 2]>>,
}

/// Room beside a straight stem, beside a bowl, and beside a slope: from the edge of the stroke on.
const STEM: f32 = 0.085;
const BOWL: f32 = 0.055;
const OPEN: f32 = 0.01;

type Row = (char, f32, f32, f32, &'static str);

#[rustfmt::skip]
const ROWS: [Row; 71] = [
    (' ', 0.0, 0.22, 0.0, ""),
    ('A', OPEN, 0.80, OPEN, "0,0 .4,1 .8,0;.125,.31 .675,.31"),
    ('B', STEM, 0.58, BOWL, "0,0 0,1 .29,1 @.29,.765,.235,.235,90,-90 0,.53;.29,.53 @.315,.265,.265,.265,90,-90 0,0"),
    ('C', BOWL, 0.76, OPEN, "@.46,.5,.46,.5,47,313"),
    ('D', STEM, 0.70, BOWL, "0,0 0,1 .25,1 @.25,.5,.45,.5,90,-90 0,0"),
    ('E', STEM, 0.50, OPEN, ".5,1 0,1 0,0 .5,0;0,.52 .44,.52"),
    ('F', STEM, 0.48, OPEN, ".48,1 0,1 0,0;0,.5 .42,.5"),
    ('G', BOWL, 0.84, BOWL, "@.46,.5,.46,.5,47,318 .84,.19 .84,.48 .5,.48"),
    ('H', STEM, 0.66, STEM, "0,0 0,1;.66,0 .66,1;0,.52 .66,.52"),
    ('I', STEM, 0.00, STEM, "0,0 0,1"),
    ('J', OPEN, 0.40, STEM, ".4,1 .4,.27 @.2,.27,.2,.27,0,-165"),
    ('K', STEM, 0.60, OPEN, "0,0 0,1;.57,1 0,.38;.19,.585 .6,0"),
    ('L', STEM, 0.46, OPEN, "0,1 0,0 .46,0"),
    ('M', STEM, 0.82, STEM, "0,0 0,1 .41,.28 .82,1 .82,0"),
    ('N', STEM, 0.68, STEM, "0,0 0,1 .68,0 .68,1"),
    ('O', BOWL, 0.94, BOWL, "@.47,.5,.47,.5,0,360"),
    ('P', STEM, 0.55, BOWL, "0,0 0,1 .28,1 @.28,.74,.27,.26,90,-90 0,.48"),
    ('Q', BOWL, 0.94, BOWL, "@.47,.5,.47,.5,0,360;.56,.3 .9,-.06"),
    ('R', STEM, 0.58, OPEN, "0,0 0,1 .28,1 @.28,.74,.27,.26,90,-90 0,.48;.28,.48 .58,0"),
    ('S', BOWL, 0.57, BOWL, "@.285,.75,.25,.25,35,210 @.285,.25,.285,.26,30,-150"),
    ('T', OPEN, 0.66, OPEN, "0,1 .66,1;.33,1 .33,0"),
    ('U', STEM, 0.64, STEM, "0,1 0,.32 @.32,.32,.32,.32,180,360 .64,1"),
    ('V', OPEN, 0.76, OPEN, "0,1 .38,0 .76,1"),
    ('W', OPEN, 1.12, OPEN, "0,1 .28,0 .56,.86 .84,0 1.12,1"),
    ('X', OPEN, 0.66, OPEN, "0,0 .66,1;0,1 .66,0"),
    ('Y', OPEN, 0.68, OPEN, "0,1 .34,.47 .68,1;.34,.47 .34,0"),
    ('Z', OPEN, 0.60, OPEN, "0,1 .6,1 0,0 .6,0"),
    ('a', BOWL, 0.58, STEM, "@.29,.35,.29,.35,0,360;.58,.7 .58,0"),
    ('b', STEM, 0.58, BOWL, "0,1.03 0,0;@.29,.35,.29,.35,0,360"),
    ('c', BOWL, 0.51, OPEN, "@.31,.35,.31,.35,50,310"),
    ('d', BOWL, 0.58, STEM, "@.29,.35,.29,.35,0,360;.58,1.03 .58,0"),
    ('e', BOWL, 0.60, BOWL, ".01,.36 .6,.36 @.305,.35,.305,.35,2,312"),
    ('f', OPEN, 0.36, OPEN, ".36,1.03 .33,1.03 @.33,.82,.2,.21,90,180 .13,0;0,.68 .33,.68"),
    ('g', BOWL, 0.58, STEM, "@.29,.35,.29,.35,0,360;.58,.7 .58,-.01 @.3,-.01,.28,.28,0,-145"),
    ('h', STEM, 0.54, STEM, "0,1.03 0,0;0,.41 @.27,.42,.27,.28,180,0 .54,0"),
    ('i', STEM, 0.00, STEM, "0,.7 0,0;0,.99"),
    ('j', BOWL, 0.06, STEM, ".06,.7 .06,-.08 @-.11,-.08,.17,.2,0,-100;.06,.99"),
    ('k', STEM, 0.48, OPEN, "0,1.03 0,0;.45,.7 0,.27;.155,.42 .48,0"),
    ('l', STEM, 0.00, STEM, "0,1.03 0,0"),
    ('m', STEM, 0.88, STEM, "0,.7 0,0;0,.43 @.22,.45,.22,.25,180,0 .44,0;.44,.43 @.66,.45,.22,.25,180,0 .88,0"),
    ('n', STEM, 0.54, STEM, "0,.7 0,0;0,.41 @.27,.42,.27,.28,180,0 .54,0"),
    ('o', BOWL, 0.64, BOWL, "@.32,.35,.32,.35,0,360"),
    ('p', STEM, 0.58, BOWL, "0,.7 0,-.3;@.29,.35,.29,.35,0,360"),
    ('q', BOWL, 0.58, STEM, "@.29,.35,.29,.35,0,360;.58,.7 .58,-.3"),
    ('r', STEM, 0.30, OPEN, "0,.7 0,0;0,.42 @.25,.42,.25,.28,180,78"),
    ('s', BOWL, 0.44, BOWL, "@.22,.53,.2,.17,35,215 @.22,.175,.22,.175,35,-150"),
    ('t', OPEN, 0.37, OPEN, ".14,.93 .14,.2 @.33,.2,.19,.2,180,275;0,.68 .35,.68"),
    ('u', STEM, 0.54, STEM, "0,.7 0,.28 @.27,.28,.27,.28,180,360;.54,.7 .54,0"),
    ('v', OPEN, 0.54, OPEN, "0,.7 .27,0 .54,.7"),
    ('w', OPEN, 0.84, OPEN, "0,.7 .22,0 .42,.62 .62,0 .84,.7"),
    ('x', OPEN, 0.50, OPEN, "0,.7 .5,0;0,0 .5,.7"),
    ('y', OPEN, 0.54, OPEN, "0,.7 .27,.02;.54,.7 .15,-.29"),
    ('z', OPEN, 0.46, OPEN, "0,.7 .46,.7 0,0 .46,0"),
    ('0', BOWL, 0.60, BOWL, "@.3,.5,.3,.5,0,360"),
    ('1', OPEN, 0.24, STEM, "0,.78 .24,1 .24,0"),
    ('2', BOWL, 0.56, BOWL, "@.28,.71,.27,.29,168,-38 0,0 .56,0"),
    ('3', BOWL, 0.55, BOWL, "@.26,.755,.235,.245,150,-80 .2,.51;.26,.51 @.265,.255,.285,.255,85,-152"),
    ('4', OPEN, 0.60, OPEN, ".45,0 .45,1 0,.28 .6,.28"),
    ('5', BOWL, 0.56, BOWL, ".5,1 .1,1 .06,.55 @.27,.325,.29,.325,128,-148"),
    ('6', BOWL, 0.60, BOWL, "@.3,.31,.3,.31,0,360;.44,1 .05,.48"),
    ('7', OPEN, 0.56, OPEN, "0,1 .56,1 .18,0"),
    ('8', BOWL, 0.58, BOWL, "@.29,.755,.235,.245,0,360;@.29,.255,.29,.255,0,360"),
    ('9', BOWL, 0.60, BOWL, "@.3,.69,.3,.31,0,360;.16,0 .55,.52"),
    ('.', STEM, 0.00, STEM, "0,.03"),
    (',', STEM, 0.00, STEM, ".03,.03 -.03,-.15"),
    (':', STEM, 0.00, STEM, "0,.03;0,.6"),
    ('-', 0.05, 0.26, 0.05, "0,.36 .26,.36"),
    ('·', STEM, 0.00, STEM, "0,.42"),
    ('/', OPEN, 0.40, OPEN, "0,-.12 .4,1.05"),
    ('+', 0.05, 0.48, 0.05, "0,.38 .48,.38;.24,.62 .24,.14"),
    ('\u{131}', STEM, 0.00, STEM, "0,.7 0,0"),
];

/// Letters with a mark: the letter, and the mark in strokes around its middle and above a small letter.
#[rustfmt::skip]
const MARKED: [(char, char, &str); 12] = [
    ('à', 'a', "-.1,1.03 .06,.89"),
    ('á', 'a', ".1,1.03 -.06,.89"),
    ('ä', 'a', "-.15,.96;.15,.96"),
    ('é', 'e', ".1,1.03 -.06,.89"),
    ('è', 'e', "-.1,1.03 .06,.89"),
    ('í', '\u{131}', ".12,1.03 -.04,.89"),
    ('ñ', 'n', "-.18,.9 @-.09,.93,.09,.06,160,0 @.09,.93,.09,.06,-180,-20"),
    ('ó', 'o', ".1,1.03 -.06,.89"),
    ('ö', 'o', "-.15,.96;.15,.96"),
    ('ü', 'u', "-.15,.96;.15,.96"),
    ('ź', 'z', ".1,1.03 -.06,.89"),
    ('ł', 'l', "-.14,.42 .14,.62"),
];

/// What is drawn for `letter`; none for one that is not there.
pub(super) fn glyph(letter: char) -> Option<Glyph> {
    if let Some((_, base, mark)) = MARKED.iter().find(|(marked, ..)| *marked == letter) {
        let mut glyph = glyph(*base)?;
        let middle = glyph.width / 2.0;
        let above = strokes(mark)
            .into_iter()
            .map(|stroke| stroke.into_iter().map(|[x, y]| [x + middle, y]).collect());
        glyph.strokes.extend(above);
        return Some(glyph);
    }
    let (_, left, width, right, path) = ROWS.iter().find(|(known, ..)| *known == letter)?;
    Some(Glyph { left: *left, width: *width, right: *right, strokes: strokes(path) })
}

fn strokes(path: &str) -> Vec<Vec<[f32; 2]>> {
    path.split(';')
        .filter(|stroke| !stroke.is_empty())
        .map(|stroke| stroke.split(' ').flat_map(points).collect())
        .collect()
}

/// A point, or an arc as enough points for any size that is drawn.
fn points(token: &str) -> Vec<[f32; 2]> {
    const DEGREES: f32 = 6.0;
    let arc = token.strip_prefix('@');
    let numbers: Vec<f32> =
        arc.unwrap_or(token).split(',').filter_map(|number| number.parse().ok()).collect();
    match (arc, &numbers[..]) {
        (None, &[x, y]) => vec![[x, y]],
        (Some(_), &[cx, cy, rx, ry, from, to]) => {
            let steps = ((to - from).abs() / DEGREES).ceil().max(1.0);
            let at = |step: u32| {
                let angle = (from + (to - from) * step as f32 / steps).to_radians();
                [cx + rx * angle.cos(), cy + ry * angle.sin()]
            };
            (0..=steps as u32).map(at).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_strokes_within_its_width_and_every_token_is_understood() {
        let all = ROWS.iter().map(|row| row.0).chain(MARKED.iter().map(|row| row.0));
        for letter in all {
            let glyph = glyph(letter).expect("it is there");
            assert_eq!(glyph.strokes.is_empty(), letter == ' ', "{letter:?}");
            for [x, y] in glyph.strokes.iter().flatten() {
                let overhang = if "jí,łñ".contains(letter) { 0.3 } else { 0.02 };
                let side = -overhang..=glyph.width + overhang;
                assert!(side.contains(x) && (-0.31..=1.06).contains(y), "{letter:?} {x},{y}");
            }
        }
        for path in ROWS.iter().map(|row| row.4).chain(MARKED.iter().map(|row| row.2)) {
            let tokens = path.split([' ', ';']).filter(|token| !token.is_empty());
            assert!(tokens.clone().all(|token| !points(token).is_empty()), "{path}");
        }
        for letter in ('a'..='z').chain('A'..='Z').chain('0'..='9') {
            assert!(glyph(letter).is_some(), "{letter}");
        }
        assert!(glyph('€').is_none());
    }
}
