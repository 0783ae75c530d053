//! What is said of a service.

use arbitrary::Arbitrary;
use netlink_packet_ipvs::{Address, Name, ServiceAttr, ServiceFlags};
use sockvs_ipvs::{Family, Scheduler};

use super::{Host, Port, leave_out};
use crate::rare::{Rare, Usual};

/// Which service.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Which {
    At {
        protocol: u8,
        host: Host,
        port: Port,
    },
    Mark(Usual<u32>),
}

/// What is said of a service.
#[derive(Arbitrary, Clone, Debug)]
pub struct ServiceArgument {
    inet6: bool,
    other_family: Rare<u16>,
    which: Which,
    scheduler: u8,
    other_scheduler: Rare<[u8; 18]>,
    engine: Rare<bool>,
    flags: Usual<u32>,
    mask: Usual<u32>,
    timeout: Usual<u32>,
    netmask: Rare<u32>,
    /// The attribute that is not given.
    without: Rare<u8>,
}

impl ServiceArgument {
    pub(super) fn family(&self) -> Family {
        if self.inet6 {
            Family::Inet6
        } else {
            Family::Inet
        }
    }

    pub(super) fn attributes(&self) -> Vec<ServiceAttr> {
        let family = self.family();
        let number = self.other_family.0.unwrap_or(family.to_raw());
        let mut attributes = vec![ServiceAttr::Af(number.into())];
        match self.which {
            Which::At {
                protocol,
                host,
                port,
            } => attributes.extend([
                ServiceAttr::Protocol([6, 17, 132, 1][usize::from(protocol % 4)]),
                ServiceAttr::Addr(Address::from(host.address(family))),
                ServiceAttr::Port(port.number()),
            ]),
            Which::Mark(mark) => attributes.push(ServiceAttr::Fwmark(mark.get())),
        }
        let scheduler = match &self.other_scheduler.0 {
            Some(bytes) => &bytes[..],
            None => {
                let known = usize::from(self.scheduler) % Scheduler::ALL.len();
                Scheduler::ALL[known].name().as_bytes()
            }
        };
        let (flags, mask) = (self.flags.get(), self.mask.get());
        let usual = if self.inet6 { 128 } else { u32::MAX };
        attributes.extend([
            ServiceAttr::SchedName(Name::new(scheduler)),
            ServiceAttr::Flags(ServiceFlags { flags, mask }),
            ServiceAttr::Timeout(self.timeout.get()),
            ServiceAttr::Netmask(self.netmask.0.unwrap_or(usual)),
        ]);
        if let Some(known) = self.engine.0 {
            let name = if known { "sip" } else { "nosuch" };
            attributes.push(ServiceAttr::PeName(name.into()));
        }
        leave_out(&mut attributes, self.without.0);
        attributes
    }
}
