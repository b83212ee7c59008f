//! What engines are held against diffusers with: a picture, a mask, and the stages that a Python script left.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use tempfile::TempDir;

use super::Processor;
use super::latents::noise;
use super::lora::Lora;
use crate::quantity::Seed;
use crate::raster::{self, Depth, Format, Plane, Raster};

/// Largest difference of a stage, relative to its largest value.
pub const TOLERANCE: f64 = 1e-4;
pub const STRENGTHS: [f64; 3] = [0.4, 0.6, 0.85];
pub const SEED: Seed = Seed(7);
pub const WIDTH: usize = 160;
pub const HEIGHT: usize = 96;

/// Not square, so that swapped sides would show; of whole packed latents, so that nothing is framed.
pub fn picture() -> Raster {
    let wave = |x: usize, y: usize| 0.5 + 0.4 * (x as f32 / 9.0).sin() * (y as f32 / 13.0).cos();
    let planes = [
        Plane::from_fn(WIDTH, HEIGHT, wave),
        Plane::from_fn(WIDTH, HEIGHT, |x, _| x as f32 / WIDTH as f32),
        Plane::from_fn(WIDTH, HEIGHT, |x, y| ((x / 16 + y / 16) % 2) as f32),
    ];
    Raster::from_planes(&planes, Depth::Eight)
}

/// White in whole latents, so that how a mask is brought to their size makes no difference.
pub fn mask() -> Plane {
    Plane::from_fn(WIDTH, HEIGHT, |x, y| if (48..112).contains(&x) && y >= 32 { 1.0 } else { 0.0 })
}

/// A folder with what `script` makes of the picture, the mask, the noise of stream `what` for latents of so many
/// channels, and `request`.
pub fn made(script: &str, channels: usize, what: &str, request: &Value) -> TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv-parity/bin/python");
    assert!(python.exists(), "no {}: 'make test' installs diffusers there", python.display());
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let at = |name: &str| dir.path().join(name);
    let png = |raster: &Raster| raster::encode(raster, Format::Png, 90).expect("it encodes");
    std::fs::write(at("picture.png"), png(&picture())).expect("a new file");
    let white = Raster::from_planes(&[mask()], Depth::Eight);
    std::fs::write(at("mask.png"), png(&white)).expect("a new file");
    let shape = (1, channels, HEIGHT / 8, WIDTH / 8);
    let like = Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("a tensor");
    let noise = HashMap::from([("noise", noise(&like, SEED, what).expect("as many numbers"))]);
    candle_core::safetensors::save(&noise, at("noise.safetensors")).expect("a new file");
    std::fs::write(at("request.json"), request.to_string()).expect("a new file");
    let script = root.join("tests/parity").join(script);
    let made = Command::new(python).arg(script).arg(dir.path()).output().expect("it starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

/// One pipeline's stages.
pub struct Stages {
    pipeline: String,
    pub made: HashMap<String, Tensor>,
    report: String,
}

impl Stages {
    /// To be held against what is made on `processor`.
    pub fn by(processor: &Processor, dir: &Path, pipeline: &str) -> Stages {
        let file = dir.join(format!("{pipeline}.safetensors"));
        let made = candle_core::safetensors::load(file, &Device::Cpu).expect("python wrote it");
        let by = if processor.has_tensors() { " by candle's operations" } else { "" };
        Stages { pipeline: format!("{pipeline}{by}"), made, report: String::new() }
    }

    /// Holds `found` against the stage `name`.
    pub fn hold(&mut self, name: &str, found: &Tensor) {
        let expected = &self.made[name];
        assert_eq!(found.dims(), expected.dims(), "{name}");
        let [found, expected] = [found, expected].map(values);
        assert!(found.iter().all(|v| v.is_finite()), "{name}: numbers were lost");
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let scale = largest(&mut expected.iter().map(|v| f64::from(v.abs())));
        let off = largest(&mut found.iter().zip(&expected).map(|(f, e)| f64::from((f - e).abs()))) / scale;
        self.report.push_str(&format!("| {} | {name} | {off:.1e} |\n", self.pipeline));
        assert!(off <= TOLERANCE, "{} {name}: off by {off:.1e} of its largest value", self.pipeline);
    }

    /// Holds the pixels of a picture in bfloat16 against those in f32: not the same, and not farther than so many steps of
    /// 255 anywhere and on average.
    pub fn hold_rounded(&mut self, name: &str, [found, exact]: [&Raster; 2], [far, usual]: [f64; 2]) {
        let [found, exact] = [found, exact].map(|raster| raster.planes());
        let pixels = found.iter().zip(&exact).flat_map(|(f, e)| f.data().iter().zip(e.data()));
        let off: Vec<f64> = pixels.map(|(f, e)| 255.0 * f64::from((f - e).abs())).collect();
        let (most, mean) =
            (off.iter().copied().fold(0.0, f64::max), off.iter().sum::<f64>() / off.len() as f64);
        let line = format!("| {} | {name}.bf16 | {most:.0} of 255, {mean:.2} on average |\n", self.pipeline);
        self.report.push_str(&line);
        assert!(mean > 0.0 && most <= far && mean <= usual, "{line}");
    }

    /// Holds the pixels of `found` against those that the stage `name` decodes to.
    pub fn hold_pixels(&mut self, name: &str, found: &Raster) {
        let expected = values(&self.made[&format!("{name}.decoded")]);
        let found: Vec<f32> = found.planes().iter().flat_map(|plane| plane.data().to_vec()).collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        assert!(found.iter().all(|v| v.is_finite()));
        let off = found.iter().zip(&expected).map(|(f, e)| (f - (0.5 + 0.5 * e).clamp(0.0, 1.0)).abs());
        let off = off.fold(0.0, f32::max);
        let line = format!("| {} | {name}.pixels | {:.2} of 255 |\n", self.pipeline, 255.0 * off);
        self.report.push_str(&line);
        assert!(off <= 1.0 / 255.0, "{} at {name}: pixels off by {off}", self.pipeline);
    }
}

/// Files of LoRAs, without their ends, and their weights.
pub type Files = &'static [(&'static str, f64)];

/// Those of the pipeline in `folder`.
pub fn loras(folder: &Path, files: Files) -> Vec<Lora> {
    let lora = |(name, weight): &(&str, f64)| Lora {
        file: folder.join(format!("loras/{name}.safetensors")),
        weight: *weight,
    };
    files.iter().map(lora).collect()
}

/// How far two tensors are apart, over the largest value of the first.
pub fn apart(a: &Tensor, b: &Tensor) -> f64 {
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let [a, b] = [a, b].map(values);
    let off: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    f64::from(largest(&off) / largest(&a))
}

/// This program's kernels, and what a GPU does.
pub fn processors() -> [Processor; 2] {
    [Processor::default(), Processor::of_tensors()]
}

/// Writes what was measured to a file in `target/`.
pub fn report(file: &str, stages: &[Stages]) {
    let lines: String = stages.iter().map(|stages| stages.report.as_str()).collect();
    let table = format!("| model | stage | largest difference over largest value |\n|---|---|---|\n{lines}");
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(file);
    std::fs::write(path, table).expect("it writes");
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers")
}
