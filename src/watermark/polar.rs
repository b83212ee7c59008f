//! The polar code (Arıkan 2009) of length 512 with a successive-cancellation list decoder (Tal and Vardy 2015).

/// Bits of a code word.
pub(super) const LENGTH: usize = 512;
/// Information bits of the long level: 80 of message, 40 of MAC.
pub(super) const INFO_BITS: usize = 120;
const LEVELS: usize = LENGTH.trailing_zeros() as usize;

/// The code word, one bit an entry, of the lowest 120 bits of `info`, most significant first.
pub(super) fn encode(info: u128) -> [u8; LENGTH] {
    let mut word = [0u8; LENGTH];
    for (rank, position) in info_set().into_iter().enumerate() {
        word[position] = ((info >> (INFO_BITS - 1 - rank)) & 1) as u8;
    }
    let mut half = 1;
    while half < LENGTH {
        for block in word.chunks_exact_mut(2 * half) {
            let (left, right) = block.split_at_mut(half);
            for (l, r) in left.iter_mut().zip(right) {
                *l ^= *r;
            }
        }
        half *= 2;
    }
    word
}

/// The `list` likeliest information words that a list of that size finds, best first, after
/// log-likelihood ratios (positive: the bit is 0).
///
/// The decision does not change when all ratios are multiplied by one positive number.
pub(super) fn decode(llr: &[f32; LENGTH], list: usize) -> Vec<u128> {
    let mut is_info = [false; LENGTH];
    for position in info_set() {
        is_info[position] = true;
    }
    let mut paths = vec![Path::new()];
    for (leaf, is_info) in is_info.into_iter().enumerate() {
        for path in &mut paths {
            path.descend(leaf, llr);
        }
        if !is_info {
            for path in &mut paths {
                path.metric += (-path.llr[1]).max(0.0);
                path.ascend(leaf, 0);
            }
            continue;
        }
        fork(&mut paths, list);
        for path in &mut paths {
            path.ascend(leaf, (path.info & 1) as u8);
        }
    }
    paths.sort_by(|a, b| a.metric.total_cmp(&b.metric));
    paths.into_iter().map(|path| path.info).collect()
}

/// Continues every path with both bits and keeps the `list` best.
fn fork(paths: &mut Vec<Path>, list: usize) {
    let mut choices: Vec<(f32, usize, u8)> = Vec::with_capacity(2 * list);
    for (i, path) in paths.iter().enumerate() {
        let llr = path.llr[1];
        choices.push((path.metric + (-llr).max(0.0), i, 0));
        choices.push((path.metric + llr.max(0.0), i, 1));
    }
    choices.sort_by(|a, b| a.0.total_cmp(&b.0));
    choices.truncate(list);
    // The first choice of a path goes on in its place, the second needs a copy in a free place.
    let old = paths.len();
    let mut first: Vec<Option<(f32, u8)>> = vec![None; old];
    let mut second: Vec<(f32, usize, u8)> = Vec::new();
    for (metric, i, bit) in choices {
        match first[i] {
            None => first[i] = Some((metric, bit)),
            Some(_) => second.push((metric, i, bit)),
        }
    }
    let mut free: Vec<usize> = (0..old).filter(|i| first[*i].is_none()).collect();
    for (metric, i, bit) in second {
        let mut copy = paths[i].clone();
        copy.take(metric, bit);
        match free.pop() {
            Some(place) => paths[place] = copy,
            None => paths.push(copy),
        }
    }
    for (path, choice) in paths.iter_mut().zip(first) {
        if let Some((metric, bit)) = choice {
            path.take(metric, bit);
        }
    }
}

/// One hypothesis about the bits so far. Level l of the tree keeps its 2^l values at 2^l..2^(l+1).
#[derive(Clone)]
struct Path {
    metric: f32,
    info: u128,
    llr: [f32; LENGTH],
    /// Code bits of the finished left halves.
    left: [u8; LENGTH],
}

impl Path {
    fn new() -> Self {
        Path { metric: 0.0, info: 0, llr: [0.0; LENGTH], left: [0; LENGTH] }
    }

    fn take(&mut self, metric: f32, bit: u8) {
        self.metric = metric;
        self.info = (self.info << 1) | u128::from(bit);
    }

    /// The ratios on the way down to `leaf`, as far as they are new.
    fn descend(&mut self, leaf: usize, channel: &[f32; LENGTH]) {
        let top = if leaf == 0 { LEVELS - 1 } else { leaf.trailing_zeros() as usize };
        for level in (0..=top).rev() {
            let size = 1 << level;
            let (low, high) = self.llr.split_at_mut(2 * size);
            let out = &mut low[size..];
            let parent = if level == LEVELS - 1 { &channel[..] } else { &high[..2 * size] };
            let (a, b) = parent.split_at(size);
            if leaf != 0 && level == top {
                for (((o, a), b), bit) in out.iter_mut().zip(a).zip(b).zip(&self.left[size..]) {
                    *o = if *bit == 0 { b + a } else { b - a };
                }
            } else {
                for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
                    *o = a.abs().min(b.abs()).copysign(a * b);
                }
            }
        }
    }

    /// Joins the decided bit to the halves that it completes.
    fn ascend(&mut self, leaf: usize, bit: u8) {
        let mut current = [0u8; LENGTH];
        current[0] = bit;
        let done = leaf.trailing_ones() as usize;
        for level in 0..done {
            let size = 1 << level;
            for i in 0..size {
                current[size + i] = current[i];
                current[i] ^= self.left[size + i];
            }
        }
        if done < LEVELS {
            let size = 1 << done;
            self.left[size..2 * size].copy_from_slice(&current[..size]);
        }
    }
}

/// The positions of the information bits, ascending: those of the largest polarisation weight
/// (He et al., "β-expansion", 2017).
fn info_set() -> Vec<usize> {
    let weight = |i: usize| -> f64 {
        (0..LEVELS).filter(|j| (i >> j) & 1 == 1).map(|j| 2f64.powf(j as f64 / 4.0)).sum()
    };
    let mut order: Vec<usize> = (0..LENGTH).collect();
    order.sort_by(|a, b| weight(*a).total_cmp(&weight(*b)));
    let mut chosen = order.split_off(LENGTH - INFO_BITS);
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::watermark::Key;
    use proptest::prelude::*;

    const MASK: u128 = (1 << INFO_BITS) - 1;

    fn received(word: &[u8; LENGTH], sigma: f64, seed: u64) -> [f32; LENGTH] {
        let noise = Stream::new(seed, "channel");
        std::array::from_fn(|i| {
            let sent = 1.0 - 2.0 * f64::from(word[i]);
            (2.0 * (sent + sigma * noise.normal(i as u64)) / (sigma * sigma)) as f32
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn noise_at_twice_the_needed_energy_is_corrected(info: u128, seed: u64) {
            // Capacity at σ = 1 is 0.49 bit; the rate is 0.23.
            let info = info & MASK;
            prop_assert_eq!(decode(&received(&encode(info), 1.0, seed), 16)[0], info);
        }

        #[test]
        fn the_scale_of_the_ratios_does_not_matter(info: u128, seed: u64) {
            let llr = received(&encode(info & MASK), 1.6, seed);
            prop_assert_eq!(decode(&llr, 4), decode(&llr.map(|v| v * 0.25), 4));
        }

        #[test]
        fn the_code_is_linear(a: u128, b: u128) {
            let sum: Vec<u8> = encode(a & MASK).iter().zip(encode(b & MASK)).map(|(x, y)| x ^ y).collect();
            prop_assert_eq!(sum, encode((a ^ b) & MASK).to_vec());
        }
    }

    #[test]
    fn random_ratios_never_pass_the_mac() {
        let key = Key::public();
        for seed in 0..200 {
            let noise = Stream::new(seed, "nothing");
            let llr = std::array::from_fn(|i| noise.normal(i as u64) as f32);
            for info in decode(&llr, 16) {
                assert_eq!(crate::watermark::decode::checked(info, &key), None);
            }
        }
    }
}
