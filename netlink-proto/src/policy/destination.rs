// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of a destination: `ip_vs_dest_policy`, and those that `ip_vs_genl_parse_dest`
//! reads.

use super::{PolicyError, Rule, Validation, walk};
use crate::{Address, AddressFamily, bytes, constants::*};

const RULES: [Rule; IPVS_DEST_ATTR_MAX as usize + 1] = {
    // STATS64 has no entry in the kernel's policy either.
    let mut rules = [Rule::Unspec(0); IPVS_DEST_ATTR_MAX as usize + 1];
    rules[IPVS_DEST_ATTR_ADDR as usize] = Rule::Binary(16);
    rules[IPVS_DEST_ATTR_PORT as usize] = Rule::U16;
    rules[IPVS_DEST_ATTR_FWD_METHOD as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_WEIGHT as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_U_THRESH as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_L_THRESH as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_ACTIVE_CONNS as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_INACT_CONNS as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_PERSIST_CONNS as usize] = Rule::U32;
    rules[IPVS_DEST_ATTR_STATS as usize] = Rule::Nested;
    rules[IPVS_DEST_ATTR_ADDR_FAMILY as usize] = Rule::U16;
    rules[IPVS_DEST_ATTR_TUN_TYPE as usize] = Rule::U8;
    rules[IPVS_DEST_ATTR_TUN_PORT as usize] = Rule::U16;
    rules[IPVS_DEST_ATTR_TUN_FLAGS as usize] = Rule::U16;
    rules
};

/// The destination of a request. Connection counts and statistics are validated, but the kernel
/// ignores them. The counts are decoded so that this can read replies, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationAttrs {
    /// Real server's address; padded with zeros if it was shorter than 16 bytes.
    pub addr: Option<Address>,
    /// Real server's port, in host order here.
    pub port: Option<u16>,
    /// Forwarding method, all bits: see [`ForwardMethod::from_masked`](crate::ForwardMethod).
    pub fwd_method: Option<u32>,
    /// Weight. The kernel stores it as an `int` and refuses negative ones.
    pub weight: Option<u32>,
    /// Upper connection threshold.
    pub u_thresh: Option<u32>,
    /// Lower connection threshold.
    pub l_thresh: Option<u32>,
    /// Active connections.
    pub active_conns: Option<u32>,
    /// Inactive connections.
    pub inact_conns: Option<u32>,
    /// Persistence templates.
    pub persist_conns: Option<u32>,
    /// Address family of the address; if missing or 0, the service's.
    pub addr_family: Option<AddressFamily>,
    /// Type of tunnel: see [`TunnelType`](crate::TunnelType).
    pub tun_type: Option<u8>,
    /// Port of the tunnel, in host order here.
    pub tun_port: Option<u16>,
    /// Flags of the tunnel, `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    pub tun_flags: Option<u16>,
}

impl DestinationAttrs {
    /// Decodes the payload of the nest. IPVS answers `EINVAL` for any error here.
    pub fn decode(attributes: &[u8]) -> Result<Self, PolicyError> {
        let mut view = Self::default();
        walk(
            attributes,
            &RULES,
            Validation::Liberal,
            |kind, payload| match kind {
                IPVS_DEST_ATTR_ADDR => view.addr = Some(Address::first_of(payload)),
                IPVS_DEST_ATTR_PORT => view.port = bytes::get_be16(payload).ok(),
                IPVS_DEST_ATTR_FWD_METHOD => view.fwd_method = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_WEIGHT => view.weight = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_U_THRESH => view.u_thresh = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_L_THRESH => view.l_thresh = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_ACTIVE_CONNS => view.active_conns = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_INACT_CONNS => view.inact_conns = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_PERSIST_CONNS => view.persist_conns = bytes::get_u32(payload).ok(),
                IPVS_DEST_ATTR_ADDR_FAMILY => {
                    view.addr_family = bytes::get_u16(payload).ok().map(Into::into);
                }
                IPVS_DEST_ATTR_TUN_TYPE => view.tun_type = bytes::get_u8(payload).ok(),
                IPVS_DEST_ATTR_TUN_PORT => view.tun_port = bytes::get_be16(payload).ok(),
                IPVS_DEST_ATTR_TUN_FLAGS => view.tun_flags = bytes::get_u16(payload).ok(),
                _ => {}
            },
        )?;
        Ok(view)
    }
}
