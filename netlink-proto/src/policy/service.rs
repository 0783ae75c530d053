// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of a service: `ip_vs_svc_policy`, and those that `ip_vs_genl_parse_service`
//! reads.

use super::{PolicyError, Rule, Validation, walk};
use crate::{Address, AddressFamily, ServiceFlags, bytes, constants::*};

const RULES: [Rule; IPVS_SVC_ATTR_MAX as usize + 1] = {
    // STATS64 has no entry in the kernel's policy either.
    let mut rules = [Rule::Unspec(0); IPVS_SVC_ATTR_MAX as usize + 1];
    rules[IPVS_SVC_ATTR_AF as usize] = Rule::U16;
    rules[IPVS_SVC_ATTR_PROTOCOL as usize] = Rule::U16;
    rules[IPVS_SVC_ATTR_ADDR as usize] = Rule::Binary(16);
    rules[IPVS_SVC_ATTR_PORT as usize] = Rule::U16;
    rules[IPVS_SVC_ATTR_FWMARK as usize] = Rule::U32;
    rules[IPVS_SVC_ATTR_SCHED_NAME as usize] = Rule::NulString(15);
    rules[IPVS_SVC_ATTR_PE_NAME as usize] = Rule::NulString(16);
    rules[IPVS_SVC_ATTR_FLAGS as usize] = Rule::Binary(8);
    rules[IPVS_SVC_ATTR_TIMEOUT as usize] = Rule::U32;
    rules[IPVS_SVC_ATTR_NETMASK as usize] = Rule::U32;
    rules[IPVS_SVC_ATTR_STATS as usize] = Rule::Nested;
    rules
};

/// The service of a request. Statistics are validated but not read: the kernel ignores them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceAttrs<'a> {
    /// Address family.
    pub af: Option<AddressFamily>,
    /// Layer 4 protocol, `IPPROTO_*`.
    pub protocol: Option<u16>,
    /// Virtual address; padded with zeros if it was shorter than 16 bytes.
    pub addr: Option<Address>,
    /// Virtual port, in host order here.
    pub port: Option<u16>,
    /// Firewall mark.
    pub fwmark: Option<u32>,
    /// Name of the scheduler, up to its NUL; at most 15 bytes.
    pub sched_name: Option<&'a [u8]>,
    /// Name of the persistence engine, up to its NUL; at most 16 bytes.
    pub pe_name: Option<&'a [u8]>,
    /// Flags; padded with zeros if they were shorter than 8 bytes.
    pub flags: Option<ServiceFlags>,
    /// Persistence timeout, seconds.
    pub timeout: Option<u32>,
    /// Persistence granularity: see [`ServiceAttr::Netmask`](crate::ServiceAttr::Netmask).
    pub netmask: Option<u32>,
}

impl<'a> ServiceAttrs<'a> {
    /// Decodes the payload of the nest. IPVS answers `EINVAL` for any error here.
    pub fn decode(attributes: &'a [u8]) -> Result<Self, PolicyError> {
        let mut view = Self::default();
        walk(
            attributes,
            &RULES,
            Validation::Liberal,
            |kind, payload| match kind {
                IPVS_SVC_ATTR_AF => view.af = bytes::get_u16(payload).ok().map(Into::into),
                IPVS_SVC_ATTR_PROTOCOL => view.protocol = bytes::get_u16(payload).ok(),
                IPVS_SVC_ATTR_ADDR => view.addr = Some(Address::first_of(payload)),
                IPVS_SVC_ATTR_PORT => view.port = bytes::get_be16(payload).ok(),
                IPVS_SVC_ATTR_FWMARK => view.fwmark = bytes::get_u32(payload).ok(),
                IPVS_SVC_ATTR_SCHED_NAME => view.sched_name = Some(bytes::until_nul(payload)),
                IPVS_SVC_ATTR_PE_NAME => view.pe_name = Some(bytes::until_nul(payload)),
                IPVS_SVC_ATTR_FLAGS => view.flags = Some(ServiceFlags::first_of(payload)),
                IPVS_SVC_ATTR_TIMEOUT => view.timeout = bytes::get_u32(payload).ok(),
                IPVS_SVC_ATTR_NETMASK => view.netmask = bytes::get_u32(payload).ok(),
                _ => {}
            },
        )?;
        Ok(view)
    }
}
