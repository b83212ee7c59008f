//! A watermark proves itself before it leaves: levels and strengths are tried until one holds.

use super::error::ReleaseError;
use super::order::Desk;
use crate::raster::{self, Encoding, Limits, Raster};
use crate::watermark::{self, Copy, Key, Keyring, Level, Payload, Quality};

/// PSNR of the watermark in dB, when the picture can carry it at that.
pub const MARK_PSNR_DB: f64 = 42.0;
/// Between one attempt and the next, down to the policy's limit.
const PSNR_STEP_DB: f64 = 1.0;
/// The strongest mark that can be made, in dB: a policy may allow more.
const STRONGEST_DB: f64 = 34.0;

/// A marked picture that was read back.
pub(super) struct Proof {
    pub level: Level,
    pub psnr_db: f64,
    /// Encoded.
    pub file: Vec<u8>,
    /// Decoded again.
    pub raster: Raster,
}

/// The first attempt whose mark survives what the world does to pictures; failing that, the best of those
/// whose mark is read from the encoded output and from a fair JPEG copy.
pub(super) fn prove(
    draft: &Raster,
    payload: &Payload,
    encoding: Encoding,
    desk: &Desk<'_>,
) -> Result<Proof, ReleaseError> {
    let owner = Key::new(desk.keys.watermark_key());
    let keys = Keyring { public: &Key::public(), owner: Some(&owner) };
    let least_db = desk.policy.limits().min_psnr_db.max(STRONGEST_DB);
    let mut last = (Level::Long, f64::NAN);
    let mut unread = Copy::Itself;
    let mut best: Option<(Rank, Proof)> = None;
    for (level, quality) in attempts(least_db) {
        let message = payload.message(level);
        let embedded = watermark::embed(draft, &message, keys, quality)?;
        if last == (level, embedded.psnr_db) {
            continue; // The adaptive mark came out at the usual strength.
        }
        last = (level, embedded.psnr_db);
        let file = raster::encode_as(&embedded.raster, encoding)?;
        let raster = raster::decode(&file, &Limits::default())?.raster;
        let proof = Proof { level, psnr_db: embedded.psnr_db, file, raster };
        let Err(copy) = watermark::survives(&proof.raster, &message, keys) else { return Ok(proof) };
        match rank(level, copy) {
            None => unread = copy,
            Some(rank) if best.as_ref().is_none_or(|(other, _)| rank > *other) => best = Some((rank, proof)),
            Some(_) => {}
        }
    }
    best.map(|(_, proof)| proof).ok_or(ReleaseError::Unmarkable { psnr_db: last.1, copy: unread })
}

/// How good an attempt is that was not read from `copy`: copies are tried in the order of their declaration,
/// so the later the better; of two that failed alike, the short level, which says less, is heard further.
type Rank = (Copy, bool);

/// `None` for a mark that cannot be used at all.
fn rank(level: Level, copy: Copy) -> Option<Rank> {
    (copy > Copy::FairJpeg).then_some((copy, level == Level::Short))
}

/// What is tried, in this order; never under `least_db`.
fn attempts(least_db: f64) -> Vec<(Level, Quality)> {
    let usual_db = MARK_PSNR_DB.max(least_db);
    let mut attempts = Vec::new();
    // An adaptive mark may be as strong as 42 dB, which a strict policy forbids.
    if usual_db == MARK_PSNR_DB {
        attempts.push((Level::Long, Quality::Adaptive));
    }
    attempts.push((Level::Long, Quality::Fixed(usual_db)));
    let mut psnr_db = usual_db;
    while psnr_db > least_db {
        attempts.push((Level::Short, Quality::Fixed(psnr_db)));
        psnr_db -= PSNR_STEP_DB;
    }
    attempts.push((Level::Short, Quality::Fixed(least_db)));
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(least_db: f64) -> Vec<(Level, Option<f64>)> {
        let fixed = |quality| match quality {
            Quality::Fixed(psnr_db) => Some(psnr_db),
            Quality::Adaptive => None,
        };
        attempts(least_db).into_iter().map(|(level, quality)| (level, fixed(quality))).collect()
    }

    #[test]
    fn the_message_shrinks_before_the_mark_grows_and_the_policy_sets_the_end() {
        use Level::{Long, Short};
        let first = [(Long, None), (Long, Some(42.0)), (Short, Some(42.0))];
        assert_eq!(tried(42.0), first);
        let more = [(Short, Some(41.0)), (Short, Some(40.0)), (Short, Some(39.5))];
        assert_eq!(tried(39.5), [&first[..], &more].concat());
    }

    #[test]
    fn a_policy_stricter_than_usual_gets_no_stronger_mark() {
        assert_eq!(tried(44.5), [(Level::Long, Some(44.5)), (Level::Short, Some(44.5))]);
    }

    #[test]
    fn the_attempt_that_fails_latest_is_the_best_and_one_that_fails_at_once_is_none() {
        use Level::{Long, Short};
        assert_eq!((rank(Short, Copy::Itself), rank(Long, Copy::FairJpeg)), (None, None));
        assert!(rank(Long, Copy::Smaller) > rank(Short, Copy::Jpeg));
        assert!(rank(Short, Copy::Cropped) > rank(Long, Copy::Cropped));
    }
}
