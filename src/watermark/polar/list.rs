//! The list decoder: all paths walk the tree of the code together.

use super::{Code, LENGTH};

/// Bits of a leaf of the decoder's tree. Four ratios fill a vector register of every x86-64.
pub(super) const BLOCK: usize = 4;
/// The tree's height above the leaves.
const LEVELS: usize = (LENGTH / BLOCK).trailing_zeros() as usize;

/// The paths at the end of the word, best first.
///
/// They are those of a decoder that goes bit by bit, but for rounding: sums are taken in another order.
pub(super) fn paths(code: &Code, llr: &[f32; LENGTH], list: usize) -> Vec<Path> {
    let mut decoder = Decoder::new(code, llr, list);
    decoder.node(LEVELS, 0, RIGHT);
    // Stable: of equals the smaller information word stays first.
    decoder.paths.sort_by(|a, b| a.metric.total_cmp(&b.metric));
    decoder.paths
}

/// One hypothesis about the information bits so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Path {
    /// The sum of |ratio| over the bits that contradict their ratio: small is good.
    pub metric: f32,
    pub info: u128,
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

/// What is known at one level of the tree, for all paths one after the other.
#[derive(Default)]
struct Level {
    /// Ratios of the node in work, by the paths at its start.
    ratios: Vec<f32>,
    /// The last finished left and right node.
    done: [Done; 2],
}

/// A finished node, by the paths at its end.
#[derive(Default)]
struct Done {
    /// Code bits as signs: +1 is 0, a product is a sum.
    signs: Vec<f32>,
    /// The path at the node's start that each path continues. With it a fork copies no ratios or signs.
    origin: Vec<usize>,
}

struct Decoder<'a> {
    code: &'a Code,
    list: usize,
    /// In the order of their information words.
    paths: Vec<Path>,
    levels: Vec<Level>,
    /// Metric of every choice at a fork, choices of one path together.
    costs: Vec<f32>,
    /// The kept choices, in their order: metric and place in `costs`, so that they compare by both.
    kept: Vec<u64>,
    /// Spare memory of `kept` and `paths`.
    ranking: Vec<u64>,
    forked: Vec<Path>,
}

impl<'a> Decoder<'a> {
    fn new(code: &'a Code, llr: &[f32; LENGTH], list: usize) -> Self {
        let mut levels: Vec<Level> = (0..LEVELS)
            .map(|level| {
                let values = || vec![0.0; (BLOCK * list) << level];
                let done = || Done { signs: values(), origin: Vec::with_capacity(list) };
                Level { ratios: values(), done: [done(), done()] }
            })
            .collect();
        levels.push(Level { ratios: llr.to_vec(), ..Level::default() });
        Self {
            code,
            list,
            paths: vec![Path { metric: 0.0, info: 0 }],
            levels,
            costs: vec![0.0; list << BLOCK],
            kept: Vec::with_capacity(list << BLOCK),
            ranking: Vec::with_capacity(list << BLOCK),
            forked: Vec::with_capacity(list),
        }
    }

    /// Decides the bits of the node of `1 << level` blocks from block `first`, the child on `side`.
    ///
    /// Nodes whose frozen bits all come first are decided at once, with the result of going bit by bit:
    /// with no frozen bit ahead a path has the metric of its likeliest continuation, so that the best
    /// continuations are those of the best paths. Of these the code has three kinds, since the last
    /// bit of a node has the largest weight in it, and those of a block are in the order of their weight.
    fn node(&mut self, level: usize, first: usize, side: usize) {
        let blocks = 1 << level;
        match self.code.info_bits_in(first * BLOCK, (first + blocks) * BLOCK) {
            0 => self.frozen(level, side),
            1 => self.repetition(level, side),
            bits if level == 0 => self.block(bits, side),
            _ => {
                self.descend_left(level);
                self.node(level - 1, first, LEFT);
                self.descend_right(level);
                self.node(level - 1, first + blocks / 2, RIGHT);
                // Nobody asks for the code bits of a node that ends the word.
                if first + blocks < LENGTH / BLOCK {
                    self.ascend(level, side);
                }
            }
        }
    }

    /// All bits are 0.
    fn frozen(&mut self, level: usize, side: usize) {
        let Level { ratios, done } = &mut self.levels[level];
        for (path, ratios) in self.paths.iter_mut().zip(ratios.chunks_exact(BLOCK << level)) {
            path.metric += contradictions(ratios)[0];
        }
        done[side].signs[..(BLOCK * self.paths.len()) << level].fill(1.0);
        done[side].origin.clear();
        done[side].origin.extend(0..self.paths.len());
    }

    /// The last bit alone is an information bit: all code bits are equal to it.
    fn repetition(&mut self, level: usize, side: usize) {
        let ratios = self.levels[level].ratios.chunks_exact(BLOCK << level);
        for ((path, ratios), costs) in self.paths.iter().zip(ratios).zip(self.costs.chunks_exact_mut(2)) {
            costs.copy_from_slice(&contradictions(ratios).map(|cost| path.metric + cost));
        }
        self.fork(1);
        let Done { signs, origin } = &mut self.levels[level].done[side];
        origin.clear();
        for (kept, signs) in self.kept.iter().zip(signs.chunks_exact_mut(BLOCK << level)) {
            let (path, choice) = parts(*kept, 1);
            origin.push(path);
            signs.fill([1.0, -1.0][choice]);
        }
    }

    /// The last `bits` of a block are information bits.
    fn block(&mut self, bits: usize, side: usize) {
        let costs = self.costs.chunks_exact_mut(1 << bits);
        for ((path, ratios), costs) in self.paths.iter().zip(self.levels[0].ratios.as_chunks().0).zip(costs) {
            let [a, b, c, d] = ratios.map(|ratio: f32| [(-ratio).max(0.0), ratio.max(0.0)]);
            let pairs = |a: [f32; 2], b: [f32; 2]| [a[0] + b[0], a[0] + b[1], a[1] + b[0], a[1] + b[1]];
            let (left, right) = (pairs(a, b).map(|cost| path.metric + cost), pairs(c, d));
            for (choice, cost) in costs.iter_mut().enumerate() {
                let word = block_word(choice);
                *cost = left[word >> 2] + right[word & 3];
            }
        }
        self.fork(bits);
        let Done { signs, origin } = &mut self.levels[0].done[side];
        origin.clear();
        for (kept, signs) in self.kept.iter().zip(signs.as_chunks_mut().0) {
            let (path, choice) = parts(*kept, bits);
            origin.push(path);
            *signs = BLOCK_SIGNS[block_word(choice)];
        }
    }

    /// Continues every path with every value of its next `bits` and keeps the `list` best.
    fn fork(&mut self, bits: usize) {
        let costs = &self.costs[..self.paths.len() << bits];
        // The paths' best choices fill a full list already: what is worse than all of them is not kept.
        let best =
            costs.chunks_exact(1 << bits).map(|costs| costs.iter().copied().fold(f32::INFINITY, lesser));
        let bound = if self.paths.len() < self.list { f32::INFINITY } else { best.fold(0.0, f32::max) };
        self.kept.clear();
        for (place, cost) in costs.iter().enumerate() {
            if *cost <= bound {
                // The bits of floats that are not negative are in the order of their values.
                self.kept.push((u64::from(cost.to_bits()) << 32) | place as u64);
            }
        }
        if self.kept.len() > self.list {
            self.ranking.clone_from(&self.kept);
            let first_lost = *self.ranking.select_nth_unstable(self.list).1;
            self.kept.retain(|kept| *kept < first_lost);
        }
        self.forked.clear();
        for kept in &self.kept {
            let (path, choice) = parts(*kept, bits);
            let info = (self.paths[path].info << bits) | choice as u128;
            self.forked.push(Path { metric: f32::from_bits((kept >> 32) as u32), info });
        }
        std::mem::swap(&mut self.paths, &mut self.forked);
    }

    /// The ratios of a node's left child: of the sums of the code bits of both halves.
    fn descend_left(&mut self, level: usize) {
        let (below, here) = self.levels.split_at_mut(level);
        let size = BLOCK << (level - 1);
        let nodes = here[0].ratios.chunks_exact(2 * size).take(self.paths.len());
        for (node, out) in nodes.zip(below[level - 1].ratios.chunks_exact_mut(size)) {
            let (a, b) = node.split_at(size);
            left_ratios(out, a, b);
        }
    }

    /// The ratios of a node's right child, given the left one.
    fn descend_right(&mut self, level: usize) {
        let (below, here) = self.levels.split_at_mut(level);
        let Level { ratios, done: [Done { signs, origin }, _] } = &mut below[level - 1];
        let size = BLOCK << (level - 1);
        let halves = signs.chunks_exact(size).zip(ratios.chunks_exact_mut(size));
        for (path, (signs, out)) in origin.iter().zip(halves) {
            let (a, b) = here[0].ratios[2 * size * path..2 * size * (path + 1)].split_at(size);
            right_ratios(out, a, b, signs);
        }
    }

    /// Joins the finished children of a node.
    fn ascend(&mut self, level: usize, side: usize) {
        let (below, here) = self.levels.split_at_mut(level);
        let [left, right] = &below[level - 1].done;
        let Done { signs, origin } = &mut here[0].done[side];
        origin.clear();
        origin.extend(right.origin.iter().map(|path| left.origin[*path]));
        let size = BLOCK << (level - 1);
        let halves = right.signs.chunks_exact(size).zip(signs.chunks_exact_mut(2 * size));
        for (path, (right, out)) in right.origin.iter().zip(halves) {
            let (sum, same) = out.split_at_mut(size);
            products(sum, &left.signs[size * path..size * (path + 1)], right);
            same.copy_from_slice(right);
        }
    }
}

/// Like `f32::min`, but does not spend time on NaN.
fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

// Functions of slices and not loops in place, as the compiler then knows that the slices are apart.

fn left_ratios(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = lesser(a.abs(), b.abs()).copysign(a * b);
    }
}

fn right_ratios(out: &mut [f32], a: &[f32], b: &[f32], signs: &[f32]) {
    for (((out, a), b), sign) in out.iter_mut().zip(a).zip(b).zip(signs) {
        *out = b + a * sign;
    }
}

fn products(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}

/// The code words of a block as signs, the first bit being the highest.
const BLOCK_SIGNS: [[f32; BLOCK]; 1 << BLOCK] = {
    let mut signs = [[1.0; BLOCK]; 1 << BLOCK];
    let mut i = 0;
    while i < signs.len() * BLOCK {
        if ((i / BLOCK) >> (BLOCK - 1 - i % BLOCK)) & 1 == 1 {
            signs[i / BLOCK][i % BLOCK] = -1.0;
        }
        i += 1;
    }
    signs
};

/// Which path a kept choice continues, and how.
fn parts(kept: u64, bits: usize) -> (usize, usize) {
    let place = kept as u32 as usize;
    (place >> bits, place & ((1 << bits) - 1))
}

/// The sum of |ratio| over the bits that contradict their ratio if all are 0, and if all are 1.
fn contradictions(ratios: &[f32]) -> [f32; 2] {
    let mut sums = [[0.0f32; BLOCK]; 2];
    for four in ratios.as_chunks::<BLOCK>().0 {
        for (i, ratio) in four.iter().enumerate() {
            sums[0][i] += (-ratio).max(0.0);
            sums[1][i] += ratio.max(0.0);
        }
    }
    sums.map(|[a, b, c, d]| a + b + (c + d))
}

/// The code word of length four, the first bit being the highest.
const fn block_word(bits: usize) -> usize {
    let pairs = bits ^ ((bits & 0b0101) << 1);
    pairs ^ ((pairs & 0b0011) << 2)
}
