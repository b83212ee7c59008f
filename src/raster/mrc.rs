//! MRC, the format of electron microscopy (MRC2014; Cheng et al., J. Struct. Biol. 192, 146–150): a header of 1024
//! bytes, an extended header, then the sections, each row by row from the bottom left.
//!
//! A reader of our own: it is one header, and nothing of a file is believed before it is checked.

use super::measured::Measured;
use super::{Channels, Limits, decode};
use super::{DecodeError, Remark};

const NAME: &str = "MRC";
const HEADER: usize = 1024;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Unsigned8,
    Signed8,
    Signed16,
    Unsigned16,
    Float16,
    Float32,
    /// Two values in a byte, the lower half first; each row begins with a byte of its own.
    Four,
}

/// Whether the bytes are those of an MRC of the year 2000 or later; older ones cannot be told from noise.
pub(super) fn is_mrc(bytes: &[u8]) -> bool {
    bytes.get(208..211) == Some(b"MAP")
}

/// The first section, under `limits`.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<(Measured, Option<Remark>), DecodeError> {
    let header = Header::read(bytes)?;
    let (width, height) = (header.width, header.height);
    decode::check_size(width, height, limits)?;
    let row = header.mode.row(width as usize);
    let length = row.checked_mul(height as usize);
    let section = length.and_then(|length| bytes.get(header.start..header.start.checked_add(length)?));
    let Some(section) = section else {
        return Err(damaged(format!(
            "{width}×{height} pixels of mode {} from byte {} on do not fit into {} bytes",
            header.number,
            header.start,
            bytes.len()
        )));
    };
    let mut values = Vec::with_capacity(width as usize * height as usize);
    // The last row is the topmost.
    for row in section.chunks_exact(row).rev() {
        header.mode.values(row, width as usize, header.little, &mut values);
    }
    let of = u64::from(header.sections);
    let remark = (of > 1).then_some(Remark::First { what: "section", of: Some(of) });
    Ok((Measured { width, height, channels: Channels::Grey, values }, remark))
}

struct Header {
    width: u32,
    height: u32,
    sections: u32,
    mode: Mode,
    /// The mode as the file has it.
    number: i32,
    little: bool,
    /// Where the first section begins.
    start: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some(header) = bytes.get(..HEADER) else {
            return Err(damaged(format!("{} bytes, and its header alone has {HEADER}", bytes.len())));
        };
        // The machine stamp; some writers leave it out, and nearly all machines are of the first kind.
        let little = header[212] != 0x11;
        let number = |at: usize| {
            let four = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            if little { i32::from_le_bytes(four) } else { i32::from_be_bytes(four) }
        };
        let side = |at: usize, what: &str| {
            let found = number(at);
            u32::try_from(found)
                .ok()
                .filter(|side| *side > 0)
                .ok_or_else(|| damaged(format!("{found} {what}: expected 1 or more")))
        };
        let (width, height) = (side(0, "columns")?, side(4, "rows")?);
        let sections = side(8, "sections")?;
        let extended = number(92);
        let start = usize::try_from(extended).ok().and_then(|extended| extended.checked_add(HEADER));
        let start = start.ok_or_else(|| damaged(format!("an extended header of {extended} bytes")))?;
        let code = number(12);
        let mode = match code {
            // IMOD marks its files, and says in them whether bytes are signed.
            0 if number(152) == IMOD && number(156) & 1 == 0 => Mode::Unsigned8,
            0 => Mode::Signed8,
            1 => Mode::Signed16,
            2 => Mode::Float32,
            6 => Mode::Unsigned16,
            12 => Mode::Float16,
            101 => Mode::Four,
            other => {
                let colour = format!("mode {other}");
                return Err(DecodeError::Values { format: NAME, found: colour, expected: MODES });
            }
        };
        Ok(Header { width, height, sections, mode, number: code, little, start })
    }
}

/// What stands in the files of IMOD.
const IMOD: i32 = 1_146_047_817;
const MODES: &str = "mode 0, 1, 2, 6, 12 or 101";

impl Mode {
    /// Bytes of a row.
    fn row(self, width: usize) -> usize {
        match self {
            Mode::Unsigned8 | Mode::Signed8 => width,
            Mode::Signed16 | Mode::Unsigned16 | Mode::Float16 => 2 * width,
            Mode::Float32 => 4 * width,
            Mode::Four => width.div_ceil(2),
        }
    }

    /// The `width` values of a row.
    fn values(self, row: &[u8], width: usize, little: bool, out: &mut Vec<f32>) {
        let twos = || {
            row.chunks_exact(2).map(|two| match little {
                true => u16::from_le_bytes([two[0], two[1]]),
                false => u16::from_be_bytes([two[0], two[1]]),
            })
        };
        match self {
            Mode::Unsigned8 => out.extend(row.iter().map(|v| f32::from(*v))),
            Mode::Signed8 => out.extend(row.iter().map(|v| f32::from(v.cast_signed()))),
            Mode::Signed16 => out.extend(twos().map(|v| f32::from(v.cast_signed()))),
            Mode::Unsigned16 => out.extend(twos().map(f32::from)),
            Mode::Float16 => out.extend(twos().map(half)),
            Mode::Float32 => out.extend(row.chunks_exact(4).map(|four| {
                let four = [four[0], four[1], four[2], four[3]];
                if little { f32::from_le_bytes(four) } else { f32::from_be_bytes(four) }
            })),
            Mode::Four => {
                let halves = row.iter().flat_map(|both| [both & 15, both >> 4]);
                out.extend(halves.take(width).map(f32::from));
            }
        }
    }
}

/// IEEE 754's binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

fn damaged(fault: String) -> DecodeError {
    DecodeError::Damaged { format: NAME, fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An MRC of 9 columns, 8 rows and 2 sections; values rise along the rows, and from the lowest row up.
    fn mrc(mode: i32, little: bool, data: &[u8]) -> Vec<u8> {
        let mut file = vec![0; HEADER + 16];
        let mut put = |at: usize, value: i32| {
            let four = if little { value.to_le_bytes() } else { value.to_be_bytes() };
            file[at..at + 4].copy_from_slice(&four);
        };
        for (at, value) in [(0, 9), (4, 8), (8, 2), (12, mode), (92, 16)] {
            put(at, value);
        }
        file[208..212].copy_from_slice(b"MAP ");
        file[212..214].copy_from_slice(if little { &[0x44, 0x44] } else { &[0x11, 0x11] });
        file.extend(data);
        file.extend(data);
        file
    }

    fn data<const N: usize>(bytes: impl Fn(i16) -> [u8; N]) -> Vec<u8> {
        (0..72).flat_map(bytes).collect()
    }

    fn limits() -> Limits {
        Limits::default()
    }

    /// The values, the lowest row first again.
    fn values(file: &[u8]) -> Vec<f32> {
        let (measured, remark) = read(file, &limits()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((measured.width, measured.height), (9, 8));
        assert_eq!(remark, Some(Remark::First { what: "section", of: Some(2) }));
        measured.values.chunks(9).rev().flatten().copied().collect()
    }

    #[test]
    fn every_mode_is_read_in_both_byte_orders() {
        let expected: Vec<f32> = (0..72).map(|v| v as f32 - 20.0).collect();
        assert_eq!(values(&mrc(0, true, &data(|v| [(v - 20) as i8 as u8]))), expected);
        assert_eq!(values(&mrc(1, true, &data(|v| (v - 20).to_le_bytes()))), expected);
        assert_eq!(values(&mrc(1, false, &data(|v| (v - 20).to_be_bytes()))), expected);
        assert_eq!(values(&mrc(2, true, &data(|v| f32::from(v - 20).to_le_bytes()))), expected);
        assert_eq!(values(&mrc(2, false, &data(|v| f32::from(v - 20).to_be_bytes()))), expected);
        let large: Vec<f32> = (0..72).map(|v| v as f32 + 40_000.0).collect();
        assert_eq!(values(&mrc(6, true, &data(|v| (40_000 + v as u16).to_le_bytes()))), large);
        let halves: Vec<f32> = (0..72).map(|v| 1.0 + v as f32 / 1024.0).collect();
        assert_eq!(values(&mrc(12, true, &data(|v| (0x3c00 + v as u16).to_le_bytes()))), halves);
    }

    #[test]
    fn four_bits_are_read_row_by_row_with_a_half_byte_left_over() {
        // 9 values take 5 bytes.
        let file = mrc(101, true, &[0x21, 0x43, 0x65, 0x87, 0xf9].repeat(8));
        assert_eq!(values(&file)[..18], [1., 2., 3., 4., 5., 6., 7., 8., 9.].repeat(2));
    }

    #[test]
    fn bytes_are_signed_unless_imod_says_otherwise() {
        let mut file = mrc(0, true, &[200; 72]);
        assert_eq!(values(&file)[0], -56.0);
        file[152..156].copy_from_slice(&IMOD.to_le_bytes());
        assert_eq!(values(&file)[0], 200.0);
        file[156] = 1;
        assert_eq!(values(&file)[0], -56.0);
    }

    #[test]
    fn halves_are_what_ieee_754_says() {
        let of = [(0x0001, 2f32.powi(-24)), (0x3555, 0.333_251_95), (0xc000, -2.0), (0x7bff, 65504.0)];
        assert!(of.iter().all(|(bits, value)| half(*bits) == *value));
        assert_eq!((half(0x7c00), half(0xfc00)), (f32::INFINITY, f32::NEG_INFINITY));
        assert!(half(0x7c01).is_nan());
    }

    #[test]
    fn the_top_row_is_the_last_one_of_the_file() {
        let (measured, _) = read(&mrc(0, true, &data(|v| [v as u8])), &limits()).expect("whole");
        assert_eq!(measured.values[..9], [63., 64., 65., 66., 67., 68., 69., 70., 71.]);
    }

    #[test]
    fn headers_that_lie_are_one_line() {
        let whole = mrc(2, true, &data(|v| f32::from(v).to_le_bytes()));
        let with = |at: usize, value: i32| {
            let mut file = whole.clone();
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
            read(&file, &limits()).map(|_| ()).expect_err("it lies").to_string()
        };
        assert_eq!(with(0, -5), "damaged or truncated MRC: -5 columns: expected 1 or more");
        assert_eq!(with(8, 0), "damaged or truncated MRC: 0 sections: expected 1 or more");
        assert_eq!(with(0, i32::MAX), "2147483647×8 pixels are over the limit of 100000000");
        assert_eq!(with(4, 3), "9×3 pixels are too small: at least 8 on the short side");
        assert_eq!(
            with(4, 9000),
            "damaged or truncated MRC: 9×9000 pixels of mode 2 from byte 1040 on do not fit into 1616 bytes"
        );
        assert_eq!(with(92, -1), "damaged or truncated MRC: an extended header of -1 bytes");
        assert!(with(92, i32::MAX).contains("do not fit"));
        assert_eq!(with(12, 4), "MRC with mode 4 is not supported: expected mode 0, 1, 2, 6, 12 or 101");
    }

    #[test]
    fn whatever_is_cut_off_is_an_error_and_never_a_panic() {
        let whole = mrc(2, true, &data(|v| f32::from(v).to_le_bytes()));
        // The second section is not looked at.
        let first = HEADER + 16 + 72 * 4;
        for length in (211..first).step_by(7) {
            assert!(is_mrc(&whole[..length]) && read(&whole[..length], &limits()).is_err(), "{length}");
        }
        assert!(read(&whole[..first], &limits()).is_ok());
    }
}
