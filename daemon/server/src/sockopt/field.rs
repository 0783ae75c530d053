//! Reads and writes the fields of a structure in order, in the layout of C.
//!
//! Numbers are in the machine's byte order, except addresses and ports, which are in network byte
//! order.

use std::net::Ipv4Addr;

/// Reads fields from the start of a structure.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(structure: &'a [u8]) -> Self {
        Self(structure)
    }

    /// The next bytes; `None` at the end of the structure.
    pub(super) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_ne_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_ne_bytes)
    }

    pub(super) fn address(&mut self) -> Option<Ipv4Addr> {
        self.bytes::<4>().map(Ipv4Addr::from)
    }

    pub(super) fn port(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// Skips the padding that C puts between fields.
    pub(super) fn padding<const N: usize>(&mut self) -> Option<()> {
        self.bytes::<N>().map(drop)
    }

    /// A text of at most `N` bytes: up to its NUL, or all of them without a NUL.
    pub(super) fn text<const N: usize>(&mut self) -> Option<Text> {
        let bytes = self.bytes::<N>()?;
        let end = bytes.iter().position(|byte| *byte == 0);
        Some(Text(
            end.and_then(|end| bytes.get(..end)).map(<[u8]>::to_vec),
        ))
    }
}

/// A text that may lack its NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Option<Vec<u8>>);

/// Writes the fields of a structure.
#[derive(Default)]
pub(super) struct Structure(Vec<u8>);

impl Structure {
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(super) fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    /// The low 32 bits, which is the size of the counters here.
    pub(super) fn low_u32(self, value: u64) -> Self {
        let [a, b, c, d, ..] = value.to_le_bytes();
        self.u32(u32::from_le_bytes([a, b, c, d]))
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    pub(super) fn address(self, address: Ipv4Addr) -> Self {
        self.bytes(&address.octets())
    }

    pub(super) fn port(self, port: u16) -> Self {
        self.bytes(&port.to_be_bytes())
    }

    pub(super) fn padding(mut self, length: usize) -> Self {
        self.0.resize(self.0.len() + length, 0);
        self
    }

    /// A text in `N` bytes, truncated so that a NUL follows.
    pub(super) fn text<const N: usize>(self, text: &[u8]) -> Self {
        let mut field = [0; N];
        for (to, from) in field.iter_mut().take(N - 1).zip(text) {
            *to = *from;
        }
        self.bytes(&field)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}
