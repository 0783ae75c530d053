// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of a command: `ip_vs_cmd_policy`.

use super::{PolicyError, Rule, Validation, error::LEFTOVER, walk};
use crate::{bytes, constants::*};

const RULES: [Rule; IPVS_CMD_ATTR_MAX as usize + 1] = {
    let mut rules = [Rule::Unspec(0); IPVS_CMD_ATTR_MAX as usize + 1];
    rules[IPVS_CMD_ATTR_SERVICE as usize] = Rule::Nested;
    rules[IPVS_CMD_ATTR_DEST as usize] = Rule::Nested;
    rules[IPVS_CMD_ATTR_DAEMON as usize] = Rule::Nested;
    rules[IPVS_CMD_ATTR_TIMEOUT_TCP as usize] = Rule::U32;
    rules[IPVS_CMD_ATTR_TIMEOUT_TCP_FIN as usize] = Rule::U32;
    rules[IPVS_CMD_ATTR_TIMEOUT_UDP as usize] = Rule::U32;
    rules
};

/// The attributes of a request, after the generic netlink header. Nests are not parsed: the kernel
/// parses each when it needs it, and many commands never do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandAttrs<'a> {
    /// Payload of the service's nest, for [`ServiceAttrs`](super::ServiceAttrs).
    pub service: Option<&'a [u8]>,
    /// Payload of the destination's nest, for [`DestinationAttrs`](super::DestinationAttrs).
    pub dest: Option<&'a [u8]>,
    /// Payload of the sync daemon's nest, for [`DaemonAttrs`](super::DaemonAttrs).
    pub daemon: Option<&'a [u8]>,
    /// TCP connection timeout, seconds.
    pub timeout_tcp: Option<u32>,
    /// TCP FIN wait timeout, seconds.
    pub timeout_tcp_fin: Option<u32>,
    /// UDP timeout, seconds.
    pub timeout_udp: Option<u32>,
    /// The number of bytes after the last attribute, which were ignored.
    pub leftover: usize,
}

impl<'a> CommandAttrs<'a> {
    /// Decodes and validates liberally, as for all of the family's commands.
    pub fn decode(attributes: &'a [u8]) -> Result<Self, PolicyError> {
        let mut view = Self::default();
        view.leftover = walk(attributes, &RULES, Validation::Liberal, |kind, payload| {
            let number = bytes::get_u32(payload).ok();
            match kind {
                IPVS_CMD_ATTR_SERVICE => view.service = Some(payload),
                IPVS_CMD_ATTR_DEST => view.dest = Some(payload),
                IPVS_CMD_ATTR_DAEMON => view.daemon = Some(payload),
                IPVS_CMD_ATTR_TIMEOUT_TCP => view.timeout_tcp = number,
                IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => view.timeout_tcp_fin = number,
                IPVS_CMD_ATTR_TIMEOUT_UDP => view.timeout_udp = number,
                _ => {}
            }
        })?;
        Ok(view)
    }

    /// The kernel's warning in an extended acknowledgement although it accepts the attributes.
    pub fn warning(&self) -> Option<&'static str> {
        (self.leftover > 0).then_some(LEFTOVER)
    }
}
