//! Connected sets of pixels.

/// Which pixels touch one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touching {
    /// Those that share an edge.
    Edges,
    /// Those that share an edge or a corner.
    Corners,
}

/// The connected sets of the pixels that are `inside` a picture of `width` × `height`, which are numbered row by row.
pub fn sets(
    (width, height): (usize, usize),
    touching: Touching,
    inside: impl Fn(usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut seen = vec![false; width * height];
    let mut found = Vec::new();
    let mut open = Vec::new();
    for start in 0..seen.len() {
        if seen[start] || !inside(start) {
            continue;
        }
        seen[start] = true;
        open.push(start);
        let mut own = Vec::new();
        while let Some(at) = open.pop() {
            own.push(at);
            let (x, y) = (at % width, at / width);
            for j in y.saturating_sub(1)..(y + 2).min(height) {
                for i in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = j * width + i;
                    let touches = touching == Touching::Corners || i == x || j == y;
                    if touches && !seen[next] && inside(next) {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        found.push(own);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_join_what_edges_do_not() {
        let mask = b"#.#.\
                     .#..\
                     ##.#";
        let found = |touching| {
            let mut sets = sets((4, 3), touching, |at| mask[at] == b'#');
            sets.iter_mut().for_each(|set| set.sort_unstable());
            sets
        };
        assert_eq!(found(Touching::Edges), [vec![0], vec![2], vec![5, 8, 9], vec![11]]);
        assert_eq!(found(Touching::Corners), [vec![0, 2, 5, 8, 9], vec![11]]);
    }
}
