//! Attention that never holds all of its scores.

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;
use rayon::prelude::*;

/// Scores that one thread has at a time.
const SCORES: usize = 1 << 20;

/// softmax(scale·q·kᵀ + bias)·v of every head, heads beside one another: (queries, heads·width) from `q` as
/// (heads, queries, width), `k` and `v` as (heads, keys, width), `bias` as (heads, queries, keys).
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    bias: Option<&Tensor>,
) -> candle_core::Result<Tensor> {
    let (heads, queries, _) = q.dims3()?;
    let rows = (SCORES / k.dim(1)?.max(1)).clamp(1, queries.max(1));
    let q = (q * scale)?;
    let of_head = |head: usize| {
        let (q, k, v) = (q.get(head)?, k.get(head)?.t()?, v.get(head)?);
        let of_rows = |start: usize| {
            let count = rows.min(queries - start);
            let mut scores = q.narrow(0, start, count)?.matmul(&k)?;
            if let Some(bias) = bias {
                scores = (scores + bias.get(head)?.narrow(0, start, count)?)?;
            }
            softmax_last_dim(&scores)?.matmul(&v)
        };
        let parts = (0..queries).step_by(rows).map(of_rows);
        Tensor::cat(&parts.collect::<candle_core::Result<Vec<_>>>()?, 0)
    };
    let all = (0..heads).into_par_iter().map(of_head).collect::<candle_core::Result<Vec<_>>>()?;
    Tensor::cat(&all, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use candle_core::Device;

    fn numbers(name: &str, shape: (usize, usize, usize)) -> Tensor {
        let stream = Stream::new(9, name);
        let count = (shape.0 * shape.1 * shape.2) as u64;
        let numbers: Vec<f32> = (0..count).map(|i| stream.normal(i) as f32).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).expect("as many")
    }

    /// So many keys that a part has some queries only.
    #[test]
    fn in_parts_it_is_what_it_is_as_a_whole() {
        let (heads, queries, keys, width) = (2, 300, 5000, 8);
        let q = numbers("q", (heads, queries, width));
        let [k, v] = ["k", "v"].map(|name| numbers(name, (heads, keys, width)));
        let bias = numbers("bias", (heads, queries, keys));
        let found = attention(&q, &k, &v, 0.3, Some(&bias)).expect("shapes that fit");
        let whole = || {
            let scores = ((q.matmul(&k.t()?)? * 0.3)? + &bias)?;
            softmax_last_dim(&scores)?.matmul(&v)?.transpose(0, 1)?.reshape((queries, heads * width))
        };
        let expected: Tensor = whole().expect("shapes that fit");
        let off = (found - expected).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("alike");
        assert!(off < 1e-5, "{off}");
    }
}
