// SPDX-License-Identifier: GPL-2.0-only

//! The rule for one attribute's payload: an entry of the kernel's `struct nla_policy`.
//!
//! Only the kinds of entries that the policies of this crate use exist. Values are not checked.

use netlink_packet_core::NLA_HEADER_SIZE;

use super::{PolicyErrorKind, Validation};

/// An entry of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `NLA_UNSPEC`: at least this many bytes. 0 is the kernel's entry for an attribute that its
    /// policy does not define: no rule at all, or refused by strict validation.
    Unspec(u16),
    /// `NLA_U8`
    U8,
    /// `NLA_U16`
    U16,
    /// `NLA_U32`
    U32,
    /// `NLA_NUL_STRING`: with a NUL, and at most this many bytes, not counting a NUL at the end.
    NulString(u16),
    /// `NLA_BINARY`: at most this many bytes.
    Binary(u16),
    /// `NLA_NESTED`: empty, or long enough for an attribute.
    Nested,
}

impl Rule {
    /// `validate_nla`, for a payload whose attribute has `NLA_F_NESTED` set or not.
    pub fn check(
        self,
        payload: &[u8],
        nested: bool,
        validation: Validation,
    ) -> Result<(), PolicyErrorKind> {
        let length = payload.len();
        if validation == Validation::Strict {
            match self {
                Self::U8 | Self::U16 | Self::U32 if length != self.number_len() => {
                    return Err(PolicyErrorKind::WrongLength);
                }
                Self::Nested if !nested => return Err(PolicyErrorKind::NestedMissing),
                Self::Nested => {}
                Self::Unspec(_) => return Err(PolicyErrorKind::Unsupported),
                _ if nested => return Err(PolicyErrorKind::NestedUnexpected),
                _ => {}
            }
        }
        match self {
            Self::Unspec(least) if length < usize::from(least) => Err(PolicyErrorKind::TooShort),
            Self::U8 | Self::U16 | Self::U32 if length < self.number_len() => {
                Err(PolicyErrorKind::TooShort)
            }
            Self::NulString(most) => check_string(payload, usize::from(most)),
            Self::Binary(most) if length > usize::from(most) => Err(PolicyErrorKind::TooLong),
            Self::Nested if (1..NLA_HEADER_SIZE).contains(&length) => {
                Err(PolicyErrorKind::TooShort)
            }
            _ => Ok(()),
        }
    }

    /// `nla_attr_len`
    fn number_len(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::Unspec(_) | Self::NulString(_) | Self::Binary(_) | Self::Nested => 0,
        }
    }
}

/// The NUL must be within the first `most + 1` bytes, but bytes after it count for the length.
fn check_string(payload: &[u8], most: usize) -> Result<(), PolicyErrorKind> {
    if !payload.iter().take(most + 1).any(|byte| *byte == 0) {
        return Err(PolicyErrorKind::NotTerminated);
    }
    let counted = payload.strip_suffix(&[0]).unwrap_or(payload).len();
    if counted > most {
        Err(PolicyErrorKind::TooLong)
    } else {
        Ok(())
    }
}
