// SPDX-License-Identifier: GPL-2.0-only

//! The messages of the kernel's `IPVS` generic netlink family: every command and every attribute,
//! parsed and emitted, for clients and servers. This crate does no I/O and has no state.
//!
//! There are two ways to read a message and two to write one:
//!
//! - [`IpvsMessage`] is the complete message as a tree of enums ([`IpvsAttr`], [`ServiceAttr`],
//!   [`DestinationAttr`], [`DaemonAttr`], [`StatsAttr`], [`InfoAttr`]), like in the other
//!   `netlink-packet-*` crates. It keeps the order of the attributes, and unknown ones. For
//!   clients, tools and tests.
//! - The views in [`policy`] ([`CommandAttrs`](policy::CommandAttrs) and so on) are for servers:
//!   one pass over the bytes, no allocation, and exactly the kernel's validation, with the kernel's
//!   errno and text.
//! - [`Emitable`](netlink_packet_core::Emitable) writes an [`IpvsMessage`] to a slice.
//! - [`writer::Writer`] appends messages to a `Vec<u8>` without building a tree first;
//!   [`ServiceEntry`], [`DestinationEntry`] and [`DaemonEntry`] are the kernel's replies, attribute
//!   for attribute. For dumps of many thousands of objects.
//!
//! Numbers are in native byte order on the wire, as everywhere in netlink, except for the ports of
//! services, destinations and tunnels, and for addresses. Unless a type states otherwise, its
//! numbers are in host order.
//!
//! # Example
//!
//! The request of `ipvsadm -A -t 192.0.2.1:80 -s rr`, and how a server decodes it:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use netlink_packet_core::Emitable;
//! use netlink_packet_ipvs::{
//!     Address, AddressFamily, IpvsAttr, IpvsCommand, IpvsMessage, ServiceAttr, ServiceFlags,
//!     policy::{CommandAttrs, ServiceAttrs},
//! };
//!
//! let address: IpAddr = "192.0.2.1".parse()?;
//! let request = IpvsMessage::new(
//!     IpvsCommand::NewService,
//!     vec![IpvsAttr::Service(
//!         vec![
//!             ServiceAttr::Af(AddressFamily::Inet),
//!             ServiceAttr::Protocol(6),
//!             ServiceAttr::Addr(Address::from(address)),
//!             ServiceAttr::Port(80),
//!             ServiceAttr::SchedName("rr".into()),
//!             ServiceAttr::Flags(ServiceFlags { flags: 0, mask: u32::MAX }),
//!             ServiceAttr::Timeout(0),
//!             ServiceAttr::Netmask(u32::MAX),
//!         ]
//!         .into(),
//!     )],
//! );
//! let mut bytes = vec![0; request.buffer_len()];
//! request.emit(&mut bytes);
//!
//! let command = CommandAttrs::decode(&bytes)?;
//! let service = ServiceAttrs::decode(command.service.unwrap_or_default())?;
//! assert_eq!(service.port, Some(80));
//! assert_eq!(service.sched_name, Some(&b"rr"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// Compiles and runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod address;
mod attribute;
mod bytes;
mod command;
pub mod constants;
mod daemon;
mod destination;
mod entry;
mod family;
mod info;
mod message;
mod name;
mod nest;
pub mod policy;
mod service;
mod stats;
mod types;
mod unknown;
pub mod writer;

pub use self::{
    address::Address,
    attribute::IpvsAttr,
    command::IpvsCommand,
    daemon::DaemonAttr,
    destination::DestinationAttr,
    entry::{DaemonEntry, DestinationEntry, ServiceEntry, ServiceKey},
    family::{FAMILY_OPERATIONS, FamilyOperation, new_family},
    info::InfoAttr,
    message::{IpvsMessage, IpvsPayload},
    name::Name,
    nest::Nest,
    service::ServiceAttr,
    stats::{Counter, Stats, StatsAttr},
    types::{AddressFamily, ForwardMethod, ServiceFlags, SyncState, TunnelType},
};
