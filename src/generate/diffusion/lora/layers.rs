//! A network's layers by all the names that programs give them.

use std::collections::HashMap;

use super::super::weights::Weights;
use super::{bfl, ldm};

/// Which names a network's layers have beside those of their tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// A UNet with diffusers' names: those of the first programs, too, which kohya's for XL come from.
    Unet,
    /// FLUX.1's transformer with Black Forest Labs' names: diffusers' and XLabs', too.
    Flux,
    /// With and without a leading `text_model`.
    Clip,
    T5,
}

/// A layer's tensor, and which of its rows a name is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub tensor: String,
    pub part: Part,
}

/// Rows of a matrix that a name is for, where one program has several matrices and another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// One of three of the same height: query, key, value.
    Third(usize),
    /// One of those, or what is left below them; they are as high as the matrix is wide.
    Square(usize),
    /// The three of them.
    Squares,
    /// All, the second half first.
    Swapped,
}

/// Ranges of a smaller matrix's rows, and where each goes.
pub type Rows = Vec<(std::ops::Range<usize>, usize)>;

impl Part {
    /// Rows that the part has of a matrix with these sides, and where they are; `None` where there is no such part.
    pub fn of(self, rows: usize, columns: usize) -> Option<(usize, Rows)> {
        let one = |count: usize, at: usize| (count > 0).then(|| (count, vec![(0..count, at)]));
        let squares = columns.checked_mul(3).filter(|squares| *squares <= rows);
        match self {
            Part::Whole => one(rows, 0),
            Part::Third(i) => one(rows / 3, i * (rows / 3)),
            Part::Square(i) => {
                let below = rows - squares?;
                one(if i < 3 { columns } else { below }, i * columns)
            }
            Part::Squares => one(squares?, 0),
            Part::Swapped => {
                let half = rows / 2;
                Some((rows, vec![(0..half, rows - half), (half..rows, 0)]))
            }
        }
    }
}

pub struct Layers(HashMap<String, Layer>);

impl Layers {
    pub fn of(weights: &Weights, naming: Naming) -> Layers {
        let mut layers = HashMap::new();
        let matrix = |name: &&str| weights.shape(name).is_ok_and(|shape| shape.len() > 1);
        let stems = weights.names().filter(matrix).filter_map(|name| name.strip_suffix(".weight"));
        for stem in stems {
            let mut add = |name: String, part| {
                layers.insert(flat(&name), Layer { tensor: format!("{stem}.weight"), part });
            };
            match naming {
                Naming::Unet => ldm::name(stem, weights).into_iter().for_each(|name| add(name, Part::Whole)),
                Naming::Flux => bfl::names(stem).into_iter().for_each(|(name, part)| add(name, part)),
                Naming::Clip => match stem.strip_prefix(CLIP) {
                    Some(name) => add(name.to_owned(), Part::Whole),
                    None => add(format!("{CLIP}{stem}"), Part::Whole),
                },
                Naming::T5 => {}
            }
            add(stem.to_owned(), Part::Whole);
        }
        Layers(layers)
    }

    /// kohya's names have underscores for the dots of others.
    pub fn find(&self, name: &str) -> Option<&Layer> {
        self.0.get(&flat(name))
    }
}

const CLIP: &str = "text_model.";

fn flat(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_rows_of_the_whole() {
        assert_eq!(Part::Whole.of(4, 6), Some((4, vec![(0..4, 0)])));
        assert_eq!(Part::Third(2).of(12, 4), Some((4, vec![(0..4, 8)])));
        assert_eq!(Part::Square(1).of(28, 4), Some((4, vec![(0..4, 4)])));
        assert_eq!(Part::Square(3).of(28, 4), Some((16, vec![(0..16, 12)])));
        assert_eq!(Part::Squares.of(28, 4), Some((12, vec![(0..12, 0)])));
        assert_eq!(Part::Squares.of(11, 4), None);
        assert_eq!(Part::Square(3).of(11, 4), None);
        assert_eq!(Part::Square(3).of(12, usize::MAX), None);
        assert_eq!(Part::Swapped.of(8, 4), Some((8, vec![(0..4, 4), (4..8, 0)])));
    }
}
