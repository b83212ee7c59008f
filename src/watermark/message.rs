//! The bits that a mark carries, at one of two levels.

/// How much a mark carries. The short level needs half the energy: for small, flat or noisy pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 80 bits and a MAC of 40.
    Long,
    /// 32 bits and a MAC of 32.
    Short,
}

impl Level {
    pub const ALL: [Level; 2] = [Level::Long, Level::Short];

    pub fn name(self) -> &'static str {
        match self {
            Level::Long => "long",
            Level::Short => "short",
        }
    }

    /// Name of the algorithm at this level, in manifests and catalogs.
    pub const fn algorithm(self) -> &'static str {
        match self {
            Level::Long => "org.vidimus.watermark.1",
            Level::Short => "org.vidimus.watermark.1.short",
        }
    }

    pub fn message_bits(self) -> u32 {
        match self {
            Level::Long => 80,
            Level::Short => 32,
        }
    }

    pub(super) fn mac_bits(self) -> u32 {
        match self {
            Level::Long => 40,
            Level::Short => 32,
        }
    }
}

/// The bits of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Long([u8; 10]),
    Short([u8; 4]),
}

impl Message {
    pub fn level(&self) -> Level {
        match self {
            Message::Long(_) => Level::Long,
            Message::Short(_) => Level::Short,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Message::Long(bytes) => bytes,
            Message::Short(bytes) => bytes,
        }
    }

    /// Of 10 or 4 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Message::Long).or_else(|_| bytes.try_into().map(Message::Short)).ok()
    }

    /// The bits as a number.
    pub(super) fn bits(&self) -> u128 {
        self.bytes().iter().fold(0, |acc, byte| (acc << 8) | u128::from(*byte))
    }

    /// The message of `level` whose bits are the lowest of `bits`.
    pub(super) fn from_bits(level: Level, bits: u128) -> Self {
        let bytes = bits.to_be_bytes();
        match level {
            Level::Long => Message::Long(std::array::from_fn(|i| bytes[6 + i])),
            Level::Short => Message::Short(std::array::from_fn(|i| bytes[12 + i])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_back_is_the_same_message() {
        for message in [Message::Long([1, 2, 3, 4, 5, 6, 7, 8, 9, 255]), Message::Short([250, 1, 0, 9])] {
            assert_eq!(Message::from_bits(message.level(), message.bits()), message);
            assert_eq!(Message::from_bytes(message.bytes()), Some(message));
            assert_eq!(message.bytes().len() as u32 * 8, message.level().message_bits());
        }
        assert_eq!(Message::from_bytes(&[0; 9]), None);
    }
}
