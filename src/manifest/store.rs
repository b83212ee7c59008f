//! Manifest stores as bytes: boxes of JUMBF, each its length, its type and its content.

/// The store that holds the active manifest of `store` alone: the last one (C2PA 2.2, section 11.1.4.2). `None` for bytes
/// that are no store.
pub fn active_alone(store: &[u8]) -> Option<Vec<u8>> {
    let (whole, rest) = unboxed(store, b"jumb")?;
    if !rest.is_empty() {
        return None;
    }
    let (_, mut manifests) = unboxed(whole, b"jumd")?;
    let description = &whole[..whole.len() - manifests.len()];
    let mut active = None;
    while !manifests.is_empty() {
        let (_, after) = unboxed(manifests, b"jumb")?;
        active = Some(&manifests[..manifests.len() - after.len()]);
        manifests = after;
    }
    let active = active?;
    let length = u32::try_from(8 + description.len() + active.len()).ok()?;
    Some([&length.to_be_bytes(), b"jumb".as_slice(), description, active].concat())
}

/// The content of the box that `bytes` begin with, if it is of this kind, and what follows it.
fn unboxed<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<(&'a [u8], &'a [u8])> {
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    if length < 8 || bytes.get(4..8)? != kind {
        return None;
    }
    Some((bytes.get(8..length)?, &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(8 + content.len() as u32).to_be_bytes(), kind.as_slice(), content].concat()
    }

    #[test]
    fn the_last_manifest_stands_alone_in_its_store() {
        let description = boxed(b"jumd", b"c2pa");
        let (one, two) = (boxed(b"jumb", b"one"), boxed(b"jumb", b"two"));
        let store = boxed(b"jumb", &[description.clone(), one, two.clone()].concat());
        assert_eq!(active_alone(&store), Some(boxed(b"jumb", &[description, two].concat())));
    }

    #[test]
    fn what_is_no_store_gives_nothing() {
        let empty = boxed(b"jumb", &boxed(b"jumd", b"c2pa"));
        let long = [boxed(b"jumb", &empty), vec![0]].concat();
        for bytes in [&b""[..], b"jumb", &[0; 8], &empty, &long, &[255; 20]] {
            assert_eq!(active_alone(bytes), None);
        }
    }
}
