//! What is said of a destination.

use arbitrary::Arbitrary;
use netlink_packet_ipvs::{Address, DestinationAttr};
use sockvs_ipvs::Family;

use super::{Host, Port, leave_out};
use crate::rare::{Rare, Usual};

/// What is said of a destination.
#[derive(Arbitrary, Clone, Debug)]
pub struct DestinationArgument {
    /// Not of the service's family.
    mixed: Rare<()>,
    /// Old clients do not say which; others may say anything.
    told: Rare<Option<u16>>,
    host: Host,
    port: Port,
    method: Usual<u32>,
    weight: Usual<u32>,
    upper: Usual<u32>,
    lower: Rare<u8>,
    tunnel: Rare<(u8, Port, u16)>,
    without: Rare<u8>,
}

impl DestinationArgument {
    pub(super) fn attributes(&self, of_service: Family) -> Vec<DestinationAttr> {
        let family = match (of_service, self.mixed.is_there()) {
            (Family::Inet, false) | (Family::Inet6, true) => Family::Inet,
            (Family::Inet6, false) | (Family::Inet, true) => Family::Inet6,
        };
        let mut attributes = vec![
            DestinationAttr::Addr(Address::from(self.host.address(family))),
            DestinationAttr::Port(self.port.number()),
            DestinationAttr::FwdMethod(self.method.get()),
            DestinationAttr::Weight(self.weight.get()),
            DestinationAttr::UThresh(self.upper.get()),
            DestinationAttr::LThresh(self.lower.0.unwrap_or(0).into()),
        ];
        match self.told.0 {
            None => attributes.push(DestinationAttr::AddrFamily(family.to_raw().into())),
            Some(None) => {}
            Some(Some(other)) => attributes.push(DestinationAttr::AddrFamily(other.into())),
        }
        if let Some((kind, port, flags)) = self.tunnel.0 {
            attributes.extend([
                DestinationAttr::TunType(kind),
                DestinationAttr::TunPort(port.number()),
                DestinationAttr::TunFlags(flags),
            ]);
        }
        leave_out(&mut attributes, self.without.0);
        attributes
    }
}
