//! What is said of a sync daemon.

use std::net::IpAddr;

use arbitrary::Arbitrary;
use netlink_packet_ipvs::DaemonAttr;
use sockvs_ipvs::Family;

use super::{Host, leave_out};
use crate::rare::{Rare, Usual};

/// What is said of a sync daemon.
#[derive(Arbitrary, Clone, Debug)]
pub struct DaemonArgument {
    state: Usual<u32>,
    interface: u8,
    id: Usual<u32>,
    longest: Rare<u16>,
    group: Rare<Host>,
    group6: Rare<Host>,
    port: Rare<u16>,
    ttl: Rare<u8>,
    without: Rare<u8>,
}

impl DaemonArgument {
    pub(super) fn attributes(&self) -> Vec<DaemonAttr> {
        const INTERFACES: [&str; 6] = ["eth0", "lo", "jumbo", "small", "", "sixteenletters16"];
        let interface = INTERFACES[usize::from(self.interface) % INTERFACES.len()];
        let mut attributes = vec![
            DaemonAttr::State(self.state.get()),
            DaemonAttr::McastIfn(interface.into()),
            DaemonAttr::SyncId(self.id.get()),
        ];
        attributes.extend(self.longest.0.map(DaemonAttr::SyncMaxlen));
        attributes.extend(self.port.0.map(DaemonAttr::McastPort));
        attributes.extend(self.ttl.0.map(DaemonAttr::McastTtl));
        for (host, family) in [(self.group, Family::Inet), (self.group6, Family::Inet6)] {
            attributes.extend(host.0.map(|host| match host.address(family) {
                IpAddr::V4(group) => DaemonAttr::McastGroup(group),
                IpAddr::V6(group) => DaemonAttr::McastGroup6(group),
            }));
        }
        leave_out(&mut attributes, self.without.0);
        attributes
    }
}
