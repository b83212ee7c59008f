//! Any ten or four bytes are read as a payload that writes the same bytes, or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vidimus::watermark::{Message, Said};

fuzz_target!(|data: &[u8]| {
    let Some(message) = Message::from_bytes(data) else { return };
    match Said::read(&message) {
        Ok(Said::Whole(payload)) => assert_eq!(payload.to_message(), message.bytes()),
        Ok(Said::Brief(brief)) => assert_eq!(brief.to_message(), message.bytes()),
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
});
