//! Products of pairs of 16 bits, beside those of the numbers that they were rounded from.

use proptest::prelude::*;

use super::*;

/// Of sums of products, whose factors are rounded by 1/512 at most: those of the usual size, with room for the largest of
/// many.
const OFF_BY_ROUNDING: f64 = 0.02;

/// Rounded to 16 bits.
fn halved(numbers: &[f32]) -> Vec<f32> {
    numbers.iter().map(|x| Pair::of(*x, 0.0).wide()[0]).collect()
}

/// As the instruction of x86 sums it.
fn sum_of_pairs(x: &[f32], w: &[f32]) -> f32 {
    let two = |two: &[f32]| Pair::of(two[0], two.get(1).copied().unwrap_or_default()).wide();
    x.chunks(2).zip(w.chunks(2)).fold(0.0, |sum, (x, w)| {
        let ([a, b], [c, d]) = (two(x), two(w));
        sum + b * d + a * c
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// To the bit, on every unit.
    #[test]
    fn products_of_pairs_are_those_of_plain_loops(rows in 1usize..40, depth in 1usize..1200, columns in 1usize..80) {
        let (x, w) = (numbers("x", rows * depth), numbers("w", columns * depth));
        let strides = Strides { row: depth, term: 1 };
        let (left, right) = (Lefts::<Pair>::of(&x, rows, depth, strides), Rights::of(&w, columns, depth, strides, 1.0));
        let mut made = vec![1.0; rows * columns];
        product(&left, &right, &mut made, 0, columns, Onto::There);
        let mut expected = vec![1.0f32; rows * columns];
        for (i, sum) in expected.iter_mut().enumerate() {
            let (x, w) = (&x[i / columns * depth..][..depth], &w[i % columns * depth..][..depth]);
            for (x, w) in x.chunks(2 * tile::DEPTH).zip(w.chunks(2 * tile::DEPTH)) {
                *sum += sum_of_pairs(x, w);
            }
        }
        prop_assert!(made.iter().zip(&expected).all(|(m, e)| m.to_bits() == e.to_bits()));
        let exact = |i: usize| {
            1.0 + (0..depth).map(|k| f64::from(x[i / columns * depth + k]) * f64::from(w[i % columns * depth + k])).sum::<f64>()
        };
        let exact: Vec<f64> = (0..rows * columns).map(exact).collect();
        prop_assert!(off(&made, &exact, (depth as f64).sqrt()) < OFF_BY_ROUNDING);
    }

    #[test]
    fn columns_are_packed_to_pairs_as_rows_are(rows in 1usize..40, depth in 1usize..70, step in 1usize..3) {
        let x = numbers("x", rows * depth * step);
        let of = |i: usize, k: usize| x[(i * depth + k) * step];
        let by_columns: Vec<f32> = (0..depth).flat_map(|k| (0..rows).map(move |i| (i, k))).map(|(i, k)| of(i, k)).collect();
        let all: Vec<f32> = (0..rows * depth).map(|i| of(i / depth, i % depth)).collect();
        let plain = Rights::<Pair>::of(&all, rows, depth, Strides { row: depth, term: 1 }, 0.7);
        let wide = Rights::<Pair>::of(&x, rows, depth, Strides { row: depth * step, term: step }, 0.7);
        let turned = Rights::<Pair>::of(&by_columns, rows, depth, Strides { row: 1, term: rows }, 0.7);
        for i in 0..rows.div_ceil(plain.width()) {
            prop_assert!(plain.panel(i) == wide.panel(i) && plain.panel(i) == turned.panel(i));
            for (at, pair) in plain.panel(i).iter().enumerate() {
                let (k, row) = (2 * (at / plain.width()), i * plain.width() + at % plain.width());
                let number = |k: usize| if k < depth && row < rows { of(row, k) * 0.7 } else { 0.0 };
                prop_assert_eq!(*pair, Pair::of(number(k), number(k + 1)));
            }
        }
    }

    #[test]
    fn convolutions_of_pairs_are_those_of_plain_loops(
        inputs in 1usize..9, outputs in 1usize..27, height in 1usize..20, width in 1usize..40, kind in 0usize..4
    ) {
        let (side, steps) = CONVOLUTIONS[kind];
        let shape = [outputs, inputs, side];
        let (x, weight) = (numbers("x", inputs * height * width), numbers("w", outputs * inputs * side * side));
        let picture = Picture { numbers: &x, height, width };
        let usual = ((inputs * side * side) as f64).sqrt();
        let expected = plain_convolution(&picture, &weight, shape, steps);
        let mut made = vec![0.0; expected.len()];
        convolve(picture, &Filters::<Pair>::of(&weight, shape), steps, &mut made);
        prop_assert!(made.is_empty() || off(&made, &expected, usual) < OFF_BY_ROUNDING);
        // Of numbers that are rounded before, nothing is lost but in sums.
        let (x, weight) = (halved(&x), halved(&weight));
        let picture = Picture { numbers: &x, height, width };
        let expected = plain_convolution(&picture, &weight, shape, steps);
        let mut made = vec![0.0; expected.len()];
        convolve(picture, &Filters::<Pair>::of(&weight, shape), steps, &mut made);
        prop_assert!(made.is_empty() || off(&made, &expected, usual) < 1e-6);
        if kind == 0 && inputs >= 7 {
            let mut made = vec![0.0; expected.len()];
            winograd::convolve(picture, &Filters::<Pair>::of(&weight, shape), &mut made);
            prop_assert!(off(&made, &expected, usual) < 1e-5, "{:e}", off(&made, &expected, usual));
        }
    }

    #[test]
    fn attention_by_pairs_is_that_of_plain_loops(
        heads in 1usize..4, width in 1usize..50, queries in 1usize..70, keys in 1usize..600, kind in 0usize..3
    ) {
        let columns = heads * width;
        let [q, k, v] = [("q", queries), ("k", keys), ("v", keys)].map(|(name, count)| halved(&numbers(name, count * columns)));
        let scores = numbers("bias", heads * keys * queries);
        let bias = [Bias::Nothing, Bias::Causal, Bias::Scores(&scores)][kind];
        let expected = plain_attention([&q, &k, &v], [heads, width, queries, keys], 0.25, |h, i, j| match bias {
            Bias::Nothing => 0.0,
            Bias::Causal => if j > i { f64::NEG_INFINITY } else { 0.0 },
            Bias::Scores(bias) => f64::from(bias[(h * keys + j) * queries + i]),
        });
        let sides = [heads, width];
        let all = [tokens(&q, queries, sides), tokens(&k, keys, sides), tokens(&v, keys, sides)];
        let made = attention::<Pair>(all, sides, 0.25, bias);
        // What is rounded are the shares alone, by 1/512 of each at most.
        prop_assert!(off(&made, &expected, 0.3) < 1.0 / 256.0, "{:e}", off(&made, &expected, 0.3));
    }
}

#[test]
fn pairs_are_rounded_to_the_nearest_and_to_even_ones() {
    // By hand: eight bits of mantissa, of which one is not stored.
    for (x, expected) in [
        (1.0, 1.0),
        (1.0 + 1.0 / 256.0, 1.0),
        (1.003_907, 1.007_812_5),
        (1.011_718_8, 1.015_625),
        (-1.003_907, -1.007_812_5),
        (f32::MAX, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
        (0.0, 0.0),
    ] {
        assert_eq!(Pair::of(x, 0.0).wide(), [expected, 0.0], "{x}");
        assert_eq!(Pair::of(0.5, x).wide(), [0.5, expected], "{x}");
    }
    let lost = f32::from_bits(0x7fff_ffff);
    assert!(Pair::of(lost, -lost).wide().iter().all(|x| x.is_nan()), "what is no number stays none");
}

/// The vectors' own rounding is that of single numbers.
#[test]
fn vectors_are_paired_as_numbers_are() {
    let mut x = numbers("x", 640);
    x[..6].copy_from_slice(&[f32::INFINITY, f32::MAX, -1.003_906_2, 0.0, -0.0, 1e-30]);
    for count in [64, 61] {
        let planes = Pair::planes(&x[..2 * count], count);
        assert!((0..count).all(|i| planes[i] == Pair::of(x[i], x[count + i])));
    }
    let odd = Pair::planes(&x[..3 * 64], 64);
    assert!((0..64).all(|i| odd[64 + i] == Pair::of(x[128 + i], 0.0)));
}
