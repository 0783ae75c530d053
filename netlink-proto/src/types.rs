// SPDX-License-Identifier: GPL-2.0-only

//! Types for the numbers in attributes.
//!
//! Each of them can be made from any number and converts back to it: refusing invalid values is
//! left to the kernel, or to a server in its place.

use crate::bytes;

/// Defines an enum with names for the known numbers that keeps the others.
macro_rules! lossless_enum {
    (
        $(#[$outer:meta])*
        $name:ident: $number:ty {
            $($(#[$inner:meta])* $variant:ident = $value:literal,)+
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
            /// Any other number.
            Other($number),
        }

        impl From<$number> for $name {
            fn from(number: $number) -> Self {
                match number {
                    $($value => Self::$variant,)+
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => $value,)+
                    $name::Other(other) => other,
                }
            }
        }
    };
}
pub(crate) use lossless_enum;

lossless_enum! {
    /// The address family of a service or a destination.
    AddressFamily: u16 {
        /// IPv4, `AF_INET`.
        Inet = 2,
        /// IPv6, `AF_INET6`.
        Inet6 = 10,
    }
}

lossless_enum! {
    /// How packets reach a destination: the low bits (`IP_VS_CONN_F_FWD_MASK`) of
    /// [`DestinationAttr::FwdMethod`](crate::DestinationAttr::FwdMethod).
    ForwardMethod: u32 {
        /// Masquerading, `ipvsadm -m`.
        Masq = 0,
        /// The server is this machine.
        Local = 1,
        /// Tunnelling, `ipvsadm -i`.
        Tunnel = 2,
        /// Direct routing, `ipvsadm -g`.
        Route = 3,
        /// Transparent cache bypass.
        Bypass = 4,
    }
}

impl ForwardMethod {
    /// `IP_VS_CONN_F_FWD_MASK`
    pub const MASK: u32 = 0x7;

    /// The method in the value of the attribute: the kernel ignores all other bits of a request.
    pub fn from_masked(value: u32) -> Self {
        Self::from(value & Self::MASK)
    }
}

lossless_enum! {
    /// How a tunnel wraps packets: `IP_VS_CONN_F_TUNNEL_TYPE_*`.
    TunnelType: u8 {
        /// IP in IP.
        Ipip = 0,
        /// Generic UDP encapsulation.
        Gue = 1,
        /// Generic routing encapsulation.
        Gre = 2,
    }
}

lossless_enum! {
    /// The state of a sync daemon: `IP_VS_STATE_*`.
    SyncState: u32 {
        /// Stopped.
        None = 0,
        /// Sends connections.
        Master = 1,
        /// Receives connections.
        Backup = 2,
    }
}

/// `struct ip_vs_flags`: the flags of a service, and which of them to set.
///
/// The kernel computes `(old & !mask) | (flags & mask)`; in its replies `mask` is all ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceFlags {
    /// The flags: the constants of this type.
    pub flags: u32,
    /// The flags to set or clear.
    pub mask: u32,
}

impl ServiceFlags {
    /// `IP_VS_SVC_F_PERSISTENT`: connections of one client go to the same server.
    pub const PERSISTENT: u32 = 0x01;
    /// `IP_VS_SVC_F_HASHED`: the service is in the table; the kernel sets it.
    pub const HASHED: u32 = 0x02;
    /// `IP_VS_SVC_F_ONEPACKET`: schedule every packet independently.
    pub const ONE_PACKET: u32 = 0x04;
    /// `IP_VS_SVC_F_SCHED1`, for sh and mh: fall back to another server.
    pub const SCHED1: u32 = 0x08;
    /// `IP_VS_SVC_F_SCHED2`, for sh and mh: hash the source port too.
    pub const SCHED2: u32 = 0x10;
    /// `IP_VS_SVC_F_SCHED3`
    pub const SCHED3: u32 = 0x20;

    /// Length on the wire.
    pub const LEN: usize = 8;

    /// Reads a payload like `nla_memcpy`: shorter ones are padded with zeros.
    pub(crate) fn first_of(payload: &[u8]) -> Self {
        Self {
            flags: u32::from_ne_bytes(bytes::zero_filled(payload)),
            mask: u32::from_ne_bytes(bytes::zero_filled(payload.get(4..).unwrap_or_default())),
        }
    }

    /// The bytes on the wire.
    pub(crate) fn to_wire(self) -> [u8; Self::LEN] {
        let mut wire = [0; Self::LEN];
        let (flags, mask) = wire.split_at_mut(4);
        flags.copy_from_slice(&self.flags.to_ne_bytes());
        mask.copy_from_slice(&self.mask.to_ne_bytes());
        wire
    }

    /// The new flags of a service: `old` with those in `mask` replaced.
    pub const fn apply(self, old: u32) -> u32 {
        (old & !self.mask) | (self.flags & self.mask)
    }
}
