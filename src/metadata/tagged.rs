//! Directories of TIFF files (TIFF 6.0, section 2), which EXIF is in small, and the XMP packet in the first one (tag 700;
//! XMP part 3, section 1.1.6).
//!
//! Classic TIFF alone, of either byte order; the 64-bit kind is left as it is. A file may say anything here: every offset
//! is checked.

/// The tag of an XMP packet, and its type: bytes.
const XMP: u16 = 700;
const BYTE: u16 = 1;
/// Types of what leads to another directory.
const LONG: u16 = 4;
const DIRECTORY: u16 = 13;
/// Bytes of an entry of a directory: tag, type, count, and the value or where it is.
const ENTRY: usize = 12;

/// A file that begins as a TIFF.
pub(super) struct Tagged<'a> {
    bytes: &'a [u8],
    pub order: Order,
}

impl<'a> Tagged<'a> {
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let order = match bytes.get(..4)? {
            b"II*\0" => Order::Little,
            b"MM\0*" => Order::Big,
            _ => return None,
        };
        Some(Tagged { bytes, order })
    }

    /// Where the first directory is.
    pub fn first(&self) -> Option<usize> {
        self.order.long(self.bytes, 4)
    }

    /// What the directory at `at` holds, as far as it is there.
    pub fn entries(&self, at: usize) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.each(self.listed(at).unwrap_or_default())
    }

    fn each(&self, entries: &'a [u8]) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (bytes, order) = (self.bytes, self.order);
        entries.chunks_exact(ENTRY).map(move |entry| Entry { bytes, order, entry })
    }

    /// The packet that is there.
    pub fn xmp(&self) -> Option<&'a [u8]> {
        let (entries, _) = self.directory()?;
        self.each(entries).find(|entry| entry.tag() == Some(XMP))?.value()
    }

    /// The file with `packet` as its XMP. Packet and a new first directory are put behind the rest, which stays where
    /// it is.
    pub fn with_xmp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (entries, next) = self.directory()?;
        let order = self.order;
        let mut out = self.bytes.to_vec();
        let at = place(&mut out, packet)?;
        let mut added: Vec<u8> = Vec::with_capacity(ENTRY);
        added.extend([XMP, BYTE].iter().flat_map(|v| order.two(*v)));
        added.extend(order.four(u32::try_from(packet.len()).ok()?));
        added.extend(order.four(at));
        // In the order of their tags.
        let before =
            entries.chunks_exact(ENTRY).take_while(|e| order.short(e, 0).is_some_and(|tag| tag < XMP));
        let (before, after) = entries.split_at(before.count() * ENTRY);
        let count = u16::try_from(entries.len() / ENTRY + 1).ok()?;
        let directory = [&order.two(count)[..], before, &added, after, next].concat();
        let at = place(&mut out, &directory)?;
        out.get_mut(4..8)?.copy_from_slice(&order.four(at));
        Some(out)
    }

    /// The entries of the first directory, all of them, and where the next one is.
    fn directory(&self) -> Option<(&'a [u8], &'a [u8])> {
        let at = self.first()?;
        let entries = self.listed(at)?;
        let next = at.checked_add(2 + entries.len())?;
        let whole = entries.len() == usize::from(self.order.short(self.bytes, at)?) * ENTRY;
        Some((entries, self.bytes.get(next..next.checked_add(4)?)?)).filter(|_| whole)
    }

    fn listed(&self, at: usize) -> Option<&'a [u8]> {
        let length = usize::from(self.order.short(self.bytes, at)?) * ENTRY;
        let rest = self.bytes.get(at.checked_add(2)?..)?;
        Some(&rest[..length.min(rest.len())])
    }
}

/// One line of a directory.
pub(super) struct Entry<'a> {
    bytes: &'a [u8],
    order: Order,
    entry: &'a [u8],
}

impl<'a> Entry<'a> {
    pub fn tag(&self) -> Option<u16> {
        self.order.short(self.entry, 0)
    }

    /// Where the directory is that the entry leads to.
    pub fn leads_to(&self) -> Option<usize> {
        matches!(self.order.short(self.entry, 2)?, LONG | DIRECTORY)
            .then(|| self.order.long(self.entry, 8))?
    }

    /// What has one byte each: bytes, text, and what is undefined. What is no longer than an offset stands in its place.
    pub fn value(&self) -> Option<&'a [u8]> {
        if !matches!(self.order.short(self.entry, 2)?, BYTE | 2 | 7) {
            return None;
        }
        let length = self.order.long(self.entry, 4)?;
        if length <= 4 {
            return self.entry.get(8..8 + length);
        }
        let at = self.order.long(self.entry, 8)?;
        self.bytes.get(at..at.checked_add(length)?)
    }
}

/// Of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        let two = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self == Order::Little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    }

    fn long(self, bytes: &[u8], at: usize) -> Option<usize> {
        let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let value = if self == Order::Little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
        usize::try_from(value).ok()
    }

    fn two(self, value: u16) -> [u8; 2] {
        if self == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn four(self, value: u32) -> [u8; 4] {
        if self == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

/// Puts `bytes` behind `out`, at an even place as the format wants it, and says where.
fn place(out: &mut Vec<u8>, bytes: &[u8]) -> Option<u32> {
    if out.len() % 2 == 1 {
        out.push(0);
    }
    let at = u32::try_from(out.len()).ok()?;
    out.extend_from_slice(bytes);
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two entries, 256 and 40000, and no second directory.
    fn file(order: Order) -> Vec<u8> {
        let mut out = if order == Order::Little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        out.extend(order.four(9));
        // The directory stands at an odd place, which some writers do.
        out.push(7);
        out.extend(order.two(2));
        for tag in [256, 40_000] {
            out.extend([tag, 4].iter().flat_map(|v| order.two(*v)));
            out.extend([1, 77].iter().flat_map(|v| order.four(*v)));
        }
        out.extend(order.four(0));
        out
    }

    #[test]
    fn a_packet_is_read_back_and_the_tags_stay_sorted_in_both_byte_orders() {
        for order in [Order::Little, Order::Big] {
            let plain = file(order);
            let tiff = Tagged::open(&plain).expect("it begins as one");
            assert_eq!(tiff.xmp(), None);
            let marked = tiff.with_xmp(b"a packet").expect("it is whole");
            let marked = Tagged::open(&marked).expect("it begins as one");
            assert_eq!(marked.xmp(), Some(&b"a packet"[..]));
            let (entries, next) = marked.directory().expect("it is whole");
            let tags: Vec<_> = entries.chunks_exact(ENTRY).filter_map(|e| order.short(e, 0)).collect();
            assert_eq!((tags.as_slice(), next), (&[256, 700, 40_000][..], &[0; 4][..]));
        }
    }

    #[test]
    fn what_is_cut_off_has_no_packet_and_takes_none() {
        let whole = file(Order::Little);
        let marked = Tagged::open(&whole).and_then(|tiff| tiff.with_xmp(b"a packet")).expect("it is whole");
        for length in 0..whole.len() {
            let cut = Tagged::open(&whole[..length]);
            assert!(cut.is_none_or(|tiff| tiff.with_xmp(b"a packet").is_none()), "{length}");
        }
        for length in 0..marked.len() {
            assert!(Tagged::open(&marked[..length]).is_none_or(|tiff| tiff.xmp().is_none()), "{length}");
        }
    }

    #[test]
    fn numbers_that_lead_beyond_the_file_are_harmless() {
        let mut lying =
            Tagged::open(&file(Order::Little)).and_then(|t| t.with_xmp(b"a packet")).expect("whole");
        let at = lying.len() - 4 - 2 * ENTRY;
        for field in [4, 8] {
            let kept = lying.clone();
            lying[at + field..at + field + 4].copy_from_slice(&[0xff; 4]);
            assert_eq!(Tagged::open(&lying).and_then(|tiff| tiff.xmp()), None, "{field}");
            lying = kept;
        }
        for offset in [u32::MAX, 0, 3] {
            lying[4..8].copy_from_slice(&offset.to_le_bytes());
            assert_eq!(Tagged::open(&lying).and_then(|tiff| tiff.xmp()), None, "{offset}");
        }
    }
}
