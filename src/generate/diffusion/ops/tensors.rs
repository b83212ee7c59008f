//! What layers do by candle's operations, which every device of candle's has. Shapes are those of the kernels'.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::Module;
use candle_nn::ops::{layer_norm, rms_norm, sigmoid, softmax_last_dim};
use candle_nn::rotary_emb::rope_i;

use super::super::types::Type;
use super::kernels::{Activation, Steps};
use super::{Matrix, Precision, Scores};

/// Scores that are held at a time: 512 MiB in bfloat16.
const SCORES: usize = 1 << 28;

/// A matrix of weights on a device.
pub enum Held {
    Numbers(Tensor),
    /// Blocks that share scales, which are widened in each call: their device may have no room for more.
    Blocks(QTensor, DType),
}

impl Held {
    pub fn of(matrix: &Matrix, device: &Device, precision: Precision) -> candle_core::Result<Held> {
        let sides = (matrix.rows(), matrix.columns());
        let dtype = precision.dtype();
        let plain =
            |bytes: &[u8], stored| Tensor::from_raw_buffer(bytes, stored, &[sides.0, sides.1], device);
        Ok(match matrix.stored_as() {
            Some((Type::Bf16, bytes)) => Held::Numbers(plain(bytes, DType::BF16)?.to_dtype(dtype)?),
            Some((Type::F16, bytes)) => Held::Numbers(plain(bytes, DType::F16)?.to_dtype(dtype)?),
            Some((kind, bytes)) if blocks(kind).is_some() => {
                let kind = blocks(kind).unwrap_or(GgmlDType::Q8_0);
                let storage = QStorage::from_data(Cow::Borrowed(bytes), device, kind)?;
                Held::Blocks(QTensor::new(storage, sides)?, dtype)
            }
            _ => Held::Numbers(matrix.widened(0..sides.0)?.to_dtype(dtype)?.to_device(device)?),
        })
    }

    /// Products of `x`, (rows, inputs), with some rows of the matrix: (rows, outputs).
    pub fn product(&self, x: &Tensor, outputs: &Range<usize>) -> candle_core::Result<Tensor> {
        let whole = match self {
            Held::Numbers(numbers) => numbers.clone(),
            Held::Blocks(blocks, dtype) => blocks.dequantize(x.device())?.to_dtype(*dtype)?,
        };
        x.contiguous()?.matmul(&whole.narrow(0, outputs.start, outputs.len())?.t()?)
    }
}

fn blocks(kind: Type) -> Option<GgmlDType> {
    Some(match kind {
        Type::Q4_0 => GgmlDType::Q4_0,
        Type::Q4_1 => GgmlDType::Q4_1,
        Type::Q5_0 => GgmlDType::Q5_0,
        Type::Q5_1 => GgmlDType::Q5_1,
        Type::Q8_0 => GgmlDType::Q8_0,
        Type::Q2K => GgmlDType::Q2K,
        Type::Q3K => GgmlDType::Q3K,
        Type::Q4K => GgmlDType::Q4K,
        Type::Q5K => GgmlDType::Q5K,
        Type::Q6K => GgmlDType::Q6K,
        Type::F64 | Type::F32 | Type::F16 | Type::Bf16 | Type::F8E4M3 => return None,
    })
}

pub fn activated(x: &Tensor, activation: Activation) -> candle_core::Result<Tensor> {
    match activation {
        Activation::Silu => x.silu(),
        Activation::QuickGelu => x * sigmoid(&(x * 1.702)?)?,
        Activation::GeluTanh => x.gelu(),
        Activation::GeluErf => x.gelu_erf(),
    }
}

/// The first half of the last dimension times the second, which goes through the activation.
pub fn gated(x: &Tensor, activation: Activation) -> candle_core::Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let part = |i: usize| x.narrow(D::Minus1, i * half, half)?.contiguous();
    part(0)? * activated(&part(1)?, activation)?
}

pub fn attention(all: [&Tensor; 3], heads: usize, scale: f64, bias: Scores) -> candle_core::Result<Tensor> {
    attention_in_turns(all, heads, scale, bias, SCORES)
}

/// As many queries at a time as have so many scores.
fn attention_in_turns(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    scale: f64,
    bias: Scores,
    most: usize,
) -> candle_core::Result<Tensor> {
    let ((queries, columns), keys) = (q.dims2()?, k.dim(0)?);
    let apart = |x: &Tensor| x.reshape((x.dim(0)?, heads, columns / heads))?.transpose(0, 1)?.contiguous();
    let (q, k, v) = (apart(q)?, apart(k)?.transpose(1, 2)?, apart(v)?);
    let at_once = (most / (heads * keys).max(1)).max(1);
    let some = |first: usize| {
        let count = at_once.min(queries - first);
        let scores = (q.narrow(1, first, count)?.contiguous()?.matmul(&k)? * scale)?;
        let scores = match bias {
            Scores::AsTheyAre => scores,
            Scores::Causal => scores.broadcast_add(&behind(first..first + count, keys, &scores)?)?,
            Scores::With(bias) => (scores + bias.narrow(2, first, count)?.transpose(1, 2)?)?,
        };
        softmax_last_dim(&scores.contiguous()?)?.matmul(&v)
    };
    let parts = (0..queries).step_by(at_once).map(some).collect::<candle_core::Result<Vec<_>>>()?;
    Tensor::cat(&parts, 1)?.transpose(0, 1)?.reshape((queries, columns))
}

/// What keeps these queries from the keys behind their own places, (queries, keys), of `like`'s kind.
fn behind(queries: Range<usize>, keys: usize, like: &Tensor) -> candle_core::Result<Tensor> {
    let count = queries.len();
    let scores =
        queries.flat_map(|i| (0..keys).map(move |key| if key > i { f32::NEG_INFINITY } else { 0.0 }));
    let scores = Tensor::from_vec(scores.collect::<Vec<_>>(), (count, keys), &Device::Cpu)?;
    scores.to_dtype(like.dtype())?.to_device(like.device())
}

/// Queries, keys and values beside one another: each head's queries and keys brought to a mean square of 1, times
/// `scales`, and turned. In f32, whatever they are stored in: angles would be too coarse in 16 bits.
pub fn turned(
    all: &Tensor,
    scales: [&Tensor; 2],
    epsilon: f64,
    [cos, sin]: [&Tensor; 2],
) -> candle_core::Result<Tensor> {
    let (tokens, columns) = all.dims2()?;
    let part = |i: usize| all.narrow(1, i * columns / 3, columns / 3);
    let fine = |x: &Tensor| x.to_dtype(DType::F32)?.contiguous();
    let (cos, sin) = (fine(cos)?, fine(sin)?);
    let turn = |(i, scale): (usize, &Tensor)| {
        let width = scale.elem_count();
        let heads = part(i)?.reshape((tokens, columns / 3 / width, width))?;
        let normed = rms_norm(&fine(&heads)?, &fine(&scale.flatten_all()?)?, epsilon as f32)?;
        let turned = rope_i(&normed.transpose(0, 1)?.unsqueeze(0)?.contiguous()?, &cos, &sin)?;
        turned.squeeze(0)?.transpose(0, 1)?.reshape((tokens, columns / 3))?.to_dtype(all.dtype())
    };
    let [queries, keys] = [(0, scales[0]), (1, scales[1])].map(turn);
    Tensor::cat(&[queries?, keys?, part(2)?], 1)
}

/// Rows of mean 0 and deviation 1, or without a shift of a mean square of 1.
pub fn row_norm(
    x: &Tensor,
    scale: &Tensor,
    shift: Option<&Tensor>,
    epsilon: f64,
) -> candle_core::Result<Tensor> {
    let (x, scale) = (x.contiguous()?, scale.flatten_all()?.contiguous()?);
    match shift {
        Some(shift) => layer_norm(&x, &scale, &shift.flatten_all()?.contiguous()?, epsilon as f32),
        None => rms_norm(&x, &scale, epsilon as f32),
    }
}

pub fn group_norm(
    x: &Tensor,
    groups: usize,
    [scale, shift]: [&Tensor; 2],
    epsilon: f64,
) -> candle_core::Result<Tensor> {
    let channels = scale.dim(0)?;
    candle_nn::GroupNorm::new(scale.clone(), shift.clone(), channels, groups, epsilon)?.forward(x)
}

/// Without a bias. A filter of one pixel is a matrix.
pub fn convolved(x: &Tensor, filters: &Tensor, steps: Steps) -> candle_core::Result<Tensor> {
    let (batch, inputs, height, width) = x.dims4()?;
    let (outputs, _, side, _) = filters.dims4()?;
    let x = x.contiguous()?;
    if side == 1 {
        let pixels = x.reshape((batch, inputs, height * width))?;
        let made = filters.reshape((1, outputs, inputs))?.broadcast_matmul(&pixels)?;
        return made.reshape((batch, outputs, height, width));
    }
    match (steps.before, steps.behind) {
        (before, behind) if before == behind => x.conv2d(filters, before, steps.stride, 1, 1),
        (before, behind) => {
            let x = x.pad_with_zeros(2, before, behind)?.pad_with_zeros(3, before, behind)?;
            x.conv2d(filters, 0, steps.stride, 1, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::activated as activated_by;
    use super::super::{Compute, Conv, Vars, attention as either, gated as gated_by};
    use super::*;
    use crate::random::Stream;

    fn chance(name: &str, shape: &[usize]) -> Tensor {
        let stream = Stream::new(3, name);
        let numbers = (0..shape.iter().product::<usize>() as u64).map(|i| stream.normal(i) as f32).collect();
        Tensor::from_vec::<_, f32>(numbers, shape, &Device::Cpu).expect("as many")
    }

    /// By kernels, and by what is above.
    fn computes() -> [Compute; 2] {
        [Compute::default(), Compute::Tensors(Device::Cpu, Precision::F32)]
    }

    fn near(what: &str, a: &Tensor, b: &Tensor) {
        assert_eq!(a.dims(), b.dims(), "{what}");
        let off = (a - b).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("numbers");
        assert!(off < 2e-5, "{what}: off by {off:e}");
    }

    fn alike(what: &str, made: impl Fn(&Compute) -> candle_core::Result<Tensor>) {
        let [a, b] = computes().map(|compute| made(&compute).expect("shapes that fit"));
        near(what, &a, &b);
    }

    #[test]
    fn numbers_go_through_the_same_functions() {
        let x = chance("x", &[7, 10]);
        for activation in [Activation::Silu, Activation::QuickGelu, Activation::GeluTanh, Activation::GeluErf]
        {
            alike("activated", |compute| activated_by(compute, &x, activation));
            alike("gated", |compute| gated_by(compute, &x, activation));
        }
    }

    #[test]
    fn queries_find_the_same_at_once_and_in_turns() {
        let (q, k, v) = (chance("q", &[9, 8]), chance("k", &[9, 8]), chance("v", &[9, 8]));
        let bias = chance("bias", &[2, 9, 9]);
        for scores in [Scores::AsTheyAre, Scores::Causal, Scores::With(&bias)] {
            let all = [&q, &k, &v];
            alike("attention", |compute| either(all, 2, 0.5, scores, compute));
            let whole = attention(all, 2, 0.5, scores).expect("shapes that fit");
            for most in [1, 2 * 9 * 4, 2 * 9 * 9] {
                let turns = attention_in_turns(all, 2, 0.5, scores, most).expect("shapes that fit");
                near("turns", &turns, &whole);
            }
        }
    }

    /// Odd sides, too, which are rounded up, rounded down, and doubled to one less.
    #[test]
    fn pictures_are_convolved_halved_and_doubled_alike() {
        type Made = fn(usize, usize, Vars) -> candle_core::Result<Conv>;
        let kinds: [(&str, Made); 4] = [
            ("same", Conv::new),
            ("pixel", Conv::pixel),
            ("halving", |channels, _, vb| Conv::halving(channels, vb)),
            ("halving after", |channels, _, vb| Conv::halving_after(channels, vb)),
        ];
        for sides in [[6, 8], [7, 5]] {
            let x = chance("picture", &[1, 4, sides[0], sides[1]]);
            for (name, conv) in &kinds {
                let built = |compute: &Compute| {
                    let tensors = [
                        ("weight", chance("weight", &[4, 4, side(name), side(name)])),
                        ("bias", chance("bias", &[4])),
                    ];
                    let tensors =
                        tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into_iter().collect();
                    let vb = candle_nn::VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
                    conv(4, 4, Vars::of(vb, compute.clone()))
                };
                alike(name, |compute| built(compute)?.forward(&x));
                let (channels, beside) =
                    (chance("channels", &[1, 4]), chance("beside", &[1, 4, sides[0], sides[1]]));
                alike(name, |compute| built(compute)?.with(&x, &channels));
                if !name.starts_with("halving") {
                    alike(name, |compute| built(compute)?.beside(&x, &beside));
                    let (rows, columns) = (2 * sides[0] - 1, 2 * sides[1]);
                    alike(name, |compute| built(compute)?.of_doubled(&x, rows, columns));
                }
                assert!(built(&computes()[1]).and_then(|conv| conv.of_doubled(&x, 3, 3)).is_err());
            }
        }
    }

    fn side(kind: &str) -> usize {
        if kind == "pixel" { 1 } else { 3 }
    }
}
