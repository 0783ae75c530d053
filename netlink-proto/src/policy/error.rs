// SPDX-License-Identifier: GPL-2.0-only

//! The errors of the kernel's policy validation of a request.
//!
//! An error has everything that an `NLMSG_ERROR` with extended acknowledgement needs; building the
//! message is the server's task.

use std::fmt;

use super::Rule;

const EINVAL: i32 = 22;
const ERANGE: i32 = 34;

/// An attribute that violates its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Type of the attribute, without flags; 0 with [`PolicyErrorKind::Leftover`].
    pub attribute: u16,
    /// The position of the attribute's header, or of the left-over bytes: bytes from the start of
    /// the buffer that was decoded. See [`Self::within`] and [`Self::attribute_offset`].
    pub offset: usize,
    /// The violation.
    pub kind: PolicyErrorKind,
    /// The rule, if the kernel reports it (`NLMSGERR_ATTR_POLICY`).
    pub rule: Option<Rule>,
}

/// The kinds of violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyErrorKind {
    /// Shorter than its type requires.
    TooShort,
    /// Longer than its rule allows.
    TooLong,
    /// A string that lacks its NUL.
    NotTerminated,
    /// A number whose length differs from that of its type. Strict validation only.
    WrongLength,
    /// A type that the family does not define. Strict validation only.
    UnknownType,
    /// A type that the family defines, but not for this command. Strict validation only.
    Unsupported,
    /// A nest without `NLA_F_NESTED`. Strict validation only.
    NestedMissing,
    /// `NLA_F_NESTED` on an attribute that is not a nest. Strict validation only.
    NestedUnexpected,
    /// Bytes after the last attribute. Strict validation only.
    Leftover,
}

/// The text of [`PolicyErrorKind::Leftover`]. The kernel also writes it to the extended
/// acknowledgement of a request that it accepted liberally.
pub(crate) const LEFTOVER: &str = "bytes leftover after parsing attributes";

impl PolicyErrorKind {
    /// The positive errno: `ERANGE` or `EINVAL`.
    pub const fn errno(self) -> i32 {
        match self {
            Self::TooShort | Self::TooLong => ERANGE,
            Self::NotTerminated
            | Self::WrongLength
            | Self::UnknownType
            | Self::Unsupported
            | Self::NestedMissing
            | Self::NestedUnexpected
            | Self::Leftover => EINVAL,
        }
    }

    /// The kernel's text for `NLMSGERR_ATTR_MSG`.
    pub const fn message(self) -> &'static str {
        match self {
            Self::TooShort | Self::TooLong | Self::NotTerminated => {
                "Attribute failed policy validation"
            }
            Self::WrongLength => "invalid attribute length",
            Self::UnknownType => "Unknown attribute type",
            Self::Unsupported => "Unsupported attribute",
            Self::NestedMissing => "NLA_F_NESTED is missing",
            Self::NestedUnexpected => "NLA_F_NESTED not expected",
            Self::Leftover => LEFTOVER,
        }
    }

    /// Whether the kernel uses `NL_SET_ERR_MSG_ATTR_POL`, which reports the rule as well.
    pub(super) const fn names_rule(self) -> bool {
        !matches!(self, Self::UnknownType | Self::Unsupported | Self::Leftover)
    }
}

impl PolicyError {
    /// The positive errno: `ERANGE` or `EINVAL`.
    ///
    /// This is the answer for the attributes of a command. If a nest cannot be parsed, IPVS answers
    /// `EINVAL` for any reason; if the attributes of a dump of destinations cannot be parsed, at
    /// either level, the dump is empty.
    pub const fn errno(&self) -> i32 {
        self.kind.errno()
    }

    /// The kernel's text for `NLMSGERR_ATTR_MSG`. It is always `Some`; the type is an `Option`
    /// since extended acknowledgements without a text exist.
    pub const fn message(&self) -> Option<&'static str> {
        Some(self.kind.message())
    }

    /// [`Self::offset`] if the kernel reports one (`NLMSGERR_ATTR_OFFS`). That attribute counts
    /// from the netlink header: see [`Self::within`], and add 20 for the two headers.
    pub const fn attribute_offset(&self) -> Option<usize> {
        match self.kind {
            PolicyErrorKind::Leftover => None,
            _ => Some(self.offset),
        }
    }

    /// The same error with the offset counted from the start of `outer`, for an error from decoding
    /// `inner`, which is the payload of a nest in `outer`. If it is not within `outer`, nothing
    /// changes.
    pub fn within(mut self, outer: &[u8], inner: &[u8]) -> Self {
        let (outer, inner) = (outer.as_ptr_range(), inner.as_ptr_range());
        if outer.start <= inner.start && inner.end <= outer.end {
            self.offset += inner.start.addr() - outer.start.addr();
        }
        self
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.message())?;
        match self.kind {
            PolicyErrorKind::Leftover => write!(f, "(from byte {})", self.offset),
            _ => write!(f, "(type {} at byte {})", self.attribute, self.offset),
        }
    }
}

impl std::error::Error for PolicyError {}
