//! Bytes as hexadecimal digits, which is how datagrams go to a helper program and back.

use std::fmt::Write as _;

/// The digits of these bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The bytes of these digits, if they are digits.
#[must_use]
pub fn decode(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let bytes = [0, 1, 0x7f, 0xff];
        assert_eq!(encode(&bytes), "00017fff");
        assert_eq!(decode("00017fff"), Some(bytes.to_vec()));
    }

    #[test]
    fn what_is_no_hexadecimal_number_is_refused() {
        assert_eq!(decode("0"), None);
        assert_eq!(decode("0g"), None);
    }
}
