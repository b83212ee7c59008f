//! Families of pictures, and what the measure says of each against its reference.

use std::error::Error;
use std::time::Instant;

use vidimus::deviation::measure;
use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Engine, Request};
use vidimus::progress::Silent;
use vidimus::quantity::{Deviation, Seed, Strength};
use vidimus::raster::{Kernel, Plane, Raster, resize};

use crate::evasions::{self, Evasion, Made};

/// A reference, and pictures of the same style that show other things.
pub struct Subject {
    pub name: String,
    pub reference: Raster,
    pub others: Vec<Raster>,
}

/// What is done to the subjects.
pub struct Deeds {
    pub evasions: [Evasion; 17],
    /// What parts are weakened by.
    pub weakened: [Evasion; 5],
    /// The turn of parts that are not pasted as they are, in degrees.
    pub turn: f32,
    /// Whether evasions are also tried in pairs.
    pub pairs: bool,
    /// Draws of our engine at each strength.
    pub seeds: std::ops::RangeInclusive<u64>,
}

/// What a policy should do with a family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Should {
    Refuse,
    Pass,
    /// Depends on the policy.
    Either,
}

pub struct Family {
    pub name: String,
    pub should: Should,
    pub members: Vec<Member>,
}

pub struct Member {
    pub name: String,
    /// What the engine itself took from one place in one piece, as a share of the picture; none where no engine drew.
    pub largest_copy: Option<f64>,
    pub deviation: Deviation,
    pub seconds: f64,
}

impl Member {
    fn of(subject: &Subject, how: &str, picture: &Raster) -> Result<Member, Box<dyn Error>> {
        let start = Instant::now();
        let deviation = measure(&subject.reference, picture)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Member { name: format!("{}: {how}", subject.name), largest_copy: None, deviation, seconds })
    }
}

/// Shares of the area that are pasted into other content, as is or turned; and those of them that are weakened, too.
const PASTED: [f32; 5] = [0.05, 0.1, 0.2, 0.3, 0.5];
const WEAKENED: [f32; 3] = [0.05, 0.1, 0.2];
/// Strengths that our engine is asked for: from 0.8 on the arrangement is meant to be new.
const STRENGTHS: [f64; 8] = [0.45, 0.55, 0.6, 0.65, 0.75, 0.8, 0.85, 1.0];

pub fn all(subjects: &[Subject], deeds: &Deeds) -> Result<Vec<Family>, Box<dyn Error>> {
    let mut all = vec![alone(subjects, deeds)?];
    if deeds.pairs {
        all.push(in_pairs(subjects, deeds)?);
    }
    for share in PASTED {
        all.push(pasted(subjects, share, deeds.turn)?);
    }
    for share in WEAKENED {
        all.push(weakened(subjects, share, &deeds.weakened)?);
    }
    for strength in STRENGTHS {
        all.push(drawn(subjects, strength, deeds)?);
    }
    all.push(unrelated(subjects)?);
    Ok(all)
}

fn alone(subjects: &[Subject], deeds: &Deeds) -> Result<Family, Box<dyn Error>> {
    family("copies, one evasion", Should::Refuse, subjects, |subject| {
        deeds
            .evasions
            .iter()
            .map(|(name, evade)| Ok(((*name).to_owned(), evade(&subject.reference)?)))
            .collect()
    })
}

fn in_pairs(subjects: &[Subject], deeds: &Deeds) -> Result<Family, Box<dyn Error>> {
    family("copies, two evasions", Should::Refuse, subjects, |subject| {
        let mut made = Vec::new();
        for (i, (first, one)) in deeds.evasions.iter().enumerate() {
            let once = one(&subject.reference)?;
            for (second, two) in &deeds.evasions[i + 1..] {
                made.push((format!("{first}, {second}"), two(&once)?));
            }
        }
        Ok(made)
    })
}

fn pasted(subjects: &[Subject], share: f32, turn: f32) -> Result<Family, Box<dyn Error>> {
    let name = format!("{:.0} % copied into other content", 100.0 * share);
    family(&name, Should::Refuse, subjects, |subject| {
        let turned = evasions::turned(&subject.reference, turn);
        let both = [("as is".to_owned(), &subject.reference), (format!("turned by {turn}°"), &turned)];
        let into = subject.others.iter().take(3).zip(1..);
        into.flat_map(|(other, i)| both.each_ref().map(|(how, from)| (how.clone(), i, *from, other)))
            .map(|(how, i, from, other)| Ok((format!("{how} into other {i}"), paste(from, other, share)?)))
            .collect()
    })
}

/// Parts that were weakened before they were pasted, and pictures weakened with the part in them.
fn weakened(subjects: &[Subject], share: f32, deeds: &[Evasion]) -> Result<Family, Box<dyn Error>> {
    let name = format!("{:.0} % copied and weakened", 100.0 * share);
    family(&name, Should::Refuse, subjects, |subject| {
        let mut made = Vec::new();
        for (other, i) in subject.others.iter().take(3).zip(1..) {
            let whole = paste(&subject.reference, other, share)?;
            for (how, weaken) in deeds {
                let before = paste(&weaken(&subject.reference)?, other, share)?;
                made.push((format!("{how}, into other {i}"), before));
                made.push((format!("into other {i}, then {how}"), weaken(&whole)?));
            }
        }
        Ok(made)
    })
}

/// `other` at the size of `from`, with the middle of `from`, a `share` of the area, off its middle.
fn paste(from: &Raster, other: &Raster, share: f32) -> Made {
    let (width, height) = (from.width() as usize, from.height() as usize);
    let (w, h) = ((width as f32 * share.sqrt()) as usize, (height as f32 * share.sqrt()) as usize);
    let (left, top) = ((width - w) / 2, (height - h) / 2);
    let (to_left, to_top) = (left / 2, top / 2);
    let planes: Vec<Plane> = from
        .planes()
        .iter()
        .zip(other.planes().iter().cycle())
        .map(|(from, other)| {
            let other = resize(other, width, height, Kernel::Cubic);
            Plane::from_fn(width, height, |x, y| {
                let inside = (to_left..to_left + w).contains(&x) && (to_top..to_top + h).contains(&y);
                if inside {
                    from.at(x + left - to_left, y + top - to_top)
                } else {
                    other.at(x, y).clamp(0.0, 1.0)
                }
            })
        })
        .collect();
    Ok(Raster::from_planes(&planes, from.depth()))
}

fn drawn(subjects: &[Subject], strength: f64, deeds: &Deeds) -> Result<Family, Box<dyn Error>> {
    let should = if strength >= 0.6 { Should::Pass } else { Should::Either };
    let name = format!("our engine at {strength}");
    let strength = Strength::new(strength).ok_or("a strength is 0 to 1")?;
    let mut members = Vec::new();
    for subject in subjects {
        for seed in deeds.seeds.clone() {
            let request = Request::new(strength, Seed(seed));
            let draft = PatchEngine.generate(&subject.reference, &request, &mut Silent)?;
            let member = Member::of(subject, &format!("seed {seed}"), &draft.raster)?;
            members.push(Member { largest_copy: draft.record.largest_copy_stated(), ..member });
        }
    }
    eprintln!("{name}: {}", members.len());
    Ok(Family { name, should, members })
}

fn unrelated(subjects: &[Subject]) -> Result<Family, Box<dyn Error>> {
    family("unrelated, same style", Should::Pass, subjects, |subject| {
        Ok(subject.others.iter().zip(1..).map(|(other, i)| (format!("other {i}"), other.clone())).collect())
    })
}

fn family(
    name: &str,
    should: Should,
    subjects: &[Subject],
    make: impl Fn(&Subject) -> Result<Vec<(String, Raster)>, Box<dyn Error>>,
) -> Result<Family, Box<dyn Error>> {
    let mut members = Vec::new();
    for subject in subjects {
        for (how, picture) in make(subject)? {
            members.push(Member::of(subject, &how, &picture)?);
        }
    }
    eprintln!("{name}: {}", members.len());
    Ok(Family { name: name.to_owned(), should, members })
}
