//! Attention that never holds all of its scores.

use candle_core::Tensor;

use super::kernels::{self, Bias, Pair, Tokens};
use super::numbers::{Numbers, tensor};
use super::{Compute, Linear, Precision, tensors};

/// What is added to scores.
#[derive(Clone, Copy)]
pub enum Scores<'a> {
    AsTheyAre,
    /// A query sees only the keys up to its own place.
    Causal,
    /// These are added: (heads, keys, queries).
    With(&'a Tensor),
}

/// softmax(scale·q·kᵀ + bias)·v of every head, heads beside one another: (queries, heads·width), from as many columns of
/// queries, keys and values.
pub fn attention(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    scale: f64,
    scores: Scores,
    compute: &Compute,
) -> candle_core::Result<Tensor> {
    let ((queries, columns), (keys, others), (values, passed)) = (q.dims2()?, k.dims2()?, v.dims2()?);
    if heads == 0 || !columns.is_multiple_of(heads) || [others, passed] != [columns; 2] || keys != values {
        candle_core::bail!(
            "{heads} heads in {columns} columns of queries, {others} of keys, {passed} of values"
        );
    }
    if let Scores::With(bias) = scores
        && bias.dims3()? != (heads, keys, queries)
    {
        candle_core::bail!("a bias of another shape: {:?}", bias.dims());
    }
    let precision = match compute {
        Compute::Kernels(precision) => *precision,
        Compute::Tensors(..) => return tensors::attention([q, k, v], heads, scale, scores),
    };
    let width = columns / heads;
    let [q, k, v] = [q.contiguous()?, k.contiguous()?, v.contiguous()?];
    let [q, k, v] = [Numbers::of(&q)?, Numbers::of(&k)?, Numbers::of(&v)?];
    let tokens = |numbers, count| Tokens { numbers, count, head: width, token: columns };
    let all = [tokens(&*q, queries), tokens(&*k, keys), tokens(&*v, keys)];
    let seen = |bias| seen(all, [heads, width], scale, bias, precision);
    let made = match scores {
        Scores::AsTheyAre => seen(Bias::Nothing),
        Scores::Causal => seen(Bias::Causal),
        Scores::With(bias) => {
            let bias = bias.contiguous()?;
            seen(Bias::Scores(&Numbers::of(&bias)?))
        }
    };
    tensor(made, (queries, columns))
}

fn seen(all: [Tokens; 3], sides: [usize; 2], scale: f64, bias: Bias, precision: Precision) -> Vec<f32> {
    match precision {
        Precision::F32 => kernels::attention::<f32>(all, sides, scale as f32, bias),
        Precision::Bf16 => kernels::attention::<Pair>(all, sides, scale as f32, bias),
    }
}

/// Queries, keys and values beside one another, (tokens, 3·heads·width), which `linear` makes of `x` with its first
/// outputs, `columns` of them: each head's queries and keys brought to a mean square of 1, times `scales`, and turned by
/// the angles of their tokens, whose cosines and sines are (tokens, width/2).
pub fn turned(
    linear: &Linear,
    x: &Tensor,
    columns: usize,
    scales: [&Tensor; 2],
    epsilon: f64,
    [cos, sin]: [&Tensor; 2],
) -> candle_core::Result<Tensor> {
    let (tokens, width) = (x.dim(0)?, scales[0].elem_count());
    let whole = columns.is_multiple_of(3 * width.max(1));
    if !whole || cos.dims2()? != (tokens, width / 2) || sin.dims() != cos.dims() {
        candle_core::bail!("{columns} columns of {tokens} tokens for heads of {width}");
    }
    if let Compute::Tensors(..) = linear.compute() {
        return tensors::turned(&linear.outputs(x, 0..columns)?, scales, epsilon, [cos, sin]);
    }
    let (cos, sin) = (cos.contiguous()?, sin.contiguous()?);
    linear.finished(x, 0..columns, |made| {
        let [queries, keys] = scales.map(Numbers::of);
        kernels::turn(made, [&*queries?, &*keys?], epsilon, [&*Numbers::of(&cos)?, &*Numbers::of(&sin)?]);
        Ok(())
    })
}

/// Attention of all tokens to all, from queries, keys and values beside one another, (tokens, 3·heads·width).
pub fn attention_of_all(
    all: &Tensor,
    heads: usize,
    scale: f64,
    compute: &Compute,
) -> candle_core::Result<Tensor> {
    let (count, columns) = all.dims2()?;
    if heads == 0 || !columns.is_multiple_of(3 * heads) {
        candle_core::bail!("{heads} heads in {columns} columns");
    }
    let precision = match compute {
        Compute::Kernels(precision) => *precision,
        Compute::Tensors(..) => {
            let part = |i: usize| all.narrow(1, i * columns / 3, columns / 3);
            let (q, k, v) = (part(0)?, part(1)?, part(2)?);
            return tensors::attention([&q, &k, &v], heads, scale, Scores::AsTheyAre);
        }
    };
    let all = all.contiguous()?;
    let (numbers, width) = (Numbers::of(&all)?, columns / 3 / heads);
    let part = |i: usize| {
        let numbers = &numbers[(i * columns / 3).min(numbers.len())..];
        Tokens { numbers, count, head: width, token: columns }
    };
    let made = seen([0, 1, 2].map(part), [heads, width], scale, Bias::Nothing, precision);
    tensor(made, (count, columns / 3))
}
