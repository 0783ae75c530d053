// SPDX-License-Identifier: GPL-2.0-only

//! The attributes inside an attribute.

use std::ops::{Deref, DerefMut};

use netlink_packet_core::{
    DecodeError, Emitable, NLA_F_NESTED, NLA_HEADER_SIZE, Nla, NlaBuffer, NlasIterator, Parseable,
};

/// The length of an attribute has 16 bits.
const MAX_VALUE_LEN: usize = u16::MAX as usize - NLA_HEADER_SIZE;

/// The attributes of a nest, in their order on the wire.
///
/// The kernel's IPVS sends its nests without `NLA_F_NESTED` (`nla_nest_start_noflag`) and does not
/// require the flag; newer clients set it. A nest made from a `Vec` has no flag; a parsed one keeps
/// it, so that emission returns the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nest<T> {
    /// The attributes.
    pub attributes: Vec<T>,
    /// Whether the type of the outer attribute carries `NLA_F_NESTED`.
    pub flagged: bool,
}

impl<T> Nest<T> {
    /// The type of the outer attribute, with the flag if there is one.
    pub(crate) fn kind(&self, kind: u16) -> u16 {
        if self.flagged {
            kind | NLA_F_NESTED
        } else {
            kind
        }
    }
}

impl<T: Nla> Nest<T> {
    pub(crate) fn value_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    pub(crate) fn emit_value(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl<'a, B, T> Parseable<NlaBuffer<&'a B>> for Nest<T>
where
    B: AsRef<[u8]> + ?Sized,
    T: Nla + for<'b> Parseable<NlaBuffer<&'b [u8]>>,
{
    fn parse(nla: &NlaBuffer<&'a B>) -> Result<Self, DecodeError> {
        let nest = Self {
            attributes: parse_all(nla.value())?,
            flagged: nla.nested_flag(),
        };
        // Attributes that had no padding or NUL become longer when they are emitted.
        if nest.value_len() > MAX_VALUE_LEN {
            return Err(DecodeError::from(
                "the nest is too long to be emitted again",
            ));
        }
        Ok(nest)
    }
}

/// Parses attributes until the end of the buffer.
pub(crate) fn parse_all<T>(buffer: &[u8]) -> Result<Vec<T>, DecodeError>
where
    T: for<'b> Parseable<NlaBuffer<&'b [u8]>>,
{
    NlasIterator::new(buffer)
        .map(|nla| T::parse(&nla?))
        .collect()
}

impl<T> From<Vec<T>> for Nest<T> {
    fn from(attributes: Vec<T>) -> Self {
        Self {
            attributes,
            flagged: false,
        }
    }
}

impl<T> Deref for Nest<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.attributes
    }
}

impl<T> DerefMut for Nest<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.attributes
    }
}
