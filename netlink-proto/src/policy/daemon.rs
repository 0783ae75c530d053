// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of a sync daemon: `ip_vs_daemon_policy`, and those that `ip_vs_genl_new_daemon`
//! reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{PolicyError, Rule, Validation, error::LEFTOVER, walk};
use crate::{bytes, constants::*};

const RULES: [Rule; IPVS_DAEMON_ATTR_MAX as usize + 1] = {
    let mut rules = [Rule::Unspec(0); IPVS_DAEMON_ATTR_MAX as usize + 1];
    rules[IPVS_DAEMON_ATTR_STATE as usize] = Rule::U32;
    rules[IPVS_DAEMON_ATTR_MCAST_IFN as usize] = Rule::NulString(15);
    rules[IPVS_DAEMON_ATTR_SYNC_ID as usize] = Rule::U32;
    rules[IPVS_DAEMON_ATTR_SYNC_MAXLEN as usize] = Rule::U16;
    rules[IPVS_DAEMON_ATTR_MCAST_GROUP as usize] = Rule::U32;
    rules[IPVS_DAEMON_ATTR_MCAST_GROUP6 as usize] = Rule::Unspec(16);
    rules[IPVS_DAEMON_ATTR_MCAST_PORT as usize] = Rule::U16;
    rules[IPVS_DAEMON_ATTR_MCAST_TTL as usize] = Rule::U8;
    rules
};

/// The sync daemon of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaemonAttrs<'a> {
    /// Master or backup: see [`SyncState`](crate::SyncState).
    pub state: Option<u32>,
    /// Multicast interface, up to its NUL; at most 15 bytes.
    pub mcast_ifn: Option<&'a [u8]>,
    /// Sync id.
    pub sync_id: Option<u32>,
    /// Longest UDP payload in bytes.
    pub sync_maxlen: Option<u16>,
    /// IPv4 multicast group. The kernel prefers it to the IPv6 one.
    pub mcast_group: Option<Ipv4Addr>,
    /// IPv6 multicast group.
    pub mcast_group6: Option<Ipv6Addr>,
    /// Multicast port; in native order on the wire, unlike all other ports.
    pub mcast_port: Option<u16>,
    /// Multicast TTL.
    pub mcast_ttl: Option<u8>,
    /// The number of bytes after the last attribute, which were ignored.
    pub leftover: usize,
}

impl<'a> DaemonAttrs<'a> {
    /// Decodes the payload of the nest. IPVS answers `EINVAL` for any error here, but with the
    /// extended acknowledgement of this error: see [`PolicyError::within`].
    pub fn decode(attributes: &'a [u8]) -> Result<Self, PolicyError> {
        let mut view = Self::default();
        view.leftover = walk(
            attributes,
            &RULES,
            Validation::Liberal,
            |kind, payload| match kind {
                IPVS_DAEMON_ATTR_STATE => view.state = bytes::get_u32(payload).ok(),
                IPVS_DAEMON_ATTR_MCAST_IFN => view.mcast_ifn = Some(bytes::until_nul(payload)),
                IPVS_DAEMON_ATTR_SYNC_ID => view.sync_id = bytes::get_u32(payload).ok(),
                IPVS_DAEMON_ATTR_SYNC_MAXLEN => view.sync_maxlen = bytes::get_u16(payload).ok(),
                IPVS_DAEMON_ATTR_MCAST_GROUP => {
                    view.mcast_group = bytes::first::<4>(payload).map(Into::into);
                }
                IPVS_DAEMON_ATTR_MCAST_GROUP6 => {
                    view.mcast_group6 = bytes::first::<16>(payload).map(Into::into);
                }
                IPVS_DAEMON_ATTR_MCAST_PORT => view.mcast_port = bytes::get_u16(payload).ok(),
                IPVS_DAEMON_ATTR_MCAST_TTL => view.mcast_ttl = bytes::get_u8(payload).ok(),
                _ => {}
            },
        )?;
        Ok(view)
    }

    /// The kernel's warning in an extended acknowledgement although it accepts the attributes: a
    /// sync daemon's nest is the only one that is parsed with an extended acknowledgement.
    pub fn warning(&self) -> Option<&'static str> {
        (self.leftover > 0).then_some(LEFTOVER)
    }
}
