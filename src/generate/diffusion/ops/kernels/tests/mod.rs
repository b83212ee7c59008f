mod pairs;

use proptest::prelude::*;

use super::*;
use crate::random::Stream;

fn numbers(name: &str, count: usize) -> Vec<f32> {
    let stream = Stream::new(11, name);
    (0..count as u64).map(|i| stream.normal(i) as f32).collect()
}

/// The largest difference over the largest value, which is `usual` at least: few numbers may all be small by chance.
fn off(found: &[f32], expected: &[f64], usual: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let far = most(&mut found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs()));
    far / most(&mut expected.iter().map(|e| e.abs())).max(usual)
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}

fn plain_convolution(
    x: &Picture,
    weight: &[f32],
    [outputs, inputs, side]: [usize; 3],
    steps: Steps,
) -> Vec<f64> {
    let filters = Filters::<f32>::of(weight, [outputs, inputs, side]);
    let [height, width] = steps.sides([x.height, x.width], &filters);
    let at = |channel: usize, y: isize, x_at: isize| {
        let inside = (0..x.height as isize).contains(&y) && (0..x.width as isize).contains(&x_at);
        let index = |(y, x_at): (usize, usize)| (channel * x.height + y) * x.width + x_at;
        if inside { f64::from(x.numbers[index((y as usize, x_at as usize))]) } else { 0.0 }
    };
    let mut made = Vec::new();
    for (o, y, x_at) in
        (0..outputs).flat_map(|o| (0..height).flat_map(move |y| (0..width).map(move |x| (o, y, x))))
    {
        let mut sum = 0.0;
        for (c, i, j) in
            (0..inputs).flat_map(|c| (0..side).flat_map(move |i| (0..side).map(move |j| (c, i, j))))
        {
            let from = |at: usize, place: usize| (at * steps.stride + place) as isize - steps.before as isize;
            let weight = f64::from(weight[((o * inputs + c) * side + i) * side + j]);
            sum += at(c, from(y, i), from(x_at, j)) * weight;
        }
        made.push(sum);
    }
    made
}

fn plain_attention(
    [q, k, v]: [&[f32]; 3],
    [heads, width, queries, keys]: [usize; 4],
    scale: f64,
    bias: impl Fn(usize, usize, usize) -> f64,
) -> Vec<f64> {
    let columns = heads * width;
    let mut made = vec![0.0; queries * columns];
    for (h, i) in (0..heads).flat_map(|h| (0..queries).map(move |i| (h, i))) {
        let of = |x: &[f32], token: usize, t: usize| f64::from(x[token * columns + h * width + t]);
        let score =
            |j: usize| (0..width).map(|t| of(q, i, t) * of(k, j, t)).sum::<f64>() * scale + bias(h, i, j);
        let scores: Vec<f64> = (0..keys).map(score).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        for t in 0..width {
            let found: f64 = shares.iter().enumerate().map(|(j, share)| share * of(v, j, t)).sum();
            made[i * columns + h * width + t] = found / sum;
        }
    }
    made
}

fn tokens(numbers: &[f32], count: usize, [heads, width]: [usize; 2]) -> Tokens<'_> {
    Tokens { numbers, count, head: width, token: heads * width }
}

/// Sides of the filters of our models, and their steps.
const CONVOLUTIONS: [(usize, Steps); 4] = [
    (3, Steps { stride: 1, before: 1, behind: 1 }),
    (3, Steps { stride: 2, before: 1, behind: 1 }),
    (3, Steps { stride: 2, before: 0, behind: 1 }),
    (1, Steps { stride: 1, before: 0, behind: 0 }),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_are_those_of_plain_loops(rows in 1usize..40, depth in 1usize..600, columns in 1usize..80, from in 0usize..3) {
        let (x, w) = (numbers("x", rows * depth), numbers("w", columns * depth));
        let strides = Strides { row: depth, term: 1 };
        let (left, right) = (Lefts::<f32>::of(&x, rows, depth, strides), Rights::of(&w, columns, depth, strides, 1.0));
        let start = (from * right.width()).min(columns / right.width() * right.width());
        let mut made = vec![1.0; rows * (columns - start)];
        product_of_some(&left, &right, start..columns, &mut made, 0, columns - start, Onto::There);
        let sum = |i: usize, j: usize| {
            1.0 + (0..depth).map(|k| f64::from(x[i * depth + k]) * f64::from(w[j * depth + k])).sum::<f64>()
        };
        let expected: Vec<f64> = (0..rows).flat_map(|i| (start..columns).map(move |j| (i, j))).map(|(i, j)| sum(i, j)).collect();
        // The errors of a sum in single precision grow as its terms, what it comes to as their root.
        let usual = (depth as f64).sqrt();
        prop_assert!(made.is_empty() || off(&made, &expected, usual) < f64::from(f32::EPSILON) * (1.0 + usual));
    }

    #[test]
    fn convolutions_are_those_of_plain_loops(
        inputs in 1usize..9, outputs in 1usize..27, height in 1usize..20, width in 1usize..40, kind in 0usize..4
    ) {
        let (side, steps) = CONVOLUTIONS[kind];
        let shape = [outputs, inputs, side];
        let (x, weight) = (numbers("x", inputs * height * width), numbers("w", outputs * inputs * side * side));
        let x = Picture { numbers: &x, height, width };
        let usual = ((inputs * side * side) as f64).sqrt();
        let expected = plain_convolution(&x, &weight, shape, steps);
        let filters = Filters::<f32>::of(&weight, shape);
        let mut made = vec![0.0; expected.len()];
        convolve(x, &filters, steps, &mut made);
        prop_assert!(made.is_empty() || off(&made, &expected, usual) < 1e-6);
        if kind == 0 && inputs >= 4 {
            let mut made = vec![0.0; expected.len()];
            winograd::convolve(x, &filters, &mut made);
            prop_assert!(off(&made, &expected, usual) < 1e-5, "{:e}", off(&made, &expected, usual));
        }
    }

    #[test]
    fn attention_is_that_of_plain_loops(
        heads in 1usize..4, width in 1usize..50, queries in 1usize..70, keys in 1usize..600, kind in 0usize..3
    ) {
        let columns = heads * width;
        let (q, k, v) = (numbers("q", queries * columns), numbers("k", keys * columns), numbers("v", keys * columns));
        let scores = numbers("bias", heads * keys * queries);
        let bias = [Bias::Nothing, Bias::Causal, Bias::Scores(&scores)][kind];
        let expected = plain_attention([&q, &k, &v], [heads, width, queries, keys], 0.3, |h, i, j| match bias {
            Bias::Nothing => 0.0,
            Bias::Causal => if j > i { f64::NEG_INFINITY } else { 0.0 },
            Bias::Scores(bias) => f64::from(bias[(h * keys + j) * queries + i]),
        });
        let sides = [heads, width];
        let all = [tokens(&q, queries, sides), tokens(&k, keys, sides), tokens(&v, keys, sides)];
        let made = attention::<f32>(all, sides, 0.3, bias);
        prop_assert!(off(&made, &expected, 0.3) < 3e-6, "{:e}", off(&made, &expected, 0.3));
    }

    #[test]
    fn biases_are_added_once(rows in 1usize..20, depth in 1usize..600, columns in 1usize..80) {
        let (x, w, bias) = (numbers("x", rows * depth), numbers("w", columns * depth), numbers("bias", columns));
        let strides = Strides { row: depth, term: 1 };
        let (left, right) = (Lefts::<f32>::of(&x, rows, depth, strides), Rights::of(&w, columns, depth, strides, 1.0));
        let of = |onto: Onto| {
            let mut made = bias.repeat(rows);
            product(&left, &right, &mut made, 0, columns, onto);
            made
        };
        prop_assert_eq!(of(Onto::Columns(&bias)), of(Onto::There));
        let alone = of(Onto::Nothing);
        let sums: Vec<f64> = alone.iter().zip(bias.repeat(rows)).map(|(x, bias)| f64::from(*x) + f64::from(bias)).collect();
        prop_assert!(off(&of(Onto::There), &sums, (depth as f64).sqrt()) < 1e-6);
        let sum = (0..depth).map(|k| f64::from(x[k]) * f64::from(w[k])).sum::<f64>();
        prop_assert!(off(&[dot(&x[..depth], &w[..depth])], &[sum], (depth as f64).sqrt()) < 1e-6);
    }

    #[test]
    fn norms_are_those_of_plain_loops(own in 1usize..5, groups in 1usize..4, pixels in 1usize..9000, mean in -30.0f32..30.0) {
        let channels = own * groups;
        let x: Vec<f32> = numbers("x", channels * pixels).iter().map(|x| x + mean).collect();
        let (scale, shift) = (numbers("scale", channels), numbers("shift", channels));
        let made = group_norm(&x, [groups, pixels], [&scale, &shift], 1e-5, Some(Activation::Silu));
        let mut expected = Vec::new();
        for (i, group) in wide(&x).chunks(own * pixels).enumerate() {
            let mean = group.iter().sum::<f64>() / group.len() as f64;
            let variance = group.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / group.len() as f64;
            for (j, x) in group.iter().enumerate() {
                let channel = i * own + j / pixels;
                let normal = (x - mean) / (variance + 1e-5).sqrt() * f64::from(scale[channel]) + f64::from(shift[channel]);
                expected.push(normal / (1.0 + (-normal).exp()));
            }
        }
        // Where all numbers are nearly one, their spread is lost in f32 before it is asked for.
        prop_assert!(channels * pixels < 64 || off(&made, &expected, 1.0) < 1e-5, "{:e}", off(&made, &expected, 1.0));
    }

    #[test]
    fn rows_are_normed_as_by_plain_loops(rows in 1usize..5, width in 2usize..700, layer in any::<bool>()) {
        let x = numbers("x", rows * width);
        let (scale, shift) = (numbers("scale", width), numbers("shift", width));
        let (kind, shift) = if layer { (Kind::Layer, Some(shift.as_slice())) } else { (Kind::RootMeanSquare, None) };
        let made = row_norm(&x, &scale, shift, 1e-6, kind);
        let mut expected = Vec::new();
        for row in wide(&x).chunks(width) {
            let mean = if layer { row.iter().sum::<f64>() / width as f64 } else { 0.0 };
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let normal = |(i, x): (usize, &f64)| {
                (x - mean) / (variance + 1e-6).sqrt() * f64::from(scale[i]) + shift.map_or(0.0, |shift| f64::from(shift[i]))
            };
            expected.extend(row.iter().enumerate().map(normal));
        }
        prop_assert!(off(&made, &expected, 1.0) < 2e-6, "{:e}", off(&made, &expected, 1.0));
    }
}

/// By a series whose terms are all positive.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    sum * (-x * x).exp() * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn activations_are_what_they_are_called_everywhere() {
    let x: Vec<f32> =
        (-4001..4000).map(|i| i as f32 / 400.0).chain([1e30, -1e30, f32::MAX, 0.0, -50.0, 50.0]).collect();
    let tangent =
        |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
    let cases: [(Activation, &dyn Fn(f64) -> f64); 4] = [
        (Activation::Silu, &|x| x / (1.0 + (-x).exp())),
        (Activation::QuickGelu, &|x| x / (1.0 + (-1.702 * x).exp())),
        (Activation::GeluTanh, &tangent),
        (Activation::GeluErf, &|x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt()))),
    ];
    for (activation, expected) in cases {
        let mut made = x.clone();
        activate(&mut made, activation);
        for (x, made) in x.iter().zip(&made) {
            let expected = expected(f64::from(*x));
            let off = (f64::from(*made) - expected).abs() / expected.abs().max(1.0);
            assert!(off < 5e-7, "{activation:?} of {x}: {made} {expected}");
        }
        let rows: Vec<f32> = numbers("rows", 2 * 2 * 37);
        let gated = gated(&rows, 37, activation);
        let mut gate: Vec<f32> = rows[37..74].to_vec();
        activate(&mut gate, activation);
        assert!((0..37).all(|i| gated[i] == rows[i] * gate[i]));
        let mut lost = [f32::NAN; 3];
        activate(&mut lost, activation);
        assert!(lost.iter().all(|x| x.is_nan()), "what is no number stays none");
    }
}

#[test]
fn all_numbers_of_threads_give_the_same_bits() {
    let (channels, side, heads, width, count) = (40, 37, 3, 24, 300);
    let x = numbers("picture", channels * side * side);
    let weight = numbers("filters", 50 * channels * 9);
    let (filters, pairs) =
        (Filters::<f32>::of(&weight, [50, channels, 3]), Filters::<Pair>::of(&weight, [50, channels, 3]));
    let [q, k, v] = ["q", "k", "v"].map(|name| numbers(name, count * heads * width));
    let all = || {
        let picture = Picture { numbers: &x, height: side, width: side };
        let mut made = vec![0.5; 50 * side * side];
        convolve(picture, &filters, Steps { stride: 1, before: 1, behind: 1 }, &mut made);
        let mut halved = vec![0.5; 50 * 19 * 19];
        convolve(picture, &filters, Steps { stride: 2, before: 1, behind: 1 }, &mut halved);
        let sides = [heads, width];
        let tokens = [&q, &k, &v].map(|x| tokens(x, count, sides));
        let seen = attention::<f32>(tokens, sides, 0.2, Bias::Nothing);
        let seen_by_pairs = attention::<Pair>(tokens, sides, 0.2, Bias::Nothing);
        let mut made_by_pairs = vec![0.5; 50 * side * side];
        let mut by_winograd = vec![0.5; 50 * side * side];
        winograd::convolve(picture, &pairs, &mut by_winograd);
        let mut halved_by_pairs = vec![0.5; 50 * 19 * 19];
        convolve(picture, &pairs, Steps { stride: 2, before: 1, behind: 1 }, &mut halved_by_pairs);
        convolve(picture, &pairs, Steps { stride: 1, before: 1, behind: 1 }, &mut made_by_pairs);
        let ones = vec![1.0; channels];
        let normed = group_norm(&x, [4, side * side], [&ones, &ones], 1e-5, Some(Activation::GeluErf));
        let normed_rows = row_norm(&q, &q[..width], None, 1e-5, Kind::RootMeanSquare);
        [made, halved, seen, made_by_pairs, by_winograd, halved_by_pairs, seen_by_pairs, normed, normed_rows]
            .concat()
            .iter()
            .map(|x| x.to_bits())
            .collect::<Vec<_>>()
    };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(all)
    };
    let one = on(1);
    assert!(one == on(2) && one == on(8));
}

#[test]
fn queries_and_keys_are_normed_and_turned_and_values_are_not() {
    let (heads, width, tokens) = (2, 4, 3);
    let before = numbers("rows", tokens * 3 * heads * width);
    let [scale_q, scale_k] = ["scale q", "scale k"].map(|name| numbers(name, width));
    let angles = numbers("angles", tokens * width / 2);
    let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
    let mut rows = before.clone();
    turn(&mut rows, [&scale_q, &scale_k], 1e-6, [&cos, &sin]);
    let columns = 3 * heads * width;
    let mut expected = wide(&before);
    for (token, row) in expected.chunks_mut(columns).enumerate() {
        for (i, head) in row.chunks_mut(width).enumerate().take(2 * heads) {
            let scale = if i < heads { &scale_q } else { &scale_k };
            let root = (head.iter().map(|x| x * x).sum::<f64>() / width as f64 + 1e-6).sqrt();
            for pair in 0..width / 2 {
                let of = |j: usize| head[2 * pair + j] / root * f64::from(scale[2 * pair + j]);
                let (a, b, angle) = (of(0), of(1), f64::from(angles[token * width / 2 + pair]));
                (head[2 * pair], head[2 * pair + 1]) =
                    (a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos());
            }
        }
    }
    assert!(off(&rows, &expected, 1.0) < 1e-6);
}

/// The other tests once more, by what older machines have.
#[test]
fn older_units_compute_the_same() {
    let program = std::env::current_exe().expect("this test's own");
    for unit in [vector::UP_TO_AVX512, vector::UP_TO_AVX2, vector::PLAIN] {
        let tests = module_path!().split_once("::").expect("below the crate").1;
        let run = std::process::Command::new(&program).args([tests, unit, "--skip", "older_units"]).output();
        let run = run.expect("it starts");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("all_numbers_of_threads"), "on {unit}: {said}");
    }
}
