// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's validation and decoding of requests, for servers, in one pass.
//!
//! [`CommandAttrs`], [`ServiceAttrs`], [`DestinationAttrs`] and [`DaemonAttrs`] borrow from the
//! buffer and allocate nothing. They accept and refuse exactly the same as the kernel's policies,
//! which are lenient: a number may be longer than its type, bytes after the last attribute are
//! ignored, and of two attributes with the same type the last one counts. They do not check whether
//! an attribute is missing, or whether its value is valid.
//! [`CtrlFamilyAttrs`] and [`CtrlPolicyAttrs`] do the same for two commands of the controller.
//!
//! Source: `__nla_validate_parse` and `validate_nla` in `lib/nlattr.c`, the policies at the
//! beginning of the generic netlink part of `net/netfilter/ipvs/ip_vs_ctl.c`, and
//! `net/netlink/genetlink.c` (Linux 6.1).

mod command;
mod ctrl;
mod daemon;
mod destination;
mod error;
mod rule;
mod service;

pub use self::{
    command::CommandAttrs,
    ctrl::{CtrlFamilyAttrs, CtrlPolicyAttrs},
    daemon::DaemonAttrs,
    destination::DestinationAttrs,
    error::{PolicyError, PolicyErrorKind},
    rule::Rule,
    service::ServiceAttrs,
};

use netlink_packet_core::{NLA_ALIGNTO, NLA_F_NESTED, NLA_HEADER_SIZE, NLA_TYPE_MASK};

use crate::bytes;

/// How strictly the kernel validates: `enum netlink_validation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// `NL_VALIDATE_LIBERAL`: everything of IPVS, and `CTRL_CMD_GETFAMILY`.
    Liberal,
    /// `NL_VALIDATE_STRICT`: newer families and commands, such as `CTRL_CMD_GETPOLICY`.
    Strict,
}

/// Iterates over attributes like `__nla_validate_parse`, and calls `found` with the type (without
/// flags) and the payload of each attribute that has a rule in `rules` and follows it.
///
/// The rule for type `n` is `rules[n]`; type 0 and types past the end are skipped, or refused by
/// strict validation. The iteration ends at the first header that is incomplete, or whose length is
/// shorter than the header or longer than the rest. It returns the number of remaining bytes;
/// strict validation refuses those, too. The first violation ends the iteration.
pub fn walk<'a>(
    buffer: &'a [u8],
    rules: &[Rule],
    validation: Validation,
    mut found: impl FnMut(u16, &'a [u8]),
) -> Result<usize, PolicyError> {
    let strict = validation == Validation::Strict;
    let mut rest = buffer;
    while let Some((raw_type, payload)) = next(rest) {
        let offset = buffer.len() - rest.len();
        let attribute = raw_type & NLA_TYPE_MASK;
        let error = |kind, rule| PolicyError {
            attribute,
            offset,
            kind,
            rule,
        };
        match rules.get(usize::from(attribute)) {
            Some(rule) if attribute != 0 => {
                rule.check(payload, raw_type & NLA_F_NESTED != 0, validation)
                    .map_err(|kind| error(kind, kind.names_rule().then_some(*rule)))?;
                found(attribute, payload);
            }
            _ if strict => return Err(error(PolicyErrorKind::UnknownType, None)),
            _ => {}
        }
        let taken = (NLA_HEADER_SIZE + payload.len()).next_multiple_of(NLA_ALIGNTO);
        rest = rest.get(taken..).unwrap_or_default();
    }
    if strict && !rest.is_empty() {
        return Err(PolicyError {
            attribute: 0,
            offset: buffer.len() - rest.len(),
            kind: PolicyErrorKind::Leftover,
            rule: None,
        });
    }
    Ok(rest.len())
}

/// The first attribute, if `nla_ok`: its type with flags, and its payload.
fn next(buffer: &[u8]) -> Option<(u16, &[u8])> {
    let length = usize::from(u16::from_ne_bytes(bytes::first(buffer)?));
    let raw_type = u16::from_ne_bytes(bytes::first(buffer.get(2..)?)?);
    // A length below that of the header gives no range, one past the end no slice.
    Some((raw_type, buffer.get(NLA_HEADER_SIZE..length)?))
}
