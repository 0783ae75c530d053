// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of the family, by their names in `include/uapi/linux/ip_vs.h`.
//!
//! For building messages by hand (malformed ones for tests, for example). The rest of this crate
//! uses enums. The flags of services and destinations are in [`crate::ServiceFlags`],
//! [`crate::ForwardMethod`] and similar types.
//!
//! Numbers are in native byte order on the wire unless stated otherwise.

/// `IPVS_GENL_NAME`: the name that a client requests from the controller.
pub const IPVS_GENL_NAME: &str = "IPVS";
/// `IPVS_GENL_VERSION`: in the header of every message from the kernel.
pub const IPVS_GENL_VERSION: u8 = 1;
/// `IP_VS_VERSION_CODE`: IPVS 1.2.1, one byte for each part.
pub const IP_VS_VERSION_CODE: u32 = 0x01_02_01;

/// `IP_VS_SCHEDNAME_MAXLEN`: longest name of a scheduler in bytes, including its NUL.
pub const IP_VS_SCHEDNAME_MAXLEN: usize = 16;
/// `IP_VS_PENAME_MAXLEN`: longest name of a persistence engine in bytes, without its NUL.
pub const IP_VS_PENAME_MAXLEN: usize = 16;
/// `IP_VS_IFNAME_MAXLEN`: longest name of a network interface in bytes, including its NUL.
pub const IP_VS_IFNAME_MAXLEN: usize = 16;

/// Declares the attribute types of one level, and their maximum.
macro_rules! attribute_types {
    ($max:ident: $($name:ident = $number:literal, $what:literal;)+) => {
        $(
            #[doc = $what]
            pub const $name: u16 = $number;
        )+
        /// The highest type that the kernel defines at this level; higher ones are skipped.
        pub const $max: u16 = attribute_types!(@last $($number)+);
    };
    (@last $last:literal) => { $last };
    (@last $first:literal $($rest:literal)+) => { attribute_types!(@last $($rest)+) };
}

attribute_types! { IPVS_CMD_ATTR_MAX:
    IPVS_CMD_ATTR_SERVICE = 1, "Nested: a service.";
    IPVS_CMD_ATTR_DEST = 2, "Nested: a destination.";
    IPVS_CMD_ATTR_DAEMON = 3, "Nested: a sync daemon.";
    IPVS_CMD_ATTR_TIMEOUT_TCP = 4, "TCP connection timeout, seconds, u32.";
    IPVS_CMD_ATTR_TIMEOUT_TCP_FIN = 5, "TCP FIN wait timeout, seconds, u32.";
    IPVS_CMD_ATTR_TIMEOUT_UDP = 6, "UDP timeout, seconds, u32.";
}

attribute_types! { IPVS_SVC_ATTR_MAX:
    IPVS_SVC_ATTR_AF = 1, "Address family, u16.";
    IPVS_SVC_ATTR_PROTOCOL = 2, "Layer 4 protocol, u16.";
    IPVS_SVC_ATTR_ADDR = 3, "Virtual address, up to 16 bytes.";
    IPVS_SVC_ATTR_PORT = 4, "Virtual port, u16 in network order.";
    IPVS_SVC_ATTR_FWMARK = 5, "Firewall mark, u32.";
    IPVS_SVC_ATTR_SCHED_NAME = 6, "Name of the scheduler, NUL-terminated.";
    IPVS_SVC_ATTR_FLAGS = 7, "Flags and the mask of those to set, 2 x u32.";
    IPVS_SVC_ATTR_TIMEOUT = 8, "Persistence timeout, seconds, u32.";
    IPVS_SVC_ATTR_NETMASK = 9, "Persistence granularity, u32.";
    IPVS_SVC_ATTR_STATS = 10, "Nested: statistics with 32-bit counters.";
    IPVS_SVC_ATTR_PE_NAME = 11, "Name of the persistence engine, NUL-terminated.";
    IPVS_SVC_ATTR_STATS64 = 12, "Nested: statistics with 64-bit counters.";
}

attribute_types! { IPVS_DEST_ATTR_MAX:
    IPVS_DEST_ATTR_ADDR = 1, "Real server's address, up to 16 bytes.";
    IPVS_DEST_ATTR_PORT = 2, "Real server's port, u16 in network order.";
    IPVS_DEST_ATTR_FWD_METHOD = 3, "Forwarding method, u32.";
    IPVS_DEST_ATTR_WEIGHT = 4, "Weight, relative to the service's other destinations, u32.";
    IPVS_DEST_ATTR_U_THRESH = 5, "Upper threshold, number of connections, u32.";
    IPVS_DEST_ATTR_L_THRESH = 6, "Lower threshold, number of connections, u32.";
    IPVS_DEST_ATTR_ACTIVE_CONNS = 7, "Active connections, u32.";
    IPVS_DEST_ATTR_INACT_CONNS = 8, "Inactive connections, u32.";
    IPVS_DEST_ATTR_PERSIST_CONNS = 9, "Persistence templates, u32.";
    IPVS_DEST_ATTR_STATS = 10, "Nested: statistics with 32-bit counters.";
    IPVS_DEST_ATTR_ADDR_FAMILY = 11, "Address family of the address, u16.";
    IPVS_DEST_ATTR_STATS64 = 12, "Nested: statistics with 64-bit counters.";
    IPVS_DEST_ATTR_TUN_TYPE = 13, "Type of tunnel, u8.";
    IPVS_DEST_ATTR_TUN_PORT = 14, "Port of the tunnel, u16 in network order.";
    IPVS_DEST_ATTR_TUN_FLAGS = 15, "Flags of the tunnel, u16.";
}

attribute_types! { IPVS_DAEMON_ATTR_MAX:
    IPVS_DAEMON_ATTR_STATE = 1, "Master or backup, u32.";
    IPVS_DAEMON_ATTR_MCAST_IFN = 2, "Multicast interface, NUL-terminated.";
    IPVS_DAEMON_ATTR_SYNC_ID = 3, "Sync id, u32.";
    IPVS_DAEMON_ATTR_SYNC_MAXLEN = 4, "Longest UDP payload, bytes, u16.";
    IPVS_DAEMON_ATTR_MCAST_GROUP = 5, "IPv4 multicast group, 4 bytes.";
    IPVS_DAEMON_ATTR_MCAST_GROUP6 = 6, "IPv6 multicast group, 16 bytes.";
    IPVS_DAEMON_ATTR_MCAST_PORT = 7, "Multicast port, u16 in native order.";
    IPVS_DAEMON_ATTR_MCAST_TTL = 8, "Multicast TTL, hops, u8.";
}

attribute_types! { IPVS_STATS_ATTR_MAX:
    IPVS_STATS_ATTR_CONNS = 1, "Connections scheduled, u32 or u64.";
    IPVS_STATS_ATTR_INPKTS = 2, "Incoming packets, u32 or u64.";
    IPVS_STATS_ATTR_OUTPKTS = 3, "Outgoing packets, u32 or u64.";
    IPVS_STATS_ATTR_INBYTES = 4, "Incoming bytes, u64.";
    IPVS_STATS_ATTR_OUTBYTES = 5, "Outgoing bytes, u64.";
    IPVS_STATS_ATTR_CPS = 6, "Connections a second, u32 or u64.";
    IPVS_STATS_ATTR_INPPS = 7, "Incoming packets a second, u32 or u64.";
    IPVS_STATS_ATTR_OUTPPS = 8, "Outgoing packets a second, u32 or u64.";
    IPVS_STATS_ATTR_INBPS = 9, "Incoming bytes (not bits) a second, u32 or u64.";
    IPVS_STATS_ATTR_OUTBPS = 10, "Outgoing bytes (not bits) a second, u32 or u64.";
    IPVS_STATS_ATTR_PAD = 11, "Empty, before a u64 where the architecture wants it aligned.";
}

attribute_types! { IPVS_INFO_ATTR_MAX:
    IPVS_INFO_ATTR_VERSION = 1, "Version of IPVS, a byte for each part, u32.";
    IPVS_INFO_ATTR_CONN_TAB_SIZE = 2, "Size of the connection hash table, buckets, u32.";
}
