//! A vote for the pictures that a part of another one may come from: what a hash of the whole cannot tell. Each
//! keypoint's description has one voice.

use rayon::prelude::*;

use super::keypoints::{Keypoints, NUMBERS, posed};
use super::working::{luma_over_white, working};
use crate::raster::Raster;
use crate::simd::{self, Kernel};

/// Strongest features that are kept of a picture.
const MOST: usize = 300;

type Feature = [u8; NUMBERS];

/// The local features of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(Vec<Feature>);

/// The features of `raster`, strongest first, at most 300.
pub fn features(raster: &Raster) -> Features {
    let Keypoints { points, descriptions } = Keypoints::of(&working(&luma_over_white(raster)));
    let described = descriptions.iter().map(|description| description.map(|number| number as u8));
    let mut all: Vec<(f32, Feature)> = points.iter().map(|point| point.contrast).zip(described).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all.truncate(MOST);
    Features(all.into_iter().map(|(_, feature)| feature).collect())
}

/// How much speaks for each of `others` that a part of the picture comes from it; 0 for nothing. A feature votes for
/// the picture that has its like, by how much less alike the likest of any other picture is.
pub fn votes(picture: &Features, others: &[Features]) -> Vec<f32> {
    /// What one feature may say at most.
    const LOUDEST: f32 = 3.0;
    /// Unlikeness that rounding accounts for.
    const ROUNDING: f32 = 0.004;
    let cast = |feature: &Feature| {
        let likeness = Likenesses { poses: &poses(feature), others };
        let (mut first, mut second) = ((0.0f32, 0), 0.0f32);
        for (index, value) in simd::run(likeness).into_iter().enumerate() {
            if value > first.0 {
                (second, first) = (first.0, (value, index));
            } else {
                second = second.max(value);
            }
        }
        let vote = (1.0 - second).max(0.0) / ((1.0 - first.0).max(0.0) + ROUNDING) - 1.0;
        (first.1, vote.clamp(0.0, LOUDEST))
    };
    let ballots: Vec<(usize, f32)> = picture.0.par_iter().map(cast).collect();
    let mut votes = vec![0.0; others.len()];
    for (index, vote) in ballots {
        if let Some(sum) = votes.get_mut(index) {
            *sum += vote;
        }
    }
    votes
}

impl Features {
    /// 64 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.as_flattened().to_vec()
    }

    /// `None` for what `to_bytes` did not give.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (features, rest) = bytes.as_chunks::<NUMBERS>();
        (rest.is_empty() && features.len() <= MOST).then(|| Features(features.to_vec()))
    }
}

/// The best likeness of a feature, in any of four poses, to one of each other picture.
struct Likenesses<'a> {
    poses: &'a [Feature; 4],
    others: &'a [Features],
}

impl Kernel for Likenesses<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self) -> Vec<f32> {
        let mut best = Vec::with_capacity(self.others.len());
        for other in self.others {
            let mut most = 0u32;
            for feature in &other.0 {
                for pose in self.poses {
                    let mut sum = 0u32;
                    for (a, b) in pose.iter().zip(feature) {
                        sum += u32::from(u16::from(*a) * u16::from(*b));
                    }
                    most = most.max(sum);
                }
            }
            best.push(most as f32 / (255.0 * 255.0));
        }
        best
    }
}

/// A feature as it is, turned by half, mirrored, and both.
fn poses(feature: &Feature) -> [Feature; 4] {
    [(false, false), (false, true), (true, false), (true, true)]
        .map(|(mirrored, turned)| posed(feature, mirrored, turned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;
    use crate::raster::{Depth, Plane};
    use crate::specimen::{Colour, Kind, Specimen};

    fn specimen(kind: Kind, seed: u64) -> Raster {
        let specimen = Specimen { kind, width: 320, height: 256, seed: Seed(seed), colour: Colour::Grey };
        specimen.render().expect("a size in range")
    }

    /// `whole` with a part of `from` pasted in: turned by a quarter, mirrored, in other tones.
    fn pasted(whole: &Raster, from: &Raster, side: usize) -> Raster {
        let (whole, from) = (whole.luma(), from.luma());
        let plane = Plane::from_fn(whole.width(), whole.height(), |x, y| {
            match (x.checked_sub(40), y.checked_sub(30)) {
                (Some(u), Some(v)) if u < side && v < side => 1.0 - from.at(60 + v, 50 + u).powf(1.4),
                _ => whole.at(x, y),
            }
        });
        Raster::from_planes(&[plane], Depth::Eight)
    }

    #[test]
    fn a_part_of_one_of_many_pictures_is_traced_to_it() {
        let kinds = [Kind::Adenovirus, Kind::Influenza, Kind::Filovirus, Kind::Bullet];
        let pictures: Vec<Raster> = (0..32).map(|n| specimen(kinds[n % 4], n as u64)).collect();
        let known: Vec<Features> = pictures.iter().map(features).collect();
        let mut first = 0;
        for source in 8..24 {
            let whole = specimen(kinds[(source / 4) % 4], 500 + source as u64);
            let made = pasted(&whole, &pictures[source], 110);
            let votes = votes(&features(&made), &known);
            let place = votes.iter().filter(|vote| **vote > votes[source]).count();
            first += usize::from(place == 0);
            assert!(place < 4, "source {source} came in place {place}: {votes:?}");
        }
        assert!(first >= 14, "{first} of 16 came first");
    }

    #[test]
    fn features_are_kept_whole_and_what_is_not_theirs_is_told() {
        let found = features(&specimen(Kind::Adenovirus, 1));
        assert!(found.0.len() > 50, "{}", found.0.len());
        assert_eq!(Features::from_bytes(&found.to_bytes()), Some(found));
        assert_eq!(Features::from_bytes(&[0; 65]), None);
        assert_eq!(Features::from_bytes(&[0; 64 * (MOST + 1)]), None);
        let blank = Raster::from_planes(&[Plane::from_fn(64, 64, |_, _| 0.5)], Depth::Eight);
        assert_eq!(features(&blank), Features(Vec::new()));
        assert_eq!(votes(&features(&blank), &[features(&blank)]), [0.0]);
        assert_eq!(votes(&features(&specimen(Kind::Bullet, 2)), &[]), [0.0; 0]);
    }
}
