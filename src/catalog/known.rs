//! Looking for pictures by their looks: every fingerprint in memory, every one compared.
//!
//! A scan is exact, and at the distances that matter here an index would come down to one. Fingerprints are
//! read once by each process, in the order of their numbers, and what is added later is read when it is next
//! looked for.

use std::cell::RefCell;
use std::collections::BinaryHeap;

use rusqlite::params;

use super::model::{Near, Role};
use super::read::blob;
use super::{Catalog, CatalogError, sqlite};
use crate::deviation::Fingerprint;
use crate::simd::{self, Kernel};

/// References that a draft is held against for their looks. The schema holds the same number.
pub const NEAREST: usize = 8;

/// Number, fingerprint; then asset and quality of a number.
const KNOWN: [&str; 2] = [
    "SELECT number, fingerprint FROM known WHERE role = ?1 AND number > ?2 ORDER BY number",
    "SELECT asset, fingerprint_quality FROM known WHERE role = ?1 AND number = ?2",
];

/// The same of outputs in a catalog of version 1, which is read as it is. It numbers no references: `?1` is
/// for them to match nothing.
const RELEASED: [&str; 2] = [
    "SELECT number, fingerprint FROM (SELECT row_number() OVER (ORDER BY l.event) AS number, a.fingerprint \
     FROM release l JOIN asset a ON a.id = l.output) WHERE ?1 = 'output' AND number > ?2 ORDER BY number",
    "SELECT a.id, a.fingerprint_quality FROM release l JOIN asset a ON a.id = l.output WHERE ?1 = 'output' \
     ORDER BY l.event LIMIT 1 OFFSET ?2 - 1",
];

impl Catalog {
    /// The `count` pictures of `role` whose fingerprints are nearest to any of `variants` (the eight symmetries
    /// of a picture, then their inversions), nearest first, but for those that are `known` otherwise.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn nearest(
        &self,
        role: Role,
        variants: &[Fingerprint; 16],
        count: usize,
        known: &[String],
    ) -> Result<Vec<Near>, CatalogError> {
        let [all, one] = self.listed()?;
        let mut fingerprints = self.known[role as usize].borrow_mut();
        self.read_newer(&mut fingerprints, role, all)?;
        let mut found = Vec::new();
        // Those that are known otherwise take the place of others at most.
        for (distance, number) in fingerprints.nearest(variants, count + known.len()) {
            let picture = self.one(one, params![role.name(), number as i64], |row| {
                Ok(Near { number, asset: row.get(0)?, quality: row.get(1)?, distance })
            })?;
            found.extend(picture.filter(|near| found.len() < count && !known.contains(&near.asset)));
        }
        Ok(found)
    }

    /// The number of the newest reference; 0 where there is none.
    pub fn newest_reference(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT coalesce(max(number), 0) FROM known WHERE role = 'reference'";
        let newest = self.db.query_row(sql, [], |row| row.get::<_, i64>(0));
        newest.map(|number| number as u64).map_err(sqlite(&self.path(), "read"))
    }

    /// Everything that `asset` comes from: its references, theirs, and the outputs that any of them are copies
    /// of; the nearest of kin first.
    pub fn ancestors(&self, asset: &str) -> Result<Vec<String>, CatalogError> {
        let mut found = vec![asset.to_owned()];
        let mut next = 0;
        let sql = "SELECT reference FROM derivation WHERE output = ?1 \
                   UNION SELECT copy_of FROM asset WHERE id = ?1 AND copy_of IS NOT NULL ORDER BY 1";
        while let Some(id) = found.get(next) {
            for parent in self.many(sql, [id.clone()], |row| row.get::<_, String>(0))? {
                if !found.contains(&parent) {
                    found.push(parent);
                }
            }
            next += 1;
        }
        found.remove(0);
        Ok(found)
    }

    /// The fingerprint of `asset` as it was recorded.
    pub fn fingerprint(&self, asset: &str) -> Result<Option<[u8; 32]>, CatalogError> {
        self.one("SELECT fingerprint FROM asset WHERE id = ?", [asset], |row| blob(row, 0))
    }

    /// Where fingerprints stand in this version of the schema.
    fn listed(&self) -> Result<[&'static str; 2], CatalogError> {
        Ok(if self.compares()? { KNOWN } else { RELEASED })
    }

    fn read_newer(&self, into: &mut Fingerprints, role: Role, sql: &str) -> Result<(), CatalogError> {
        let mut work = || -> rusqlite::Result<()> {
            let mut query = self.db.prepare_cached(sql)?;
            let mut rows = query.query(params![role.name(), into.count as i64])?;
            while let Some(row) = rows.next()? {
                let number: i64 = row.get(0)?;
                if number != into.count as i64 + 1 {
                    return Err(rusqlite::Error::IntegralValueOutOfRange(0, number));
                }
                into.push(&blob(row, 1)?);
            }
            Ok(())
        };
        work().map_err(sqlite(&self.path(), "read"))
    }
}

/// One list for each role.
pub(super) type Known = [RefCell<Fingerprints>; 2];

/// Pictures that are compared at once.
const LANES: usize = 16;
/// Blocks between one look at the distances and the next.
const STRIDE: usize = 256;

/// Word w of [`LANES`] fingerprints, for each w.
type Block = [[u64; LANES]; 4];

/// Fingerprints by their numbers, from 1 on.
#[derive(Default)]
pub(super) struct Fingerprints {
    blocks: Vec<Block>,
    count: usize,
}

impl Fingerprints {
    pub fn push(&mut self, fingerprint: &[u8; 32]) {
        let lane = self.count % LANES;
        if lane == 0 {
            self.blocks.push([[0; LANES]; 4]);
        }
        if let Some(block) = self.blocks.last_mut() {
            for (word, value) in block.iter_mut().zip(words(fingerprint)) {
                word[lane] = value;
            }
        }
        self.count += 1;
    }

    /// Distance and number of the nearest `count`, nearest first, older ones before newer ones.
    pub fn nearest(&self, variants: &[Fingerprint; 16], count: usize) -> Vec<(u32, u64)> {
        // An inverted picture has the complement of the bits: eight are enough.
        let variants: [[u64; 4]; 8] = std::array::from_fn(|i| words(&variants[i].bits));
        let mut distances = [[0; LANES]; STRIDE];
        let mut best: BinaryHeap<(u32, u64)> = BinaryHeap::with_capacity(count + 1);
        for (stride, blocks) in self.blocks.chunks(STRIDE).enumerate() {
            simd::run(Distances { blocks, variants: &variants, out: &mut distances });
            let first = (stride * STRIDE * LANES) as u64 + 1;
            for (number, distance) in (first..=self.count as u64).zip(distances.as_flattened()) {
                let one = (u32::from(*distance), number);
                if best.len() < count {
                    best.push(one);
                } else if best.peek().is_some_and(|worst| one < *worst) {
                    best.pop();
                    best.push(one);
                }
            }
        }
        best.into_sorted_vec()
    }
}

/// Least distances of pictures from any variant or its complement.
struct Distances<'a> {
    blocks: &'a [Block],
    variants: &'a [[u64; 4]; 8],
    out: &'a mut [[u16; LANES]],
}

impl Kernel for Distances<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (block, out) in self.blocks.iter().zip(self.out) {
            let mut least = [u16::MAX; LANES];
            for variant in self.variants {
                let mut bits = [0u64; LANES];
                for (word, value) in block.iter().zip(variant) {
                    for (bits, word) in bits.iter_mut().zip(word) {
                        *bits += u64::from((word ^ value).count_ones());
                    }
                }
                for (least, bits) in least.iter_mut().zip(bits) {
                    let distance = bits as u16;
                    *least = (*least).min(distance.min(256 - distance));
                }
            }
            *out = least;
        }
    }
}

fn words(bits: &[u8; 32]) -> [u64; 4] {
    let (words, _) = bits.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(words[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn fingerprint(seed: u64) -> [u8; 32] {
        let stream = Stream::new(seed, "fingerprint");
        std::array::from_fn(|i| stream.bits(i as u64) as u8)
    }

    fn variants(seed: u64) -> [Fingerprint; 16] {
        std::array::from_fn(|i| {
            let bits = fingerprint(seed + i as u64 % 8);
            Fingerprint { bits: if i < 8 { bits } else { bits.map(|byte| !byte) }, quality: 100 }
        })
    }

    #[test]
    fn the_nearest_are_those_of_a_plain_search_whatever_the_number() {
        let variants = variants(1_000_000);
        for count in [0, 1, 15, 16, 17, 5000] {
            let mut known = Fingerprints::default();
            let mut plain = Vec::new();
            for number in 1..=count {
                let one = Fingerprint { bits: fingerprint(number), quality: 100 };
                known.push(&one.bits);
                let distance = variants.iter().map(|variant| variant.hamming(&one)).min().expect("sixteen");
                plain.push((distance, number));
            }
            plain.sort();
            plain.truncate(8);
            assert_eq!(known.nearest(&variants, 8), plain, "{count}");
        }
    }

    #[test]
    fn inverted_and_equal_pictures_are_at_distance_nothing_and_the_older_one_is_first() {
        let variants = variants(5);
        let mut known = Fingerprints::default();
        for bits in [fingerprint(99), variants[3].bits, variants[12].bits, variants[0].bits] {
            known.push(&bits);
        }
        let found = known.nearest(&variants, 3);
        assert_eq!(found, [(0, 2), (0, 3), (0, 4)]);
    }
}
