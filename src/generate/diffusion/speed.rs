//! The engines' networks in their real sizes, with weights of chance: what `benches/engines` measures.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use candle_core::{DType, Device, Module, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::{SimpleBackend, VarBuilder};
use serde_json::json;

use super::autoencoder::{Autoencoder, Config, Frame, Quant, SCALE};
use super::ops::layers::Conv;
use super::ops::{Linear, Matrix, Precision, Scores, Vars, attention};
use super::types::Type;
use super::{ModelError, flux, stable};
use crate::raster::{Depth, Plane, Raster};

/// One thing that is measured, every time that it is called.
pub type Run = Box<dyn Fn() -> Result<Made, String> + Send + Sync>;

/// What was computed.
pub enum Made {
    Numbers(Tensor),
    Picture(Raster),
}

impl Made {
    /// The numbers; those of a picture in steps of 255.
    ///
    /// # Errors
    /// When there are none.
    pub fn numbers(&self) -> Result<Vec<f32>, String> {
        match self {
            Made::Numbers(tensor) => {
                tensor.flatten_all().and_then(|flat| flat.to_vec1()).map_err(|error| error.to_string())
            }
            Made::Picture(raster) => {
                let planes = raster.planes();
                Ok(planes.iter().flat_map(|plane| plane.data().iter().map(|x| 255.0 * x)).collect())
            }
        }
    }
}

/// What is measured, and how it is made ready: with a folder for a file of weights.
pub struct Case {
    pub name: &'static str,
    build: fn(&Path, Precision) -> Result<Run, ModelError>,
}

impl Case {
    /// # Errors
    /// When the folder cannot be written to.
    pub fn build(&self, dir: &Path, precision: Precision) -> Result<Run, String> {
        (self.build)(dir, precision).map_err(|error| error.to_string())
    }
}

/// Names tell the type that FLUX.1's weights are stored in.
pub const CASES: [Case; 17] = [
    Case { name: "unet-512", build: |_, of| stable::speed::unet(of) },
    Case { name: "decode-512", build: |_, of| decode(512, of) },
    Case { name: "decode-1024", build: |_, of| decode(1024, of) },
    Case { name: "flux-double-f32", build: |dir, of| flux::speed::block(dir, Type::F32, [1, 0], of) },
    Case { name: "flux-double-bf16", build: |dir, of| flux::speed::block(dir, Type::Bf16, [1, 0], of) },
    Case { name: "flux-double-q8_0", build: |dir, of| flux::speed::block(dir, Type::Q8_0, [1, 0], of) },
    Case { name: "flux-single-f32", build: |dir, of| flux::speed::block(dir, Type::F32, [0, 1], of) },
    Case { name: "flux-single-bf16", build: |dir, of| flux::speed::block(dir, Type::Bf16, [0, 1], of) },
    Case { name: "flux-single-q8_0", build: |dir, of| flux::speed::block(dir, Type::Q8_0, [0, 1], of) },
    Case { name: "linear-1536x3072x9216", build: |_, of| linear([1536, 3072, 9216], of) },
    Case { name: "linear-4096x320x320", build: |_, of| linear([4096, 320, 320], of) },
    Case { name: "conv-320@64", build: |_, of| conv(320, 64, of) },
    Case { name: "conv-1280@16", build: |_, of| conv(1280, 16, of) },
    Case { name: "conv-1280@32", build: |_, of| conv(1280, 32, of) },
    Case { name: "conv-256@256", build: |_, of| conv(256, 256, of) },
    Case { name: "attention-8x4096x40", build: |_, of| heads([8, 4096, 40], of) },
    Case { name: "attention-24x1536x128", build: |_, of| heads([24, 1536, 128], of) },
];

/// One call of a FLUX.1 transformer in a file, for a picture of 512 × 512 pixels and so many tokens of text.
///
/// # Errors
/// When the file is no such transformer.
pub fn flux(file: &Path, texts: usize, precision: Precision) -> Result<Run, String> {
    flux::speed::stored(file, texts, precision).map_err(|error| error.to_string())
}

/// What makes a measurement of a network's run on these tensors.
pub(super) fn run(
    of: impl Fn() -> candle_core::Result<Tensor> + Send + Sync + 'static,
) -> Result<Run, ModelError> {
    Ok(Box::new(move || of().map(Made::Numbers).map_err(|error| error.to_string())))
}

/// Stable Diffusion's decoder.
fn decode(side: usize, precision: Precision) -> Result<Run, ModelError> {
    let config =
        Config { channels: vec![128, 256, 512, 512], residuals: 2, latents: 4, scale: 0.18215, shift: 0.0 };
    let quant = Quant { behind_encoder: true, before_decoder: true };
    let autoencoder = Autoencoder::new(&config, quant, chance(precision))?;
    let latents = tensor(&[1, config.latents, side / SCALE, side / SCALE])?;
    let like = Raster::from_planes(&[0.0, 0.5, 1.0].map(|x| Plane::filled(side, side, x)), Depth::Eight);
    let frame = Frame::around(side, side, SCALE);
    Ok(Box::new(move || {
        autoencoder.decode(&latents, &frame, &like).map(Made::Picture).map_err(|error| error.to_string())
    }))
}

fn linear([rows, inputs, outputs]: [usize; 3], precision: Precision) -> Result<Run, ModelError> {
    let (weight, bias) = (Matrix::wide(tensor(&[outputs, inputs])?)?, tensor(&[outputs])?);
    let linear = Linear::new(weight, Some(bias), &precision.into())?;
    let x = tensor(&[rows, inputs])?;
    run(move || linear.forward(&x))
}

fn conv(channels: usize, side: usize, precision: Precision) -> Result<Run, ModelError> {
    let conv = Conv::new(channels, channels, chance(precision))?;
    let x = tensor(&[1, channels, side, side])?;
    run(move || conv.forward(&x))
}

fn heads([heads, tokens, width]: [usize; 3], precision: Precision) -> Result<Run, ModelError> {
    let x = tensor(&[tokens, heads * width])?;
    let scale = 1.0 / (width as f64).sqrt();
    run(move || attention([&x, &x, &x], heads, scale, Scores::AsTheyAre, &precision.into()))
}

/// Numbers of chance, evenly within −1..1.
pub(super) fn tensor(shape: &[usize]) -> candle_core::Result<Tensor> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as i32 as f32 / i32::MAX as f32
    };
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu)
}

/// Weights of any name and shape, so large that numbers stay about as large as they are.
pub(super) fn chance(precision: Precision) -> Vars {
    Vars::of(VarBuilder::from_backend(Box::new(Chance), DType::F32, Device::Cpu), precision)
}

struct Chance;

impl SimpleBackend for Chance {
    fn get(&self, shape: Shape, _: &str, _: Init, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let inputs: usize = shape.dims().iter().skip(1).product();
        tensor(shape.dims())? * (3.0 / inputs as f64).sqrt()
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} of no shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// Writes a file with these tensors, which all have the same numbers, as far as they go; vectors are of f32.
pub(super) fn file(
    path: &Path,
    shapes: &[(String, Vec<usize>)],
    kind: Type,
    dtype: &str,
) -> Result<(), ModelError> {
    let numbers = |shape: &[usize]| shape.iter().product::<usize>();
    let most = shapes.iter().filter(|(_, shape)| shape.len() > 1).map(|(_, shape)| numbers(shape)).max();
    let wide: Vec<f32> = tensor(&[most.unwrap_or_default()])?.affine(0.03, 0.0)?.to_vec1()?;
    let vector: Vec<u8> = wide.iter().take(1 << 20).flat_map(|x| x.to_le_bytes()).collect();
    let matrix: Vec<u8> = match kind {
        Type::Bf16 => wide.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect(),
        // A scale of 2⁻¹², and quants of 8 bits.
        Type::Q8_0 => wide
            .chunks_exact(32)
            .flat_map(|block| [0, 0x0c].into_iter().chain(block.iter().map(|x| (x * 4096.0) as i8 as u8)))
            .collect(),
        _ => wide.iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let (mut entries, mut parts, mut start) = (BTreeMap::new(), Vec::new(), 0);
    for (name, shape) in shapes {
        let (dtype, bytes) = match shape.len() {
            1 => ("F32", &vector[..4 * numbers(shape)]),
            _ => (dtype, &matrix[..kind.bytes(shape).unwrap_or_default() as usize]),
        };
        let end = start + bytes.len();
        entries.insert(name, json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }));
        parts.push(bytes);
        start = end;
    }
    let header = json!(entries).to_string();
    let write = || {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        parts.iter().try_for_each(|bytes| file.write_all(bytes))
    };
    write().map_err(|source| ModelError::Read { file: path.to_owned(), source })
}
