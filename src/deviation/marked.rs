//! Where the output is copied, under the placement of the whole and under those of parts.

use super::affine::Affine;
use super::copied::{self, Canvas, Found};
use super::detail::{self, Octave};
use super::flow::Aligned;
use super::local::{self, Part, Rectangle};
use crate::raster::Plane;

/// Share of a part's surroundings from which what is copied to the letter explains it.
const EXPLAINED: f64 = 0.7;
/// How often a part is laid once more on what agrees.
const ROUNDS: usize = 2;

pub struct Marked {
    pub canvas: Canvas,
    /// What is copied to the letter.
    pub verbatim: Canvas,
    pub parts: Vec<Laid>,
    /// The weightiest one.
    piece: Option<Piece>,
}

/// What is of one piece and copied under one placement, in whatever quality.
pub struct Piece {
    pub weight: f64,
    /// Share of the picture.
    pub share: f64,
    /// Cells of the part, and where that lies.
    cells: Vec<[f64; 4]>,
    place: (usize, usize),
    size: (usize, usize),
    /// `None` where it is among the parts anyway.
    laid: Option<Laid>,
}

/// A part of the output that is copied, with what it is a copy of laid on it.
pub struct Laid {
    /// Left and upper border.
    pub place: (usize, usize),
    /// Width and height.
    pub size: (usize, usize),
    pub pair: Aligned,
    /// The two finest octaves, with the statistics of parts and with those of pieces.
    pub octaves: Vec<Octave>,
    close: Vec<Octave>,
}

impl Laid {
    fn new(part: &Part, map: Affine) -> Laid {
        let pair = Aligned::rigid(&part.output, &part.reference, map);
        let products = detail::products(&pair, 2);
        let octaves = |window| products.iter().map(|products| Octave::of(products, window)).collect();
        let (octaves, close) = (octaves(copied::PART_WINDOW), octaves(copied::PIECE_WINDOW));
        let size = (part.output.width(), part.output.height());
        Laid { place: (part.x, part.y), size, pair, octaves, close }
    }
}

impl Marked {
    pub fn nowhere(output: &Plane) -> Marked {
        let canvas = || Canvas::new(output.width(), output.height());
        Marked { canvas: canvas(), verbatim: canvas(), parts: Vec::new(), piece: None }
    }

    pub fn explains(&self, near: Rectangle) -> bool {
        self.verbatim.share(near.x, near.y, near.width, near.height) > EXPLAINED
    }

    /// Marks what was found on a window of the output at (x, y) of `width` × `height`.
    pub fn mark(&mut self, found: &Found, x: usize, y: usize, width: usize, height: usize) {
        self.canvas.mark(&found.cells, x, y, width, height);
        let share = self.share((width, height));
        for cells in &found.verbatim {
            if copied::area(cells) * share > copied::LEAST_VERBATIM {
                self.verbatim.mark(cells, x, y, width, height);
            }
        }
    }

    /// Marks what `part` has copied, and keeps its piece if none has more weight.
    pub fn look(&mut self, part: &Part) {
        let mut laid = Laid::new(part, part.map);
        let (place, size) = (laid.place, laid.size);
        let found = copied::find_part(&laid.pair, &laid.octaves);
        self.mark(&found, place.0, place.1, size.0, size.1);
        let (mut weight, mut is_piece) = self.take(&laid, copied::weight_piece);
        // What is weakened has fewer keypoints, and lies less well: it is laid once more on what agrees.
        let (mut map, mut shown) = (part.map, None);
        for _ in 0..ROUNDS {
            let Some(range) = copied::promising(&laid.octaves).filter(|_| weight < 0.5) else { break };
            map = local::nearer(part, map, range);
            let before = std::mem::replace(&mut laid, Laid::new(part, map));
            let (again, is_better) = self.take(&laid, copied::weight_laid_again);
            // People are shown the laying whose piece counts.
            shown = if is_better { None } else { shown.or(is_piece.then_some(before)) };
            (weight, is_piece) = (again, is_piece || is_better);
        }
        let laid = shown.unwrap_or(laid);
        if !found.cells.is_empty() {
            self.parts.push(laid);
        } else if let Some(piece) = self.piece.as_mut().filter(|_| is_piece) {
            piece.laid = Some(laid);
        }
    }

    /// The weight of a part's piece, and whether it is the weightiest so far.
    fn take(&mut self, laid: &Laid, weight: fn(f64) -> f64) -> (f64, bool) {
        let cells = copied::find_piece(&laid.close);
        let share = copied::area(&cells) * self.share(laid.size);
        let weight = weight(share);
        let most = self.piece.as_ref().map_or(0.0, |piece| piece.weight);
        let is_piece = share > copied::LEAST_PIECE && weight > most;
        if is_piece {
            self.piece = Some(Piece { weight, share, cells, place: laid.place, size: laid.size, laid: None });
        }
        (weight, is_piece)
    }

    /// Marks the weightiest piece as well; it counts by itself.
    pub fn with_piece(&mut self) -> Option<Piece> {
        let mut piece = self.piece.take()?;
        let ((x, y), (width, height)) = (piece.place, piece.size);
        self.canvas.mark(&piece.cells, x, y, width, height);
        self.parts.extend(piece.laid.take());
        Some(piece)
    }

    /// Share of the picture that a window has.
    fn share(&self, (width, height): (usize, usize)) -> f64 {
        (width * height) as f64 / (self.canvas.width * self.canvas.height) as f64
    }
}
