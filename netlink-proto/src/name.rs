// SPDX-License-Identifier: GPL-2.0-only

//! Names of schedulers, persistence engines and network interfaces.
//!
//! They are bytes in the kernel, and so they are here. Their length is checked by
//! [`crate::policy`], or by the kernel.

use std::fmt;

use crate::bytes;

/// A string of bytes without a NUL, which need not be UTF-8. On the wire it is followed by a NUL
/// (`nla_put_string`).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// A copy of `name` up to its first NUL, if it has one, which is the part that the kernel
    /// reads.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self(bytes::until_nul(name.as_ref()).to_vec())
    }

    /// The bytes, without a NUL.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The length on the wire: the name and its NUL.
    pub(crate) fn wire_len(&self) -> usize {
        self.0.len() + 1
    }

    /// Writes the name and its NUL to exactly [`Self::wire_len`] bytes.
    pub(crate) fn emit(&self, buffer: &mut [u8]) {
        let (name, nul) = buffer.split_at_mut(self.0.len());
        name.copy_from_slice(&self.0);
        nul.fill(0);
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<&[u8]> for Name {
    fn from(name: &[u8]) -> Self {
        Self::new(name)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
