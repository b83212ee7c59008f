use super::super::flux::tiny;
use super::super::ops::Precision;
use super::super::speed;
use super::*;
use crate::random::Stream;

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers")
}

/// Latents of chance are alike everywhere, as the norms of a tile take them to be: what is left of the difference is
/// what a tile's sample of them is off by.
#[test]
fn a_picture_in_tiles_is_nearly_the_picture_as_a_whole_and_has_no_seam() {
    let config = tiny::vae();
    let autoencoder =
        Autoencoder::new(&config, Quant::default(), speed::chance(Precision::F32)).expect("any weights do");
    let (rows, columns) = (64, 160);
    let stream = Stream::new(4, "latents");
    let numbers: Vec<f32> =
        (0..(config.latents * rows * columns) as u64).map(|i| stream.normal(i) as f32).collect();
    let latents = Tensor::from_vec(numbers, (1, config.latents, rows, columns), &candle_core::Device::Cpu);
    let latents = latents.expect("as many numbers");
    let tiles = Tiles::over([rows, columns]);
    assert_eq!((tiles.count(), tiles.size()), (2, [rows, 88]));
    let whole = values(&autoencoder.decoder.forward(&latents).expect("it decodes"));
    let parts = tiles.each(&latents, DECODE, |x| autoencoder.decoder.forward(x)).expect("it decodes");
    let parts = values(&parts);
    let rms = |values: &mut dyn Iterator<Item = f32>| {
        let (count, sum) = values.fold((0, 0.0), |(n, sum), x| (n + 1, sum + f64::from(x).powi(2)));
        (sum / f64::from(count)).sqrt()
    };
    let off: Vec<f32> = parts.iter().zip(&whole).map(|(a, b)| a - b).collect();
    let share = rms(&mut off.iter().copied()) / rms(&mut whole.iter().copied());
    assert!(share > 0.0 && share < 0.05, "off by {share}");
    let width = SCALE * columns;
    let steps = |values: &[f32]| {
        let beside = values.windows(2).enumerate().filter(|(at, _)| (at + 1) % width != 0);
        beside.map(|(_, two)| (two[1] - two[0]).abs()).fold(0.0, f32::max)
    };
    let (own, added) = (steps(&whole), steps(&off));
    assert!(added < 0.25 * own, "steps of {added} beside the picture's own of {own}");
}

#[test]
fn memory_grows_with_the_picture_up_to_a_tile_and_hardly_beyond() {
    let config = Config { channels: vec![128, 256, 512, 512], ..tiny::vae() };
    let gib = |side: usize| {
        config.bytes(&Frame::around(side, side, SCALE), &Processor::default()) as f64 / f64::from(1 << 30)
    };
    assert!(gib(512) < 0.75 && gib(512) < gib(768) && gib(768) < 1.6, "{} {}", gib(512), gib(768));
    assert!(gib(1024) < 1.2, "{}", gib(1024));
    assert!(gib(4096) < 3.0, "{}", gib(4096));
}
