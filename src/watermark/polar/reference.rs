//! The list decoder as the definition has it, bit by bit, for tests.

use super::list::Path;
use super::{Code, LENGTH};

/// A path in work. The ends of `ratios` and `done` belong to the node in work.
#[derive(Clone)]
struct Slow {
    metric: f32,
    info: u128,
    ratios: Vec<Vec<f32>>,
    done: Vec<Vec<f32>>,
}

/// What `list::paths` is to give.
pub(super) fn paths(code: &Code, llr: &[f32; LENGTH], list: usize) -> Vec<Path> {
    let mut paths = vec![Slow { metric: 0.0, info: 0, ratios: vec![llr.to_vec()], done: vec![] }];
    node(code, 0, LENGTH, list, &mut paths);
    paths.sort_by(|a, b| a.metric.total_cmp(&b.metric));
    paths.into_iter().map(|path| Path { metric: path.metric, info: path.info }).collect()
}

/// Takes the node's ratios off every path and puts its code bits on, as signs.
fn node(code: &Code, first: usize, size: usize, list: usize, paths: &mut Vec<Slow>) {
    if size == 1 {
        let is_info = code.info_bits_in(first, first + 1) == 1;
        let mut choices = vec![];
        for path in &*paths {
            for bit in 0..=usize::from(is_info) {
                let mut next = path.clone();
                let (ratio, sign) =
                    (next.ratios.pop().expect("the walk keeps them in step")[0], [1.0, -1.0][bit]);
                next.metric += (-ratio * sign).max(0.0);
                next.info = (next.info << usize::from(is_info)) | bit as u128;
                next.done.push(vec![sign]);
                choices.push(next);
            }
        }
        choices.sort_by(|a, b| a.metric.total_cmp(&b.metric).then(a.info.cmp(&b.info)));
        choices.truncate(list);
        choices.sort_by_key(|path| path.info);
        *paths = choices;
        return;
    }
    let half = size / 2;
    for path in &mut *paths {
        let (a, b) = path.ratios.last().expect("the walk keeps them in step").split_at(half);
        let left = a.iter().zip(b).map(|(a, b)| a.abs().min(b.abs()) * a.signum() * b.signum()).collect();
        path.ratios.push(left);
    }
    node(code, first, half, list, paths);
    for path in &mut *paths {
        let (node, left) = (
            path.ratios.pop().expect("the walk keeps them in step"),
            path.done.last().expect("the walk keeps them in step"),
        );
        path.ratios.push((0..half).map(|i| node[half + i] + node[i] * left[i]).collect());
    }
    node(code, first + half, half, list, paths);
    for path in &mut *paths {
        let (right, left) = (
            path.done.pop().expect("the walk keeps them in step"),
            path.done.pop().expect("the walk keeps them in step"),
        );
        path.done.push(left.iter().zip(&right).map(|(l, r)| l * r).chain(right.iter().copied()).collect());
    }
}
