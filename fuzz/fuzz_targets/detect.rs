//! The detector on any pixels of any size up to 255 × 255, grey or colour, 8 or 16 bits: no panic, and a mark
//! that is found has a message that can be read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vidimus::raster::{Channels, Raster, Samples};
use vidimus::watermark::{Key, Keyring, Said, Search, detect};

fuzz_target!(|data: &[u8]| {
    let [width, height, form, pixels @ ..] = data else { return };
    let (width, height) = (u32::from(*width).max(1), u32::from(*height).max(1));
    let channels = if form & 1 == 0 { Channels::Grey } else { Channels::Rgb };
    let count = width as usize * height as usize * channels.count();
    // What the input does not say repeats what it says.
    let byte = |i: usize| if pixels.is_empty() { 0 } else { pixels[i % pixels.len()] };
    let samples = if form & 2 == 0 {
        Samples::Eight((0..count).map(byte).collect())
    } else {
        Samples::Sixteen((0..count).map(|i| u16::from_be_bytes([byte(2 * i), byte(2 * i + 1)])).collect())
    };
    let raster = Raster::new(width, height, channels, samples, None);
    let (public, owner) = (Key::public(), Key::new([1; 32]));
    let keys = Keyring { public: &public, owner: Some(&owner) };
    let search = if form & 4 == 0 { Search::Fast } else { Search::Full };
    if let Some(found) = detect(&raster, keys, search) {
        let _ = Said::read(&found.message);
        assert!(found.log10_false_positive < -6.9);
    }
});
