//! Queries and keys, normed and turned by their places.

use rayon::prelude::*;

/// Rows of queries, keys and values of all heads: each head's queries and keys are brought to a mean square of 1, times
/// their scale, and each pair of numbers is turned by the angle of its token.
pub fn turn(rows: &mut [f32], scales: [&[f32]; 2], epsilon: f64, [cos, sin]: [&[f32]; 2]) {
    let (width, half) = (scales[0].len(), scales[0].len() / 2);
    let tokens = cos.len() / half.max(1);
    let columns = rows.len() / tokens.max(1);
    let all =
        rows.par_chunks_mut(columns.max(1)).zip(cos.par_chunks(half.max(1))).zip(sin.par_chunks(half.max(1)));
    all.for_each(|((row, cos), sin)| {
        for (part, scale) in row.chunks_exact_mut((columns / 3).max(1)).zip(scales) {
            for head in part.chunks_exact_mut(width.max(1)) {
                let squares: f64 = head.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
                let inverse = (1.0 / (squares / width as f64 + epsilon).sqrt()) as f32;
                let pairs = head.as_chunks_mut::<2>().0.iter_mut().zip(scale.as_chunks::<2>().0);
                for (([x, y], [by_x, by_y]), (cos, sin)) in pairs.zip(cos.iter().zip(sin)) {
                    let (a, b) = (*x * inverse * by_x, *y * inverse * by_y);
                    (*x, *y) = (a * cos - b * sin, a * sin + b * cos);
                }
            }
        }
    });
}
