//! Blocks of 256 numbers in smaller groups, each with a small scale of its own under the block's: "k-quants".

use super::widen::at;

/// 2 bits, 16 groups of 16 with a scale and a least value of 4 bits each: 16 bytes of these, 64 of numbers, two f16.
pub fn q2(block: &[u8; 84], to: &mut [f32; 256]) {
    let (scale, least) = (at(block, 80), at(block, 82));
    for (group, to) in to.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let own = block[group];
        let (scale, least) = (scale * f32::from(own & 15), least * f32::from(own >> 4));
        let (from, shift) = two_bits(group);
        for (to, byte) in to.iter_mut().zip(&block[16 + from..]) {
            *to = scale * f32::from(byte >> shift & 3) - least;
        }
    }
}

/// 3 bits, 16 groups of 16 with a scale of 6 bits: 32 bytes of third bits, 64 of the other two, 12 of scales, an f16.
pub fn q3(block: &[u8; 110], to: &mut [f32; 256]) {
    let scale = at(block, 108);
    for (group, to) in to.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // Low four bits: a half of one of eight bytes; high two: a quarter of one of four.
        let low = block[96 + group % 8] >> (4 * (group / 8)) & 15;
        let high = block[104 + group % 4] >> (2 * (group / 4)) & 3;
        let scale = scale * (f32::from(low | high << 4) - 32.0);
        let (from, shift) = two_bits(group);
        let thirds = &block[16 * (group % 2)..];
        for ((to, byte), third) in to.iter_mut().zip(&block[32 + from..]).zip(thirds) {
            let third = third >> (group / 2) & 1;
            *to = scale * (f32::from(byte >> shift & 3 | third << 2) - 4.0);
        }
    }
}

/// 4 bits, 8 groups of 32 with a scale and a least value of 6 bits each: two f16, 12 bytes of these, 128 of numbers.
pub fn q4(block: &[u8; 144], to: &mut [f32; 256]) {
    for (group, to) in to.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, least) = of_group(block, group);
        let numbers = &block[16 + 32 * (group / 2)..];
        for (to, byte) in to.iter_mut().zip(numbers) {
            *to = scale * f32::from(byte >> (4 * (group % 2)) & 15) - least;
        }
    }
}

/// The same with 32 bytes of fifth bits before the others.
pub fn q5(block: &[u8; 176], to: &mut [f32; 256]) {
    for (group, to) in to.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, least) = of_group(block, group);
        let numbers = &block[48 + 32 * (group / 2)..];
        for ((to, byte), fifth) in to.iter_mut().zip(numbers).zip(&block[16..48]) {
            let fifth = fifth >> group & 1;
            *to = scale * f32::from(byte >> (4 * (group % 2)) & 15 | fifth << 4) - least;
        }
    }
}

/// 6 bits, 16 groups of 16 with a scale of 8 bits: 128 bytes of the low four, 64 of the high two, 16 of scales, an f16.
pub fn q6(block: &[u8; 210], to: &mut [f32; 256]) {
    let scale = at(block, 208);
    for (group, to) in to.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = scale * f32::from(block[192 + group] as i8);
        // Each half of the block has four rows of 32: two in the low halves of bytes, two in the high ones.
        let (half, row, column) = (group / 8, group / 2 % 4, 16 * (group % 2));
        let lows = &block[64 * half + 32 * (row % 2) + column..];
        let highs = &block[128 + 32 * half + column..];
        for ((to, low), high) in to.iter_mut().zip(lows).zip(highs) {
            let (low, high) = (low >> (4 * (row / 2)) & 15, high >> (2 * row) & 3);
            *to = scale * (f32::from(low | high << 4) - 32.0);
        }
    }
}

/// Where 16 numbers of two bits begin, and the place of their bits: 32 bytes hold four rows of 32 numbers.
fn two_bits(group: usize) -> (usize, usize) {
    (32 * (group / 8) + 16 * (group % 2), 2 * (group / 2 % 4))
}

/// Scale and least value of one of eight groups. The first four groups have theirs in the low six bits of a byte;
/// those of the others are in four bits, with their high two at the top of the first groups' bytes.
fn of_group(block: &[u8], group: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, least) = match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => {
            let (both, scale, least) = (packed[group + 4], packed[group - 4], packed[group]);
            (both & 15 | scale >> 6 << 4, both >> 4 | least >> 6 << 4)
        }
    };
    (at(block, 0) * f32::from(scale), at(block, 2) * f32::from(least))
}
