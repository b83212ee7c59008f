use super::*;

/// A file with an array of names, an alignment, and two tensors: (2, 32) of Q8_0, and 3 numbers of F32 64 bytes on.
struct Sample {
    version: u32,
    settings: Vec<(&'static str, u32, Vec<u8>)>,
    tensors: Vec<(&'static str, Vec<u64>, u32, u64)>,
    data: usize,
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

impl Sample {
    fn new() -> Sample {
        let mut words = STRING.to_le_bytes().to_vec();
        words.extend(2u64.to_le_bytes());
        text(&mut words, "a");
        text(&mut words, "virion");
        Sample {
            version: 3,
            settings: vec![
                ("tokenizer.ggml.tokens", ARRAY, words),
                ("general.alignment", U32, 64u32.to_le_bytes().to_vec()),
            ],
            tensors: vec![("w", vec![32, 2], 8, 0), ("b", vec![3], 0, 128)],
            data: 140,
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.settings.len() as u64).to_le_bytes());
        for (name, kind, value) in &self.settings {
            text(&mut bytes, name);
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        for (name, sides, kind, offset) in &self.tensors {
            text(&mut bytes, name);
            bytes.extend((sides.len() as u32).to_le_bytes());
            bytes.extend(sides.iter().flat_map(|side| side.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes
    }

    fn file(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(64) + self.data, 0);
        bytes
    }
}

fn opened(bytes: &[u8]) -> Result<BTreeMap<String, Stored>, String> {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let path = dir.path().join("t.gguf");
    std::fs::write(&path, bytes).expect("a new file");
    let opened = open(&path).map(|(_, tensors)| tensors).map_err(|e| e.to_string());
    if let Err(line) = &opened {
        assert!(line.contains("t.gguf: ") && !line.contains('\n'), "{line}");
    }
    opened
}

#[test]
fn sides_are_turned_round_and_data_are_where_the_alignment_puts_them() {
    for version in [2, 3] {
        let sample = Sample { version, ..Sample::new() };
        let data = sample.header().len().next_multiple_of(64) as u64;
        let found = opened(&sample.file()).expect("a sound file");
        let (w, b) = (&found["w"], &found["b"]);
        assert_eq!((w.dtype.as_str(), w.shape.as_slice()), ("Q8_0", &[2, 32][..]));
        assert_eq!(w.data_offsets, (data, data + 2 * 34));
        assert_eq!((b.dtype.as_str(), b.data_offsets), ("F32", (data + 128, data + 140)));
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let whole = Sample::new().file();
    for length in 0..whole.len() {
        let line = opened(&whole[..length]).err().expect("a complaint");
        assert!(line.contains("truncated: expected") && line.ends_with(&format!("found {length}")));
    }
}

/// Every number of the header at its largest, and one beside it: nothing panics, and no memory is asked for by it.
#[test]
fn no_number_of_the_header_is_trusted() {
    let (whole, header) = (Sample::new().file(), Sample::new().header().len());
    for at in 0..header {
        for wrong in [0u8, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = wrong;
            drop(opened(&bytes));
            bytes[at..(at + 8).min(header)].fill(wrong);
            drop(opened(&bytes));
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let complaint = |change: &dyn Fn(&mut Sample)| {
        let mut sample = Sample::new();
        change(&mut sample);
        opened(&sample.file()).err().expect("a complaint")
    };
    let line = complaint(&|s| s.version = 1);
    assert!(line.contains("version 1 is not read"), "{line}");
    let line = complaint(&|s| s.version = 3u32.swap_bytes());
    assert!(line.contains("big-endian"), "{line}");
    let line = complaint(&|s| s.settings[1].2 = vec![3, 0, 0, 0]);
    assert!(line.contains("multiples of 3 bytes"), "{line}");
    let line = complaint(&|s| s.settings[1].2 = vec![0; 4]);
    assert!(line.contains("multiples of 0 bytes"), "{line}");
    let line = complaint(&|s| s.settings[0].1 = 99);
    assert!(line.contains("a setting of type 99"), "{line}");
    let line = complaint(&|s| s.tensors[1].0 = "w");
    assert!(line.contains("tensor w is there twice"), "{line}");
    let line = complaint(&|s| s.tensors[1].3 = 100);
    assert!(line.contains("tensor b is not at a multiple of 64"), "{line}");
    let line = complaint(&|s| s.tensors[0].1 = vec![33, 2]);
    assert!(line.contains("tensor w has an impossible shape [2, 33]"), "{line}");
    let line = complaint(&|s| s.tensors[0].1 = vec![1 << 40, 1 << 40]);
    assert!(line.contains("tensor w has an impossible shape"), "{line}");
    let line = complaint(&|s| s.tensors[0].1 = vec![32, 0]);
    assert!(line.contains("a side of 0"), "{line}");
    let line = complaint(&|s| s.tensors[0].1 = vec![1; 5]);
    assert!(line.contains("5 dimensions"), "{line}");
}

#[test]
fn arrays_in_arrays_end() {
    let mut sample = Sample::new();
    let mut value = Vec::new();
    for _ in 0..1000 {
        value.extend(ARRAY.to_le_bytes());
        value.extend(1u64.to_le_bytes());
    }
    sample.settings[0].2 = value;
    assert!(opened(&sample.file()).err().expect("a complaint").contains("a setting of type 9"));
}

#[test]
fn a_type_that_is_not_read_has_its_name() {
    let mut sample = Sample::new();
    (sample.tensors[0].2, sample.tensors[1].2) = (23, 77);
    let found = opened(&sample.file()).expect("a sound file");
    assert_eq!((found["w"].dtype.as_str(), found["b"].dtype.as_str()), ("IQ4_XS", "GGUF's type 77"));
}
