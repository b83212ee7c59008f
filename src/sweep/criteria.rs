//! What a sweep says of an engine, in a few figures.

use serde::Serialize;

use super::{Cell, End};
use crate::quality;

/// How an engine did. `None` where there were too few pictures to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Criteria {
    pub engine: String,
    pub version: String,
    pub pictures: usize,
    pub released: usize,
    /// Control: Spearman's rank correlation of strength and deviation, −1..=1. At 1 more strength always differs more.
    pub control: Option<f64>,
    /// Control: standard deviation of the deviation between seeds of one strength, mean over strengths.
    pub spread: Option<f64>,
    /// Fidelity: distance in style from the reference over that between two halves of it, mean.
    pub style: Option<f64>,
    /// Variety: how much the arrangement differs between two seeds of one strength, 1 − correlation, mean.
    pub variety: Option<f64>,
    pub reads_prompt: bool,
    /// Price: seconds that drawing a picture takes, mean.
    pub seconds: Option<f64>,
    /// Price: energy of the processors meanwhile, watt-hours, mean.
    pub watt_hours: Option<f64>,
}

/// One for each engine, in the order in which they come.
pub fn criteria(cells: &[Cell]) -> Vec<Criteria> {
    let mut engines: Vec<&Cell> = Vec::new();
    for cell in cells {
        if engines.iter().all(|known| known.engine != cell.engine) {
            engines.push(cell);
        }
    }
    let of = |first: &&Cell| {
        let own: Vec<&Cell> = cells.iter().filter(|cell| cell.engine == first.engine).collect();
        one(&own)
    };
    engines.iter().map(of).collect()
}

fn one(cells: &[&Cell]) -> Criteria {
    let engine = &cells[0].engine;
    let measured: Vec<(f64, f64)> =
        cells.iter().filter_map(|cell| Some((cell.strength.value(), cell.deviation?.deviation))).collect();
    let groups = by_strength(cells);
    let spreads = groups.iter().filter_map(|group| {
        deviation_of(&group.iter().filter_map(|cell| Some(cell.deviation?.deviation)).collect::<Vec<_>>())
    });
    let varieties = groups.iter().flat_map(|group| {
        (0..group.len()).flat_map(move |i| (0..i).map(move |j| (i, j))).filter_map(|(i, j)| {
            let (a, b) = (group[i].small.as_ref()?, group[j].small.as_ref()?);
            let alike = (a.width(), a.height(), a.channels()) == (b.width(), b.height(), b.channels());
            alike.then(|| 1.0 - quality::kept(a, b))
        })
    });
    Criteria {
        engine: engine.name.to_owned(),
        version: engine.version.to_owned(),
        pictures: cells.len(),
        released: cells.iter().filter(|cell| matches!(cell.end, End::Released { .. })).count(),
        control: spearman(&measured),
        spread: mean(spreads),
        style: mean(cells.iter().filter_map(|cell| Some(cell.quality?.style))),
        variety: mean(varieties),
        reads_prompt: engine.reads_prompt,
        seconds: mean(cells.iter().filter_map(|cell| cell.seconds)),
        watt_hours: mean(cells.iter().filter_map(|cell| Some(cell.joules? / 3600.0))),
    }
}

fn by_strength<'a>(cells: &[&'a Cell]) -> Vec<Vec<&'a Cell>> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for &cell in cells {
        match groups.iter_mut().find(|group| group[0].strength == cell.strength) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    groups
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Of a sample of at least two.
fn deviation_of(values: &[f64]) -> Option<f64> {
    let centre = mean(values.iter().copied()).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Pearson's correlation of the ranks, where equals share the mean of theirs; `None` where one side does not vary.
fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let ranks = |of: &dyn Fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let rank = |value: f64| {
            let below = pairs.iter().filter(|pair| of(pair) < value).count() as f64;
            let equal = pairs.iter().filter(|pair| of(pair) == value).count() as f64;
            below + (equal + 1.0) / 2.0
        };
        pairs.iter().map(|pair| rank(of(pair))).collect()
    };
    let (x, y) = (ranks(&|pair| pair.0), ranks(&|pair| pair.1));
    let (mx, my) = (mean(x.iter().copied())?, mean(y.iter().copied())?);
    let product = |a: &[f64], ma: f64, b: &[f64], mb: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum()
    };
    let norm = (product(&x, mx, &x, mx) * product(&y, my, &y, my)).sqrt();
    (norm > 0.0).then(|| product(&x, mx, &y, my) / norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_agree_whatever_the_curve_and_equals_share_theirs() {
        let is = |pairs: &[(f64, f64)], expected: Option<f64>| match (spearman(pairs), expected) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{found} {expected}"),
            (found, expected) => assert_eq!(found, expected),
        };
        is(&[(0.1, 1.0), (0.2, 8.0), (0.3, 9.0)], Some(1.0));
        is(&[(0.1, 9.0), (0.2, 8.0), (0.3, 1.0)], Some(-1.0));
        // By hand: ranks 1.5 1.5 3.5 3.5 against 1 2 3 4.
        is(&[(0.1, 1.0), (0.1, 2.0), (0.2, 3.0), (0.2, 4.0)], Some(4.0 / 20.0f64.sqrt()));
        is(&[(0.1, 1.0), (0.1, 2.0)], None);
        is(&[], None);
    }

    #[test]
    fn one_picture_has_no_spread() {
        assert_eq!(deviation_of(&[0.5]), None);
        assert!(deviation_of(&[0.4, 0.6]).is_some_and(|spread| (spread - 0.02f64.sqrt()).abs() < 1e-12));
    }
}
