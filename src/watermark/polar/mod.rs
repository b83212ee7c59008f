//! The polar code (Arıkan 2009) of length 512 with a successive-cancellation list decoder (Tal and Vardy 2015).

mod list;
#[cfg(test)]
mod reference;

/// Bits of a code word.
pub(super) const LENGTH: usize = 512;
/// The code of one rate.
pub(super) struct Code {
    /// How many information bits lie before each position.
    before: [u8; LENGTH + 1],
}

impl Code {
    /// The information bits, at most 128, are at the positions of the largest polarisation weight
    /// (He et al., "β-expansion", 2017).
    pub fn new(info_bits: usize) -> Self {
        let weights: [f64; LENGTH] = std::array::from_fn(|i| {
            let ones = (0..LENGTH.trailing_zeros()).filter(|j| (i >> j) & 1 == 1);
            ones.map(|j| 2f64.powf(f64::from(j) / 4.0)).sum()
        });
        let mut order: Vec<usize> = (0..LENGTH).collect();
        order.sort_by(|a, b| weights[*a].total_cmp(&weights[*b]));
        let mut is_info = [false; LENGTH];
        for position in &order[LENGTH - info_bits..] {
            is_info[*position] = true;
        }
        let mut before = [0; LENGTH + 1];
        for (i, is_info) in is_info.into_iter().enumerate() {
            before[i + 1] = before[i] + u8::from(is_info);
        }
        Self { before }
    }

    /// Number of information bits.
    pub fn info_bits(&self) -> usize {
        self.info_bits_in(0, LENGTH)
    }

    fn info_bits_in(&self, from: usize, to: usize) -> usize {
        usize::from(self.before[to] - self.before[from])
    }

    /// The code word, one bit an entry, of the lowest bits of `info`, most significant first.
    pub fn encode(&self, info: u128) -> [u8; LENGTH] {
        let last = self.info_bits();
        let mut word: [u8; LENGTH] = std::array::from_fn(|i| match self.info_bits_in(i, i + 1) {
            0 => 0,
            _ => ((info >> (last - self.info_bits_in(0, i + 1))) & 1) as u8,
        });
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
    /// log-likelihood ratios (positive: the bit is 0). Of equally likely ones the smaller is better.
    ///
    /// The decision does not change when all ratios are multiplied by one positive number.
    pub fn decode(&self, llr: &[f32; LENGTH], list: usize) -> Vec<u128> {
        list::paths(self, llr, list).into_iter().map(|path| path.info).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::list::BLOCK;
    use super::*;
    use crate::random::Stream;
    use crate::watermark::decode::checked;
    use crate::watermark::{Key, Level};
    use proptest::prelude::*;

    /// Information bits of the two levels.
    const LONG: usize = 120;
    const SHORT: usize = 64;
    const RATES: [usize; 2] = [LONG, SHORT];

    fn lowest(bits: usize, info: u128) -> u128 {
        info & ((1 << bits) - 1)
    }

    fn received(word: &[u8; LENGTH], sigma: f64, seed: u64) -> [f32; LENGTH] {
        let noise = Stream::new(seed, "channel");
        std::array::from_fn(|i| {
            let sent = 1.0 - 2.0 * f64::from(word[i]);
            (2.0 * (sent + sigma * noise.normal(i as u64)) / (sigma * sigma)) as f32
        })
    }

    /// The same as whole numbers so small that f32 sums of all of them are exact in every order.
    fn exact(llr: [f32; LENGTH]) -> [f32; LENGTH] {
        let most = llr.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        llr.map(|v| (v * (f32::from(i16::MAX) / most)).round())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn noise_at_twice_the_needed_energy_leaves_the_word_in_the_list(info: u128, seed: u64) {
            // Capacity at σ = 1 is 0.49 bit and the rate 0.23; at σ = 1.4 they are 0.29 and 0.125.
            for (bits, sigma) in [(LONG, 1.0), (SHORT, 1.4)] {
                let (code, info) = (Code::new(bits), lowest(bits, info));
                prop_assert!(code.decode(&received(&code.encode(info), sigma, seed), 16).contains(&info));
            }
        }

        #[test]
        fn the_decoder_finds_what_going_bit_by_bit_finds(
            info: u128, seed: u64, sigma in 0.6..4.0, size in prop_oneof![1..9usize, Just(16), Just(32)],
        ) {
            for bits in RATES {
                let code = Code::new(bits);
                let llr = exact(received(&code.encode(info), sigma, seed));
                prop_assert_eq!(list::paths(&code, &llr, size), reference::paths(&code, &llr, size));
            }
        }

        #[test]
        fn a_path_is_as_bad_as_the_ratios_that_its_code_word_contradicts(info: u128, seed: u64, sigma in 0.6..4.0) {
            for bits in RATES {
                let code = Code::new(bits);
                let llr = exact(received(&code.encode(info), sigma, seed));
                for path in list::paths(&code, &llr, 16) {
                    let word = code.encode(path.info);
                    let wrong = llr.iter().zip(word).filter(|(v, bit)| (**v < 0.0) != (*bit == 1));
                    prop_assert_eq!(path.metric, wrong.map(|(v, _)| v.abs()).sum::<f32>());
                }
            }
        }

        #[test]
        fn the_scale_of_the_ratios_does_not_matter(info: u128, seed: u64) {
            for bits in RATES {
                let code = Code::new(bits);
                let llr = received(&code.encode(info), 1.6, seed);
                prop_assert_eq!(code.decode(&llr, 4), code.decode(&llr.map(|v| v * 0.25), 4));
            }
        }

        #[test]
        fn the_code_is_linear(a: u128, b: u128) {
            for bits in RATES {
                let code = Code::new(bits);
                let sum: Vec<u8> = code.encode(a).iter().zip(code.encode(b)).map(|(x, y)| x ^ y).collect();
                prop_assert_eq!(sum, code.encode(a ^ b).to_vec());
            }
        }
    }

    #[test]
    fn frozen_bits_come_first_in_every_node_that_is_decided_at_once() {
        for code in RATES.map(Code::new) {
            for size in (2..=9).map(|log| 1 << log) {
                for first in (0..LENGTH).step_by(size) {
                    let bits = code.info_bits_in(first, first + size);
                    if size == BLOCK || bits == 1 {
                        assert_eq!(code.info_bits_in(first + size - bits, first + size), bits);
                    }
                }
            }
        }
    }

    #[test]
    fn without_any_information_in_the_ratios_there_is_a_whole_list() {
        for code in RATES.map(Code::new) {
            assert_eq!(code.decode(&[0.0; LENGTH], 32), (0..32).collect::<Vec<u128>>());
            assert_eq!(code.decode(&[f32::NAN; LENGTH], 32).len(), 32);
            assert_eq!(code.decode(&[f32::INFINITY; LENGTH], 32)[0], 0);
        }
    }

    #[test]
    fn random_ratios_never_pass_the_mac() {
        let key = Key::public();
        for level in Level::ALL {
            let code = crate::watermark::decode::code(level);
            for seed in 0..100 {
                let noise = Stream::new(seed, "nothing");
                let llr = std::array::from_fn(|i| noise.normal(i as u64) as f32);
                for info in code.decode(&llr, 16) {
                    assert_eq!(checked(info, level, &key), None);
                }
            }
        }
    }
}
