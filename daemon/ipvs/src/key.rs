//! The keys by which clients identify a service and a destination.
//!
//! Keys compare like in the kernel's lookups (`__ip_vs_service_find`, `__ip_vs_svc_fwm_find`,
//! `ip_vs_lookup_dest`). A key does not imply that the object exists. Ports are in host byte order.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

/// The protocol number of TCP, which every firewall-mark service has, too.
const PROTOCOL_TCP: u16 = 6;
const PROTOCOL_UDP: u16 = 17;
const PROTOCOL_SCTP: u16 = 132;

/// An address family that IPVS supports (`ip_vs_is_af_valid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl Family {
    /// The family of this number (`AF_INET`, `AF_INET6`); `None` if IPVS does not support it.
    pub fn from_raw(raw: u16) -> Option<Self> {
        [Self::Inet, Self::Inet6]
            .into_iter()
            .find(|family| family.to_raw() == raw)
    }

    /// Its number: `AF_INET` (2) or `AF_INET6` (10).
    pub fn to_raw(self) -> u16 {
        match self {
            Self::Inet => 2,
            Self::Inet6 => 10,
        }
    }

    /// The family of an address. An IPv4-mapped IPv6 address is IPv6, as in the kernel.
    pub fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::Inet,
            IpAddr::V6(_) => Self::Inet6,
        }
    }

    /// The all-zero address of this family.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::Inet => Ipv4Addr::UNSPECIFIED.into(),
            Self::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// What identifies a virtual service in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Connections to this address and port. Port 0 stands for all ports.
    Address {
        /// IP protocol number; the kernel accepts any.
        protocol: u16,
        /// The virtual address.
        addr: IpAddr,
        /// The virtual port, host byte order.
        port: u16,
    },
    /// Packets with a firewall mark.
    Fwmark {
        /// The family of the packets: the same mark can identify one service of each family.
        family: Family,
        /// The mark.
        mark: NonZeroU32,
    },
}

impl ServiceKey {
    /// The key of a firewall-mark attribute (`ip_vs_genl_parse_service`).
    ///
    /// The kernel treats mark 0 as "no mark": the key is then TCP, the all-zero address, port 0.
    pub fn from_fwmark(family: Family, mark: u32) -> Self {
        match NonZeroU32::new(mark) {
            Some(mark) => Self::Fwmark { family, mark },
            None => Self::Address {
                protocol: PROTOCOL_TCP,
                addr: family.unspecified(),
                port: 0,
            },
        }
    }

    /// The family of the service.
    pub fn family(&self) -> Family {
        match *self {
            Self::Address { addr, .. } => Family::of(addr),
            Self::Fwmark { family, .. } => family,
        }
    }

    /// The IP protocol number; TCP's for every firewall-mark service, as in the kernel.
    pub fn protocol(&self) -> u16 {
        match *self {
            Self::Address { protocol, .. } => protocol,
            Self::Fwmark { .. } => PROTOCOL_TCP,
        }
    }

    /// The firewall mark, if the service is identified by one.
    pub fn fwmark(&self) -> Option<NonZeroU32> {
        match *self {
            Self::Address { .. } => None,
            Self::Fwmark { mark, .. } => Some(mark),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address {
                protocol,
                addr,
                port,
            } => {
                match protocol {
                    PROTOCOL_TCP => f.write_str("TCP ")?,
                    PROTOCOL_UDP => f.write_str("UDP ")?,
                    PROTOCOL_SCTP => f.write_str("SCTP ")?,
                    other => write!(f, "protocol {other} ")?,
                }
                SocketAddr::new(addr, port).fmt(f)
            }
            Self::Fwmark {
                family: Family::Inet,
                mark,
            } => write!(f, "FWM {mark}"),
            Self::Fwmark {
                family: Family::Inet6,
                mark,
            } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

/// What identifies a destination in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// The real server's address. Its family may differ from the service's (tunnels only).
    pub addr: IpAddr,
    /// The real server's port, host byte order.
    pub port: u16,
}

impl DestinationKey {
    /// The family of the destination.
    pub fn family(&self) -> Family {
        Family::of(self.addr)
    }
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.addr, self.port).fmt(f)
    }
}
